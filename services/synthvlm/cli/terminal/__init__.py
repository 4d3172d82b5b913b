"""Writing to a terminal: text, JSON, and pictures."""
