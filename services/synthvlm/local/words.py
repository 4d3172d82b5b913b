"""The names of what runs on one machine."""

RUN = ("caption", "generation", "alignment", "dataset")
"""The services of a dataset run, in its order."""

REVIEW = "review"
"""The service of human verification, which no run waits for."""

WORDS = (*RUN, REVIEW)
"""All services."""

TRITON = "triton"
"""The Triton server beside the services, and the engine of the generation service that asks it."""

ENGINES = ("diffusers", TRITON)
"""What can synthesise the images on this machine."""
