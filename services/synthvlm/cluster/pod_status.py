"""What became of a pod, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

_USUAL = {"ContainerCreating", "PodInitializing"}


def container_status(pod: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    """What the node says of a container; empty: nothing yet."""
    listed = (pod.get("status") or {}).get("containerStatuses") or []
    return next((one for one in listed if one["name"] == container), {})


def has_ended(pod: Mapping[str, Any]) -> bool:
    """Whether no container of it will write any more."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def waits_for(pod: Mapping[str, Any], container: str) -> str:
    """What keeps the container from being started; empty: nothing, or what is usual."""
    status = pod.get("status") or {}
    name = pod["metadata"]["name"]
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return _told(f"the pod {name} cannot be scheduled", condition.get("message"))
    first = status.get("initContainerStatuses") or []
    for one in (*first, container_status(pod, container)):
        waiting = one.get("state", {}).get("waiting") or {}
        if waiting.get("reason", "ContainerCreating") not in _USUAL:
            return _told(
                f"the pod {name} is not started", waiting["reason"], waiting.get("message")
            )
    return ""


def losses(pod: Mapping[str, Any], container: str) -> Iterator[tuple[tuple[str, int], str]]:
    """How the container ended where it did not succeed, and whether the pod was taken away.

    Yields:
        What identifies the loss, and the loss in words.
    """
    status = pod.get("status") or {}
    uid = pod["metadata"]["uid"]
    where = f"the pod {pod['metadata']['name']} on {pod['spec'].get('nodeName', 'no node')}"
    for condition in status.get("conditions") or []:
        if condition["type"] == "DisruptionTarget" and condition["status"] == "True":
            because = (condition.get("reason"), condition.get("message"))
            yield (uid, -1), _told(f"{where} was taken away", *because)
    if status.get("phase") == "Failed" and status.get("reason"):
        yield (uid, -2), _told(f"{where} failed", status["reason"], status.get("message"))
    one = container_status(pod, container)
    restarts = one.get("restartCount", 0)
    for number, state in ((restarts, one.get("state")), (restarts - 1, one.get("lastState"))):
        ended = (state or {}).get("terminated") or {}
        if ended.get("exitCode", 0) != 0:
            reason = ended.get("reason", "")
            named = f" ({reason})" if reason not in ("", "Error") else ""
            yield (
                (uid, number),
                _told(
                    f"{where} ended with status {ended['exitCode']}{named}", ended.get("message")
                ),
            )


def _told(what: str, *because: str | None) -> str:
    return " ".join(": ".join(filter(None, (what, *because))).split())
