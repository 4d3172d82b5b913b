"""A dataset run from the command line: planning it, running the pipeline, showing its progress."""
