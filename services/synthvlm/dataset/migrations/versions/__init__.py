"""One module a change of the catalogue's schema."""
