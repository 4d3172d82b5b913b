"""Disks that claims can be bound to. Nothing is behind them."""

from tests.rig.cluster import Cluster


def add_volumes(cluster: Cluster, count: int) -> None:
    """Adds disks that any claim without a class fits."""
    for i in range(count):
        cluster.api("POST", "/api/v1/persistentvolumes", {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"disk-{i}"},
            "spec": {
                "capacity": {"storage": "1Ti"},
                "accessModes": ["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"],
                "hostPath": {"path": f"/nowhere/{i}"},
            },
        })  # fmt: skip
