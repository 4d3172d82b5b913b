"""How Alembic runs a service's migrations; the migrations themselves are the service's."""
