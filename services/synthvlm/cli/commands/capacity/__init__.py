"""``synthvlm capacity``: GPU hours and cost of a number of images, or of a training."""
