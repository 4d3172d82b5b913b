"""The engines, one module each, imported only when a profile chooses them."""
