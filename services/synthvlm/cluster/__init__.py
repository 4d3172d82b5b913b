"""Kubernetes objects as typed data.

``objects`` has the objects themselves, ``pods`` what a pod is made of, ``security`` the
restrictions that hold for every pod, and each further module one thing that is run on a cluster.
"""
