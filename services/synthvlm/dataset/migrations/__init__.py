"""Alembic's migrations of the catalogue, applied when the service starts."""

MIGRATIONS = "synthvlm.dataset.migrations:versions"
"""The migrations folder, in the form that ``synthvlm.sql`` takes."""
