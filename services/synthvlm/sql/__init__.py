"""Shared by services with a database: settings, connection, schema migrations, page tokens."""
