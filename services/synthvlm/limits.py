"""Limits shared by the command line and the services."""

MAX_SEED = 2**63 - 1
"""Largest seed: it fits the protos' uint64, the tables' int64 and torch's generators."""

MAX_PROMPT_BYTES = 16_384
"""Longest prompt or caption, in bytes of UTF-8."""
