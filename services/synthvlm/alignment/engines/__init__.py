"""Engines, one module a model library; imported only when chosen."""
