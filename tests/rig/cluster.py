"""A real Kubernetes 1.20.2 control plane on loopback, with fake nodes.

    with Cluster(gpu_nodes=2) as cluster:
        cluster.helm("install", "demo", "chart/")
        cluster.kubectl("get", "pods", "-o", "json")

API server, controller manager, scheduler and etcd are the real programs, which ``build.sh`` makes.
The nodes are objects, and ``hollow`` plays their kubelets: nothing runs in their pods.

    python -m tests.rig.cluster up       start one; prints what makes a shell use it
    python -m tests.rig.cluster down     end it
"""

import http.client
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.charts.rendering import TOOLS
from tests.contracts.words import ROOT
from tests.rig.api import Api, ApiError
from tests.rig.identities import CONTROLLERS, certificates, kubeconfig
from tests.rig.nodes import Pool, gpu_pool
from tests.rig.processes import free_ports, poll, recorded, spawn, stop

RIG = Path(__file__).resolve().parent
MEMORY = Path("/dev/shm")
_SERVICES = "10.96.0.0/16"
_PROGRAMS = ("hollow", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd")

# Helm's own client would apply server-side, which 1.20 does otherwise.
_LOWERED = ["--server-side=false", "--post-renderer=k120shim"]
_OPTIONS = {"install": _LOWERED, "upgrade": _LOWERED, "rollback": ["--server-side=false"]}


def home() -> Path:
    """The folder of what was built: $KUBE_RIG_HOME, else .cache/kube-rig of the checkout."""
    return Path(os.environ.get("KUBE_RIG_HOME", ROOT / ".cache" / "kube-rig")).absolute()


class Cluster:
    """A cluster that is ended with the ``with`` block.

    Clusters of different names can run side by side; ports are picked free at each start.
    """

    def __init__(
        self,
        name: str = "default",
        *,
        gpu_nodes: int = 1,
        cpu_nodes: int = 1,
        gpus_per_node: int = 8,
        pools: Iterable[Pool] | None = None,
        work: Path | None = None,
    ) -> None:
        self.home = (work or home()).absolute()
        self.bin = self.home / "bin"
        self.dir = self.home / "clusters" / name
        self.kubeconfig = self.dir / "kubeconfig"
        # In memory: etcd waits for the disk at every change, and nothing of it is kept.
        self._data = MEMORY / f"kube-rig{str(self.dir).replace('/', '-')}"
        self.shim_log = self.dir / "k120shim.log"
        own = [Pool("cpu", cpu_nodes), gpu_pool(gpu_nodes, gpus_per_node)]
        self.pools = own if pools is None else list(pools)
        self._api: Api | None = None

    def __enter__(self) -> "Cluster":
        try:
            self.up()
        except BaseException:
            self.down(keep_logs=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def env(self) -> dict[str, str]:
        """The variables with which kubectl and helm use this cluster, and nothing of the user's."""
        helm = self.dir / "helm"
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "PATH": f"{TOOLS}:{self.bin}:{os.environ['PATH']}",
            "HELM_CACHE_HOME": f"{helm}/cache",
            "HELM_CONFIG_HOME": f"{helm}/config",
            "HELM_DATA_HOME": f"{helm}/data",
            "HELM_PLUGINS": str(RIG),
            "K120SHIM_PYTHON": sys.executable,
            "K120SHIM_LOG": str(self.shim_log),
        }

    def run(
        self, *argv: object, check: bool = True, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program in the cluster's environment.

        Raises:
            RuntimeError: It failed, and ``check`` was asked for.
        """
        words = [str(word) for word in argv]
        done = subprocess.run(
            words, env=os.environ | self.env, text=True, capture_output=True, check=False, **options
        )
        if check and done.returncode:
            raise RuntimeError(
                f"{shlex.join(words)} exited {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done

    def kubectl(self, *argv: object, **options: Any) -> str:
        """The output of kubectl."""
        return self.run("kubectl", *argv, **options).stdout

    def helm(self, command: str, *argv: object, **options: Any) -> str:
        """The output of helm; installs and upgrades go through k120shim."""
        return self.run("helm", command, *argv, *_OPTIONS.get(command, []), **options).stdout

    def api(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """One call of the API as the cluster's administrator."""
        if self._api is None:
            port = int((self.dir / "port").read_text())
            pki = self.dir / "pki"
            self._api = Api(port, pki / "ca.crt", pki / "admin.crt", pki / "admin.key")
        return self._api(method, path, body, kind)

    def install_ready_chart(self, chart: Path) -> Path:
        """A copy of a chart without ``kubeVersion``, which helm checks before any post-renderer."""
        copy = self.dir / "charts" / chart.name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(chart, copy)
        meta = copy / "Chart.yaml"
        meta.write_text(re.sub(r"(?m)^kubeVersion:.*\n?", "", meta.read_text()))
        return copy

    def up(self) -> None:
        """Starts everything, and waits until pods can be made.

        Raises:
            FileNotFoundError: The rig is not built.
            RuntimeError: A program ended.
        """
        if not (self.bin / "kube-apiserver").exists():
            raise FileNotFoundError(f"{self.bin} has no kube-apiserver; run `make rig`")
        self.down()  # what an earlier run that was killed may have left
        pki = self.dir / "pki"
        pki.mkdir(parents=True)
        etcd, peer, api, controllers, scheduler = free_ports(5)
        (self.dir / "port").write_text(str(api))
        certificates(pki)
        self._identify("admin", self.kubeconfig, api)
        for name in CONTROLLERS:
            self._identify(name, self.dir / f"{name}.conf", api)
        self._start_etcd(etcd, peer)
        self._start_apiserver(etcd, api)
        self._wait("kube-apiserver", self._ready)
        self._start_controller(
            "kube-controller-manager", controllers, "--use-service-account-credentials=true",
            f"--service-account-private-key-file={pki}/sa.key", f"--root-ca-file={pki}/ca.crt",
            f"--cluster-signing-cert-file={pki}/ca.crt",
            f"--cluster-signing-key-file={pki}/ca.key",
            # No kubelet renews the fake nodes' heartbeats.
            "--node-monitor-grace-period=24h",
        )  # fmt: skip
        self._start_controller("kube-scheduler", scheduler)
        for pool in self.pools:
            for node in pool.nodes():
                self.api("POST", "/api/v1/nodes", node)
        hollow = [sys.executable, "-m", "tests.rig.hollow", self.dir]
        spawn(self.dir, "hollow", hollow, os.environ | {"PYTHONPATH": str(ROOT)})
        self._wait("kube-controller-manager", self._service_account)
        self._wait("kube-controller-manager", self._untainted)

    def down(self, keep_logs: bool = False) -> None:
        """Ends what ``up`` started, in reverse order, and removes its state."""
        self._api = None
        for name in _PROGRAMS:
            stop(self.dir / f"{name}.pid")
        shutil.rmtree(self._data, ignore_errors=True)
        if not keep_logs:
            shutil.rmtree(self.dir, ignore_errors=True)

    def _start_etcd(self, port: int, peer: int) -> None:
        client, own = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
        spawn(self.dir, "etcd", [
            "etcd", "--name=rig", f"--data-dir={self._data}", "--log-level=warn",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={own}", f"--initial-advertise-peer-urls={own}",
            f"--initial-cluster=rig={own}",
        ])  # fmt: skip

    def _start_apiserver(self, etcd: int, port: int) -> None:
        pki = self.dir / "pki"
        spawn(self.dir, "kube-apiserver", [
            self.bin / "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{etcd}",
            "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
            f"--secure-port={port}", "--insecure-port=0",
            # The Service `kubernetes` may not have a loopback address as its endpoint.
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key",
            f"--client-ca-file={pki}/ca.crt",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/admin.crt",
            f"--kubelet-client-key={pki}/admin.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki}/sa.key",
            f"--service-account-signing-key-file={pki}/sa.key",
            f"--service-cluster-ip-range={_SERVICES}",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
        ])  # fmt: skip

    def _start_controller(self, name: str, port: int, *options: str) -> None:
        config = self.dir / f"{name}.conf"
        spawn(self.dir, name, [
            self.bin / name, f"--kubeconfig={config}", f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}", "--bind-address=127.0.0.1",
            f"--secure-port={port}", "--port=0", f"--cert-dir={self.dir}/tmp",
            "--leader-elect=false", *options,
        ])  # fmt: skip

    def _identify(self, identity: str, path: Path, port: int) -> None:
        path.touch(mode=0o600)
        path.write_text(kubeconfig(self.dir / "pki", identity, port))

    def _wait(self, program: str, done: Callable[[], bool]) -> None:
        """Until ``done``; if ``program`` ends first, says so with the end of its log."""

        def check() -> bool:
            if done():
                return True
            if not recorded(self.dir / f"{program}.pid"):
                log = (self.dir / f"{program}.log").read_text(errors="replace")
                raise RuntimeError(f"{program} ended:\n{log[-2000:]}")
            return False

        poll(program, check, 480, 0.05)

    def _ready(self) -> bool:
        try:
            return bool(self.api("GET", "/readyz") == "ok")
        except (OSError, http.client.HTTPException, ApiError):
            return False

    def _service_account(self) -> bool:
        """Pods can be made once the namespace has its default account and its token."""
        try:
            account = self.api("GET", "/api/v1/namespaces/default/serviceaccounts/default")
        except ApiError:
            return False
        return bool(account.get("secrets"))

    def _untainted(self) -> bool:
        """The node controller takes a new node's not-ready taint off once it has seen it."""
        nodes = self.api("GET", "/api/v1/nodes")["items"]
        taints = [taint["key"] for node in nodes for taint in node["spec"].get("taints", [])]
        return not any(key.startswith("node.kubernetes.io/") for key in taints)


def main(command: str) -> None:
    """Starts or ends the cluster called ``default``."""
    cluster = Cluster()
    if command == "down":
        cluster.down()
        return
    began = time.monotonic()
    cluster.up()
    sys.stderr.write(f"ready after {time.monotonic() - began:.1f} s\n")
    for key, value in cluster.env.items():
        sys.stdout.write(f"export {key}={shlex.quote(value)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
