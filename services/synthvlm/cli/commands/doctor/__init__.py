"""``synthvlm doctor``: what is missing, and how to fix it."""
