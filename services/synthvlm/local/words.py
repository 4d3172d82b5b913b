"""The names of what runs on one machine."""

WORDS = ("caption", "generation", "alignment", "dataset")
"""The services of a dataset run, in its order."""

TRITON = "triton"
"""The Triton server beside the services, and the engine of the generation service that asks it."""

ENGINES = ("diffusers", TRITON)
"""What can synthesise the images on this machine."""
