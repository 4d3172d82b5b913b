"""Statistics of verdicts as numbers: they know neither the database nor the service."""
