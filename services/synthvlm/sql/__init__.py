"""What the services that keep a database share: settings, connection, schema, lists by page."""
