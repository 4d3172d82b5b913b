"""``synthvlm datasets``: listing, comparing and exporting dataset versions."""
