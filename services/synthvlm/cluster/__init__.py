"""Kubernetes objects as typed data."""
