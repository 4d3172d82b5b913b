"""Looks at a cluster and a release of the chart in it, by reading alone."""
