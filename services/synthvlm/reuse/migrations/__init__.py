"""Alembic's migrations of the index, applied when a service opens it."""

MIGRATIONS = "synthvlm.reuse.migrations:versions"
"""The folder of the migrations, as ``synthvlm.sql`` wants it."""

VERSION_TABLE = "alembic_version_reuse"
"""The index may lie in a database that has other tables too."""
