"""A node whose kubelet gives the API server the logs of pods; the pods themselves are objects."""

import ssl
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.rig.cluster import Cluster
from tests.rig.nodes import FAKE, Pool

NODE = "with-logs-0"


@dataclass
class Kubelet:
    """Lines with their timestamps, by pod."""

    logs: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def read(self, pod: str, since: str) -> str:
        """The log, from a second on."""
        return "".join(f"{line}\n" for line in self.logs[pod] if line[:19] >= since[:19])


@contextmanager
def kubelet(cluster: Cluster) -> Iterator[Kubelet]:
    """The node is there, and its kubelet answers, with the block."""
    served = Kubelet()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            _, kind, _, pod, _ = parts.path.split("/")
            assert kind == "containerLogs"
            since = parse_qs(parts.query).get("sinceTime", [""])[0]
            content = served.read(pod, since).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pki = cluster.dir / "pki"
    context.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")  # for 127.0.0.1 too
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (node,) = Pool(NODE.removesuffix("-0"), 1).nodes()
    del node["metadata"]["labels"][FAKE]  # `hollow` is not its kubelet
    # Only the pods of these tests are there.
    node["spec"] = {"taints": [{"key": "logs", "effect": "NoSchedule"}]}
    node["status"]["addresses"] = [{"type": "InternalIP", "address": "127.0.0.1"}]
    endpoint = {"kubeletEndpoint": {"Port": server.server_address[1]}}
    node["status"]["daemonEndpoints"] = endpoint
    cluster.api("POST", "/api/v1/nodes", node)
    try:
        yield served
    finally:
        cluster.api("DELETE", f"/api/v1/nodes/{NODE}")
        server.shutdown()
        server.server_close()
