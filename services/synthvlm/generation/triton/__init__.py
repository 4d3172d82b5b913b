"""Triton servers: the model that a server loads, and the client that requests images.

A Triton model instance per GPU holds the whole pipeline behind the Python backend: the same
``Pipelines``, loaded by the same code, as in process. ``docs/triton.md`` is for operators.
"""
