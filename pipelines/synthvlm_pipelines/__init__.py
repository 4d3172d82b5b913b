"""A dataset run as a Kubeflow pipeline: thin components that call the services."""
