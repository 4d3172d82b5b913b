"""Dataset versions in other formats; one module per format."""
