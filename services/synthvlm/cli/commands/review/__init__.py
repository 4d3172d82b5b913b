"""``synthvlm review``."""
