"""The scene world: a small visual world in which the truth of a caption is known."""
