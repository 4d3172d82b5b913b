"""Everything that runs on one machine: a home, its services and their processes."""
