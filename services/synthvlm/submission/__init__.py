"""Runs on a Kubeflow Pipelines server: sent, found again, followed, and their results fetched."""
