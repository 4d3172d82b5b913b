"""Grid search of generation parameters: the paper's way to its 60 steps, for any model and grid."""
