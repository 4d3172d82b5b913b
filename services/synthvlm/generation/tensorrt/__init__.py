"""TensorRT engines: what they are built for, where they are kept, how they are built and run.

A set of engines, one a component, is one committed folder of the object store. It is built from the
graphs of ``onnx/``. The engines of the service itself, which synthesise images, are something else:
``engine.py`` and ``engines/``.
"""
