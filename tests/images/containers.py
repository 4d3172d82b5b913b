"""Pods of the rendered manifests as containers of this machine, by podman.

What a kubelet would do is done by hand: volumes, the group of a claim, names of headless Services,
probes (podman knows no gRPC probes), and SIGTERM with the pod's grace period. What a kubelet does
and podman cannot is left out: scheduling, network policies, node resources.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthvlm.local.health import is_serving
from tests.charts.objects import Object, Template, named, templates

NETWORK = "synthvlm-test-images"
PREFIX = os.environ.get("IMAGES_PREFIX", "localhost/")
"""In front of the names of images that the manifests name."""

_UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def podman(*arguments: str, timeout: float = 120) -> str:
    """Runs podman; what it prints.

    Raises:
        AssertionError: It failed.
    """
    done = subprocess.run(
        ["podman", *arguments], capture_output=True, text=True, check=False, timeout=timeout
    )
    assert done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


@contextmanager
def network() -> Iterator[str]:
    """A network of this machine alone, with a name server."""
    podman("network", "create", "--internal", NETWORK)
    try:
        yield NETWORK
    finally:
        podman("network", "rm", "--force", NETWORK)


@dataclass
class Container:
    """A pod of one container that runs here."""

    name: str
    grace_seconds: int

    @property
    def address(self) -> str:
        """Its address in the network."""
        found = podman("inspect", self.name, "--format", "{{json .NetworkSettings.Networks}}")
        address: str = json.loads(found)[NETWORK]["IPAddress"]
        return address

    @property
    def state(self) -> dict[str, Any]:
        """What podman says of its process."""
        found: dict[str, Any] = json.loads(podman("inspect", self.name))[0]["State"]
        return found

    def logs(self) -> str:
        """What it has written, on both channels."""
        done = subprocess.run(
            ["podman", "logs", self.name],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60,
        )  # fmt: skip
        return done.stdout

    def wait_until_serving(self, port: int, seconds: float) -> None:
        """As a startup probe does."""
        deadline = time.monotonic() + seconds
        while not is_serving(f"{self.address}:{port}"):
            assert self.state["Running"], self.logs()
            assert time.monotonic() < deadline, f"{self.name} is not ready: {self.logs()}"
            time.sleep(0.5)

    def finished(self, seconds: float) -> int:
        """Waits for the end of a job; its status."""
        return int(podman("wait", self.name, timeout=seconds))

    def stop(self) -> tuple[int, float]:
        """SIGTERM, and SIGKILL after the grace period; the status, and how long it took."""
        started = time.monotonic()
        podman(
            "stop", "--time", str(self.grace_seconds), self.name, timeout=self.grace_seconds + 60
        )
        return int(self.state["ExitCode"]), time.monotonic() - started


@dataclass
class Node:
    """Where pods run: objects of a release, and folders for their volumes.

    Attributes:
        objects: What was rendered.
        folder: Below it are the volumes.
    """

    objects: Sequence[Object]
    folder: Path
    started: list[Container] = field(default_factory=list)

    def volume(self, name: str) -> Path:
        """The folder of a claim, or of what a ConfigMap says."""
        return self.folder / name

    def make_claim(self, name: str, group: int) -> Path:
        """An empty volume that ``group`` may write to, as fsGroup makes it."""
        path = self.volume(name)
        path.mkdir(parents=True)
        os.chown(path, -1, group)
        path.chmod(0o2775)
        return path

    def start(
        self,
        template: Template,
        name: str,
        *,
        command: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        image: str | None = None,
    ) -> Container:
        """Starts the pod's container, with another command, image or more variables if given."""
        pod, container = template.spec, template.container
        security = pod["securityContext"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        line = [
            "run", "--detach", "--pull", "never", "--name", name,
            "--network", NETWORK, "--network-alias", f"{name}.images.svc", "--hostname", name,
            "--user", f"{security['runAsUser']}:{security['runAsGroup']}",
            "--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges",
            "--memory", str(quantity(container["resources"]["limits"]["memory"])),
        ]  # fmt: skip
        variables = {entry["name"]: entry["value"] for entry in container.get("env", [])}
        for key, value in {**variables, **(env or {})}.items():
            line += ["--env", f"{key}={value}"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for mount in container["volumeMounts"]:
            line += self._mount(mount, volumes[mount["name"]])
        entry = list(command or container["command"])
        line += ["--entrypoint", json.dumps(entry), PREFIX + (image or container["image"])]
        subprocess.run(["podman", "rm", "--force", "--ignore", name], check=True, timeout=120)
        podman(*line)
        made = Container(name, pod.get("terminationGracePeriodSeconds", 30))
        self.started.append(made)
        return made

    def _mount(self, mount: Mapping[str, Any], volume: Mapping[str, Any]) -> list[str]:
        target, mode = mount["mountPath"], "ro" if mount.get("readOnly") else "rw"
        if "emptyDir" in volume:
            size = quantity(volume["emptyDir"]["sizeLimit"])
            return ["--tmpfs", f"{target}:rw,exec,mode=1777,size={size}"]
        if "configMap" in volume:
            config = named(self.objects, "ConfigMap", volume["configMap"]["name"])
            folder = self.volume(config["metadata"]["name"])
            folder.mkdir(exist_ok=True)
            for name, text in config["data"].items():
                (folder / name).write_text(text)
            return ["--volume", f"{folder}:{target}:{mode}"]
        claim = volume["persistentVolumeClaim"]["claimName"]
        return ["--volume", f"{self.volume(claim)}:{target}:{mode}"]

    def end(self) -> None:
        """Removes the containers that were started."""
        for container in self.started:
            subprocess.run(["podman", "rm", "--force", container.name], check=False, timeout=120)


def quantity(text: str | int) -> int:
    """Bytes of a quantity such as 512Mi."""
    found = re.fullmatch(r"(\d+)(|Ki|Mi|Gi)", str(text))
    assert found is not None, text
    return int(found[1]) * _UNITS[found[2]]


def pods(objects: Sequence[Object], kind: str) -> dict[str, Template]:
    """Pods by the name of the object of ``kind`` that makes them."""
    found = [one for one in templates(objects) if one.owner["kind"] == kind]
    return {one.owner["metadata"]["name"]: one for one in found}


def is_installed() -> bool:
    """Whether containers can be run here."""
    return shutil.which("podman") is not None
