"""``python -m tests.rig.hollow DIRECTORY``: plays the kubelets of the fake nodes.

Reports pods bound to them as ready, runs those of Jobs to success at once, and confirms deletions,
so that rollouts, disruption budgets, ``helm --wait`` and hooks go their way. Annotations of a pod
steer it:

    kube-rig.test/ready: "never"     it runs but never gets ready
    kube-rig.test/exit: "1"          it ends with this status instead of 0, if it ends by itself
    kube-rig.test/kubelet: "real"    it is left to a kubelet that runs programs (running.py)
"""

import http.client
import sys
import time
from pathlib import Path
from typing import Any

from tests.rig.api import STRATEGIC, ApiError
from tests.rig.cluster import Cluster
from tests.rig.nodes import FAKE, now

KUBELET = "kube-rig.test/kubelet"

GONE = (404, 409)
"""What the API says of an object that was removed meanwhile, or replaced."""

Pod = dict[str, Any]


def main(directory: Path) -> None:
    """Plays until the API server is gone."""
    cluster = Cluster(directory.name, work=directory.parent.parent)
    addresses: dict[str, str] = {}
    failures = 0
    while failures < 100:
        try:
            for pod in bound_pods(cluster):
                if notes(pod).get(KUBELET) != "real":
                    play(cluster, pod, addresses)
            failures = 0
        except (OSError, http.client.HTTPException, ApiError) as error:
            failures += 1
            sys.stderr.write(f"{now()} {error!r}\n")
        time.sleep(0.2)


def bound_pods(cluster: Cluster) -> list[Pod]:
    """The pods on fake nodes."""
    nodes = cluster.api("GET", f"/api/v1/nodes?labelSelector={FAKE}")["items"]
    fake = {node["metadata"]["name"] for node in nodes}
    pods = cluster.api("GET", "/api/v1/pods?fieldSelector=spec.nodeName!=")["items"]
    return [pod for pod in pods if pod["spec"]["nodeName"] in fake]


def notes(pod: Pod) -> dict[str, str]:
    """The pod's annotations."""
    found: dict[str, str] = pod["metadata"].get("annotations", {})
    return found


def play(cluster: Cluster, pod: Pod, addresses: dict[str, str]) -> None:
    """The next thing that a kubelet would do with the pod."""
    meta, phase = pod["metadata"], pod["status"].get("phase")
    try:
        if "deletionTimestamp" in meta:
            remove(cluster, pod)
        elif phase == "Pending":
            ready = notes(pod).get("kube-rig.test/ready") != "never"
            # Documentation addresses: Endpoints fill up, and nobody is there.
            address = addresses.setdefault(meta["uid"], f"192.0.2.{len(addresses) % 254 + 1}")
            report_running(cluster, pod, address, ready)
        elif phase == "Running" and pod["spec"].get("restartPolicy") != "Always":
            report_ended(cluster, pod, int(notes(pod).get("kube-rig.test/exit", "0")))
    except ApiError as error:
        if error.status not in GONE:
            raise


def remove(cluster: Cluster, pod: Pod) -> None:
    """Confirms that nothing of the pod runs any more."""
    once = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
    try:
        cluster.api("DELETE", _path(pod), once)
    except ApiError as error:
        if error.status not in GONE:
            raise


def report_running(cluster: Cluster, pod: Pod, address: str, ready: bool) -> None:
    """Says that the pod's containers run."""
    running = {"running": {"startedAt": now()}}
    more = {"podIP": address, "podIPs": [{"ip": address}], "startTime": now()}
    _report(cluster, pod, "Running", ready, running, more)


def report_ended(cluster: Cluster, pod: Pod, status: int) -> None:
    """Says that the pod's containers ended with ``status``."""
    reason = "Error" if status else "Completed"
    ended = {"terminated": {"exitCode": status, "finishedAt": now(), "reason": reason}}
    _report(cluster, pod, "Failed" if status else "Succeeded", False, ended, {})


def _path(pod: Pod) -> str:
    meta = pod["metadata"]
    return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"


def _report(
    cluster: Cluster, pod: Pod, phase: str, ready: bool, state: Pod, more: dict[str, Any]
) -> None:
    def statuses(containers: list[Pod], ready: bool, state: Pod) -> list[Pod]:
        shared = {"imageID": "", "ready": ready, "started": True, "restartCount": 0, "state": state}
        return [{"name": c["name"], "image": c["image"], **shared} for c in containers]

    spec = pod["spec"]
    conditions = {"Initialized": True, "ContainersReady": ready, "Ready": ready}
    done = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    status = more | {
        "phase": phase,
        "conditions": [
            {"type": kind, "status": str(value), "lastTransitionTime": now()}
            for kind, value in conditions.items()
        ],
        "containerStatuses": statuses(spec["containers"], ready, state),
        "initContainerStatuses": statuses(spec.get("initContainers", []), True, done),
    }
    cluster.api("PATCH", f"{_path(pod)}/status", {"status": status}, STRATEGIC)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
