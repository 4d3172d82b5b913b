"""An API server on this machine that answers with objects, and refuses everything but reading."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.keep_alive import KeepAliveHandler

Object = dict[str, Any]


class ApiServer(ThreadingHTTPServer):
    """Serves ``objects``, each under its path, and lists of them.

    Attributes:
        objects: By path, such as /api/v1/namespaces/a/secrets/b.
        answers: Whole answers by path, such as /version.
        forbidden: Paths below which nothing may be read.
        asked: Method, path and what was accepted, of each request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.objects: dict[str, Object] = {}
        self.answers: dict[str, Object] = {}
        self.forbidden: set[str] = set()
        self.asked: list[tuple[str, str, str]] = []

    def add(self, entry: Object, namespace: str = "images") -> None:
        """Adds an object of the chart, under the path that its kind has."""
        group = entry["apiVersion"]
        root = f"/api/{group}" if "/" not in group else f"/apis/{group}"
        plural = _plural(entry["kind"])
        scope = "" if entry["kind"] in _CLUSTER_WIDE else f"/namespaces/{namespace}"
        self.objects[f"{root}{scope}/{plural}/{entry['metadata']['name']}"] = entry

    def find(self, kind: str, name: str) -> Object:
        (found,) = (
            entry
            for path, entry in self.objects.items()
            if path.endswith(f"/{_plural(kind)}/{name}")
        )
        return found

    def remove(self, kind: str, name: str) -> None:
        for path in [p for p in self.objects if p.endswith(f"/{_plural(kind)}/{name}")]:
            del self.objects[path]

    def answer(self, path: str, selector: str) -> tuple[int, Object]:
        if any(path.startswith(one) for one in self.forbidden):
            return 403, {"kind": "Status", "reason": "Forbidden"}
        if path in self.answers:
            return 200, self.answers[path]
        if path in self.objects:
            return 200, self.objects[path]
        if re.search(r"/[a-z]+s(es|ies)?$", path) and not path.endswith("/ml-pipeline"):
            wanted = dict(one.split("=") for one in selector.split(",") if one)
            items = [
                entry
                for where, entry in self.objects.items()
                if where.rpartition("/")[0] == path
                and wanted.items() <= (entry["metadata"].get("labels") or {}).items()
            ]
            return 200, {"kind": "List", "items": items}
        return 404, {"kind": "Status", "reason": "NotFound"}


_CLUSTER_WIDE = {"Node", "StorageClass", "Namespace", "ClusterRole", "ClusterRoleBinding",
                 "PriorityClass", "ClusterQueue", "ResourceFlavor",
                 "ClusterTrainingRuntime"}  # fmt: skip


def _plural(kind: str) -> str:
    word = kind.lower()
    if word.endswith("y"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith("s") else f"{word}s"


class _Handler(KeepAliveHandler):
    server: ApiServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.asked.append(("GET", parts.path, self.headers.get("accept", "")))
        selector = parse_qs(parts.query).get("labelSelector", [""])[0]
        self._send(*self.server.answer(parts.path, selector))

    def _refuse(self) -> None:
        self.server.asked.append((self.command, self.path, ""))
        self._send(405, {"kind": "Status", "reason": "MethodNotAllowed"})

    do_POST = do_PUT = do_PATCH = do_DELETE = _refuse

    def _send(self, status: int, content: Object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def api_server() -> Iterator[ApiServer]:
    server = ApiServer()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def kubeconfig(folder: Path, url: str, namespace: str = "images") -> Path:
    """A kubeconfig whose only context is of a server."""
    path = folder / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": namespace}}
        ],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "the-token"}}],
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path
