"""Clusters of captions that are alike."""
