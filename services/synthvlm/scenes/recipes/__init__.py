"""How the bundled mini models are made: one readable script each, and nothing hidden."""
