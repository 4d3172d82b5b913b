"""Alembic's migrations of the catalogue, applied when the service starts."""
