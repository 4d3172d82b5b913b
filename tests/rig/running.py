"""A kubelet that runs the programs of pods, as processes of this machine.

It takes the pods with the annotation ``kube-rig.test/kubelet: real`` and does with them what a
kubelet does: mounts, environment, command, readiness by gRPC health, the sleep before a stop,
SIGTERM, the grace period, SIGKILL. What it does not do: images, users, limits, network policies.

A pod's address in the API, 192.0.2.N, stands for 127.0.3.N here, as the API takes no loopback
address. The name server answers for headless Services from the Endpoints of the API.
"""

import base64
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.name_server import name_server
from tests.rig.api import ApiError
from tests.rig.cluster import Cluster
from tests.rig.hollow import GONE, KUBELET, bound_pods, notes, remove, report_ended, report_running
from tests.rig.k120shim.k120shim import PRE_STOP
from tests.service_process import clean_environment

Pod = dict[str, Any]


@dataclass
class Running:
    """A pod's process.

    Attributes:
        host: Where it listens.
        ready: What was last reported.
        ending: Whether it is being stopped.
        status: Its exit status, once it was asked to end or ended by itself.
    """

    pod: Pod
    process: subprocess.Popen[bytes]
    folder: Path
    host: str
    ready: bool = False
    ending: bool = False
    status: int | None = None

    @property
    def name(self) -> str:
        name: str = self.pod["metadata"]["name"]
        return name

    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "log").read_text(errors="replace")


@dataclass
class Kubelet:
    """Runs the pods of a namespace; ``pods`` has all that it ever ran, by uid."""

    cluster: Cluster
    namespace: str
    folder: Path
    names: int = 0
    pods: dict[str, Running] = field(default_factory=dict)

    def target(self, service: str, port: int = 50051) -> str:
        """What a caller in the cluster would dial."""
        return f"dns://127.0.0.1:{self.names}/{service}.{self.namespace}.svc:{port}"

    def addresses(self, name: str) -> list[str]:
        """Where a Service's pods that are ready listen."""
        service = name.partition(".")[0]
        path = f"/api/v1/namespaces/{self.namespace}/endpoints/{service}"
        try:
            endpoints = Cluster(self.cluster.dir.name, work=self.cluster.home).api("GET", path)
        except ApiError:
            return []
        subsets = endpoints.get("subsets", [])
        found = [entry["ip"] for one in subsets for entry in one.get("addresses", [])]
        return [ip.replace("192.0.2.", "127.0.3.") for ip in found]

    def turn(self, cluster: Cluster) -> None:
        """Looks at all pods once."""
        for pod in bound_pods(cluster):
            meta = pod["metadata"]
            if meta["namespace"] != self.namespace or notes(pod).get(KUBELET) != "real":
                continue
            running = self.pods.get(meta["uid"])
            try:
                if running is None and "deletionTimestamp" not in meta:
                    self._start(cluster, pod)
                elif running is None:
                    remove(cluster, pod)
                elif "deletionTimestamp" in meta and not running.ending:
                    running.ending = True
                    threading.Thread(target=self._stop, args=(running,)).start()
                elif not running.ending:
                    self._look(cluster, running)
            except ApiError as error:
                if error.status not in GONE:
                    raise

    def _start(self, cluster: Cluster, pod: Pod) -> None:
        number = len(self.pods) + 1
        host = f"127.0.3.{number}"
        folder = self.folder / f"{number}-{pod['metadata']['name']}"
        folder.mkdir(parents=True)
        (container,) = pod["spec"]["containers"]
        places = self._mounts(cluster, pod, container, folder)
        command = [_placed(word, places) for word in container["command"]]
        command = [word.replace("dns:///", f"dns://127.0.0.1:{self.names}/") for word in command]
        if command[0] == "python3":
            command[0] = sys.executable
        if "livenessProbe" in container:
            for option, port in (("listen", 50051), ("health-listen", 50052)):
                command += [f"--{option}", f"{host}:{port}"]
            command += ["--metrics-listen", f"{host}:9090"]
        env = {one["name"]: one["value"] for one in container.get("env", [])}
        tools = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env=clean_environment() | env | {"PATH": tools},
                stdout=log,
                stderr=log,
                cwd=folder,
                start_new_session=True,
            )
        self.pods[pod["metadata"]["uid"]] = Running(pod, process, folder, host)
        report_running(cluster, pod, f"192.0.2.{number}", ready=False)

    def _mounts(self, cluster: Cluster, pod: Pod, container: Pod, folder: Path) -> dict[str, Path]:
        """Files of ConfigMaps and Secrets, and folders; by the path in the container."""
        volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
        places = {m["mountPath"]: volumes[m["name"]] for m in container["volumeMounts"]}
        found = {}
        for path, volume in places.items():
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                found[path] = self.folder / "claims" / claim
            else:
                found[path] = folder / volume["name"]
            found[path].mkdir(parents=True, exist_ok=True)
        for path, volume in places.items():
            for name, data in self._files(cluster, volume).items():
                text = data if path.startswith("/run/secrets") else _placed(data, found)
                (found[path] / name).write_text(text)
        return found

    def _files(self, cluster: Cluster, volume: Pod) -> dict[str, str]:
        base = f"/api/v1/namespaces/{self.namespace}"
        if config := volume.get("configMap"):
            data: dict[str, str] = cluster.api("GET", f"{base}/configmaps/{config['name']}")["data"]
            return data
        if secret := volume.get("secret"):
            content = cluster.api("GET", f"{base}/secrets/{secret['secretName']}")["data"]
            items = secret.get("items") or [{"key": key, "path": key} for key in content]
            return {one["path"]: base64.b64decode(content[one["key"]]).decode() for one in items}
        return {}

    def _look(self, cluster: Cluster, running: Running) -> None:
        status = running.process.poll()
        by_itself = running.pod["spec"].get("restartPolicy") == "Never"
        if status is not None and running.status is None:
            running.status = status
            if by_itself:
                report_ended(cluster, running.pod, status)
            else:
                report_running(cluster, running.pod, _public(running.host), ready=False)
        if status is None and not by_itself:
            ready = _serves(running.host)
            if ready != running.ready:
                running.ready = ready
                report_running(cluster, running.pod, _public(running.host), ready)

    def _stop(self, running: Running) -> None:
        time.sleep(float(notes(running.pod).get(PRE_STOP, 0)))
        running.process.terminate()
        try:
            # Kubernetes counts the sleep in.
            sleep = float(notes(running.pod).get(PRE_STOP, 0))
            grace = running.pod["spec"]["terminationGracePeriodSeconds"]
            running.status = running.process.wait(max(2, grace - sleep))
        except subprocess.TimeoutExpired:
            running.process.kill()
            running.status = running.process.wait()
        own = Cluster(self.cluster.dir.name, work=self.cluster.home)
        remove(own, running.pod)


@contextmanager
def kubelet(cluster: Cluster, namespace: str, folder: Path) -> Iterator[Kubelet]:
    """Runs the pods of ``namespace`` until the end of the block, and ends those that are left."""
    own = Kubelet(cluster, namespace, folder)
    done = threading.Event()
    failures: list[BaseException] = []

    def loop() -> None:
        mine = Cluster(cluster.dir.name, work=cluster.home)
        try:
            while not done.wait(0.1):
                own.turn(mine)
        except BaseException as error:  # told to the test at the end
            failures.append(error)
            raise

    with name_server(own.addresses) as own.names:
        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield own
        finally:
            done.set()
            thread.join()
            for running in own.pods.values():
                running.process.kill()
                running.process.wait()
            shutil.rmtree(folder / "claims", ignore_errors=True)
    if failures:
        raise failures[0]


def _placed(text: str, places: dict[str, Path]) -> str:
    """``text`` with the places of mounts instead of their paths in the container."""
    paths = "|".join(re.escape(path) for path in sorted(places, key=len, reverse=True))
    pattern = rf"(^|(?<=[\s\"'])|(?<=//))({paths})(?=[/\s\"']|$)"
    return re.sub(pattern, lambda found: str(places[found[2]]), text, flags=re.M)


def _public(host: str) -> str:
    return host.replace("127.0.3.", "192.0.2.")


def _serves(host: str) -> bool:
    with grpc.insecure_channel(f"{host}:50052") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
