"""Diffusers' pipelines, and how executors other than PyTorch compute their components.

The denoising loop is always diffusers' own. A component (a network of a pipeline: ``unet``,
``text_encoder``, ``vae``…) that is computed by an executor is replaced in its pipeline by a module
with the same call signature (``executed.ExecutedModule``). The executors are in ``onnx/`` and
``tensorrt/``.
"""
