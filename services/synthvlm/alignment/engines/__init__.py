"""Engines, one module per model library; imported only when chosen."""
