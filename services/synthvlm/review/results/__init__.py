"""What the verdicts of a campaign say: how far it is, its figures, and the ReviewSet in the end."""
