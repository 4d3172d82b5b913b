"""The training of the mini models, one script a stage; ``stages`` tells the whole story."""
