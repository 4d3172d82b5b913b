"""Text to image: SDXL base and refiner behind one engine interface."""
