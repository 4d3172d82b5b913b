"""Selects the best pairs and publishes them as immutable, versioned datasets."""
