"""Sets of real images with captions, with which a campaign compares what was generated."""
