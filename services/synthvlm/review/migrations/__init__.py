"""Alembic's migrations of the review database, applied when the service starts."""

MIGRATIONS = "synthvlm.review.migrations:versions"
"""The migrations folder, in the form that ``synthvlm.sql`` takes."""

VERSION_TABLE = "alembic_version_review"
"""Notes which of them are applied: the tables may share a database with the catalogue."""
