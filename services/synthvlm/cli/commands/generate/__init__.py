"""``synthvlm generate``: a few images of one prompt, judged at once."""
