"""Verdicts as files of other programs, there and back."""
