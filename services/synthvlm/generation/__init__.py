"""Text-to-image generation: diffusion pipelines behind one engine interface."""
