"""The engines, one module each, imported only when the profile chooses them."""
