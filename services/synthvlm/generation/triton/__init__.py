"""Triton as the engine's other end: the model that a server loads, and how it is asked.

One Triton model a GPU holds the whole pipeline behind the Python backend: the same
``DiffusersEngine``, loaded by the same code, as in process. ``docs/triton.md`` is for operators.
"""
