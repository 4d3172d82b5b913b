"""Model weights from a hub or an object store: pinned, checked, and of harmless kinds alone."""
