"""One module a change of the index's schema."""
