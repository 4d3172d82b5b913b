"""TensorRT engines: what they are built for, where they are stored, how they are built and run.

A set of engines, one per component, is a committed folder of the object store. It is built from the
graphs of ``onnx/``. Not to be confused with the service's own engines, which generate images:
``engine.py`` and ``engines/``.
"""
