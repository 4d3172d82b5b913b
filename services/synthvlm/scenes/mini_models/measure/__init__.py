"""The measurement of the mini models: each by itself, and the report on all of them."""
