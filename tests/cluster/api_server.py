"""A server with as much of the Kubernetes API as running a job takes; it fails on demand."""

import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.keep_alive import KeepAliveHandler

Object = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


@dataclass
class ApiServer:
    """Objects by path, logs by pod, and what goes wrong.

    Attributes:
        objects: By path.
        logs: Lines of each pod with their timestamps.
        faults: What the next requests get instead of an answer: a status, or "lost" after the
            request was carried out.
        looks: Called one after the other, before each time that a job is looked at.
        token: The only token that is accepted.
    """

    url: str = ""
    objects: dict[str, Object] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    faults: deque[int | str] = field(default_factory=deque)
    looks: deque[Callable[[], None]] = field(default_factory=deque)
    token: str = "first"
    calls: list[Call] = field(default_factory=list)

    def made(self, method: str) -> list[Call]:
        """The calls of a method."""
        return [call for call in self.calls if call.method == method]

    def answer(self, call: Call, token: str | None) -> tuple[int, Any]:
        """Status and body of the answer."""
        if token != f"Bearer {self.token}":
            return failure(401, "Unauthorized")
        if call.method == "POST":
            path = f"{call.path}/{call.body['metadata']['name']}"
            if path in self.objects:
                return failure(409, f"{path} already exists")
            self.put(path, call.body)
            return 201, self.objects[path]
        if call.method == "DELETE":
            gone = self.objects.pop(call.path, None)
            return failure(404, "not found") if gone is None else (200, {"status": "Success"})
        if call.path.endswith("/log"):
            return self._log(call)
        if call.path.endswith(("/trainjobs", "/pytorchjobs", "/pods")):
            return 200, {"items": self._listed(call)}
        if "/pods" not in call.path and self.looks:
            self.looks.popleft()()
        found = self.objects.get(call.path)
        return failure(404, "not found") if found is None else (200, found)

    def put(self, path: str, body: Object) -> None:
        """Stores an object as a server does."""
        metadata = {"uid": f"uid-{len(self.calls)}-{path}", "creationTimestamp": "2026-01-01"}
        metadata |= self.objects.get(path, {}).get("metadata", {})
        self.objects[path] = {**body, "metadata": {**metadata, **body["metadata"]}}

    def _listed(self, call: Call) -> list[Object]:
        wanted = call.query.get("labelSelector", "")
        pairs = [pair.split("=", 1) for pair in wanted.split(",") if pair]
        return [
            found
            for path, found in self.objects.items()
            if path.rpartition("/")[0] == call.path
            and all(found["metadata"]["labels"].get(key) == value for key, value in pairs)
        ]

    def _log(self, call: Call) -> tuple[int, Any]:
        name = call.path.split("/")[-2]
        if name not in self.logs:
            return failure(500, "no node answers")
        since = call.query.get("sinceTime", "")
        assert not since or since.endswith("Z")
        return 200, "".join(f"{line}\n" for line in self.logs[name] if line[:19] >= since[:19])


def failure(status: int, message: str) -> tuple[int, Any]:
    return status, {"kind": "Status", "status": "Failure", "message": message, "code": status}


class Handler(KeepAliveHandler):
    """Reads a request, records it, answers it."""

    api: ApiServer

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        call = Call(self.command, parts.path, query, body)
        self.api.calls.append(call)
        fault = self.api.faults.popleft() if self.api.faults else None
        if fault == "lost":
            self.api.answer(call, self.headers["Authorization"])
            self.close_connection = True
            return
        if isinstance(fault, int):
            status, content = failure(fault, "not now")
        else:
            status, content = self.api.answer(call, self.headers["Authorization"])
        data = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _handle


def serving(api: ApiServer) -> ThreadingHTTPServer:
    """Starts to serve; the caller shuts it down."""
    handler = type("Handler", (Handler,), {"api": api})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


def write_kubeconfig(path: Path, url: str, token_file: Path) -> None:
    """A kubeconfig whose token is read from a file, as that of a pod is."""
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "clusters": [{"name": "test", "cluster": {"server": url}}],
                "users": [{"name": "test", "user": {"tokenFile": str(token_file)}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            }
        )
    )
