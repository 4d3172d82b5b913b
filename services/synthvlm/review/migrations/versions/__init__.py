"""One module per change of the review database's schema."""
