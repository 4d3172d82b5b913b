"""Diffusers' pipelines, and how their components are computed by something else than PyTorch.

The denoising loop stays diffusers' own, whatever executes. A component (a network of a pipeline:
``unet``, ``text_encoder``, ``vae``…) that is executed elsewhere is replaced, in its pipeline, by a
module of the same call signature (``executed.ExecutedModule``). ``onnx/`` and ``tensorrt/`` have
the executors.
"""
