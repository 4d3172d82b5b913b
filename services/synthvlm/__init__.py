"""SynthVLM: synthetic image-caption datasets for vision-language models (arXiv 2407.20756)."""

__version__ = "0.1.0"
