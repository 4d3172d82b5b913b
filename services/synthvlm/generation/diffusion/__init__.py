"""What computes the networks of a pipeline: PyTorch itself, ONNX Runtime or TensorRT.

The denoising loop stays diffusers' own, whatever executes. A network that is executed elsewhere is
replaced, in its pipeline, by a module of the same call signature (``module.ExecutedModule``).
"""
