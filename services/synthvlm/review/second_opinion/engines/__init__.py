"""Models that give a second opinion: one module each, imported when it is chosen."""
