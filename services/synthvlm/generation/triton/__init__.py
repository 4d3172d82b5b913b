"""Triton servers: the model that one loads, and the client that asks for images.

One Triton model a GPU holds the whole pipeline behind the Python backend: the same
``Pipelines``, loaded by the same code, as in process. ``docs/triton.md`` is for operators.
"""
