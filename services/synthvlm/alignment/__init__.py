"""The alignment service: how well images match their captions, and survive a VLM's resizing."""
