"""The commands: a module each, or a folder. ``cli.app`` names them and loads them."""
