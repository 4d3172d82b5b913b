"""A model that judges pairs beside people, and counts as nobody."""
