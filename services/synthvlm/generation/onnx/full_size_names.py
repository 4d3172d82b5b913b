"""The full-size components by name; ``full_size`` makes them, for which it loads PyTorch."""

COMPONENTS = ("text_encoder", "vae", "text_encoder_2", "refiner_unet", "unet")
"""Those of SDXL, smallest first."""
