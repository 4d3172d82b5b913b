"""Alembic's migrations of the catalogue, applied when the service starts."""

MIGRATIONS = "synthvlm.dataset.migrations:versions"
"""The folder of the migrations, as ``synthvlm.sql`` wants it."""
