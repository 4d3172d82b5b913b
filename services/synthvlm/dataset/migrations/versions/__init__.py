"""One module per change of the catalogue's schema."""
