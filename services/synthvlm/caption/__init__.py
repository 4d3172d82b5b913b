"""The caption service: imports caption files and decides which captions are worth an image."""
