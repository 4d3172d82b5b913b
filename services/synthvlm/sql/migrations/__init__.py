"""Alembic's environment, which runs the migrations of any service."""
