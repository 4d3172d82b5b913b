"""Data-Juicer's statistics of captions, computed for many captions at once and exactly."""
