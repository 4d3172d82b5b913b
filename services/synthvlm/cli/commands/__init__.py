"""The commands: a module or a folder each. ``cli.app`` lists and loads them."""
