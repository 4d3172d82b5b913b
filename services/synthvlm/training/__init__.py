"""LLaVA-1.5's two stages of training on a dataset version."""
