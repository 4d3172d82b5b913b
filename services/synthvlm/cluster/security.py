"""What every pod is denied: the restricted level of Kubernetes' Pod Security Standards."""

from typing import Any

USER = 65532
"""The user and the group that containers run as, and that owns their volumes."""


def pod_security() -> dict[str, Any]:
    """``securityContext`` of a pod."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Any]:
    """``securityContext`` of a container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
