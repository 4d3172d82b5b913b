"""TensorRT engines: what they are built for, where they are kept, and how they are built.

TensorRT calls an engine that is written to a file a *plan*; so do the names here, because the
engines of this service are something else. A set of plans, one a network, is one committed folder
of the object store.
"""
