"""``synthvlm datasets``: what there is, and taking it elsewhere."""
