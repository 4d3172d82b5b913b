"""The alignment service: how well images fit their captions, and how well they survive a VLM."""
