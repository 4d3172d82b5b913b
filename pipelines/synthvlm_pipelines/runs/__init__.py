"""The pipelines: the whole run, and its parts for use alone."""
