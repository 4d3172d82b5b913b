"""``synthvlm images`` and ``synthvlm regenerate``: single images."""
