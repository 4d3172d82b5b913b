"""A hub on this machine with one repository, as the hub's library sees it."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any

from tests.keep_alive import KeepAliveHandler

COMMIT = "a" * 40
REPOSITORY = "team/model"


class Hub(ThreadingHTTPServer):
    """Serves ``files``.

    Attributes:
        files: Contents by path; those with more than 100 bytes are of Git LFS.
        sent: Other contents that are sent in their place.
        cut: Paths whose answer ends in the middle, once.
        asked: Method, path and range of each request for a file.
        commit: What it says that the commit is.
    """

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.sent: dict[str, bytes] = {}
        self.cut: set[str] = set()
        self.asked: list[tuple[str, str, str | None]] = []
        self.commit = COMMIT
        self.url = f"http://127.0.0.1:{self.server_port}"

    def siblings(self) -> list[dict[str, Any]]:
        found = []
        for path, content in self.files.items():
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": blob}
            if len(content) > 100:
                digest = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
            found.append(entry)
        return found


class _Handler(KeepAliveHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        hub, path = self.server, self.path.partition("?")[0]
        if path.startswith(f"/api/models/{REPOSITORY}/revision/"):
            info = {"id": REPOSITORY, "sha": hub.commit, "siblings": hub.siblings()}
            self._send(200, json.dumps(info).encode(), {}, body)
            return
        name = path.removeprefix(f"/{REPOSITORY}/resolve/{COMMIT}/")
        if name not in hub.files:
            self._send(404, b"{}", {"x-error-code": "EntryNotFound"}, body)
            return
        wanted = self.headers.get("range")
        hub.asked.append((self.command, name, wanted))
        content = hub.sent.get(name, hub.files[name])
        first = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        headers = {
            "etag": f'"{hashlib.sha256(hub.files[name]).hexdigest()}"',
            "x-repo-commit": COMMIT,
            "accept-ranges": "bytes",
        }
        if wanted:
            headers["content-range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        self._send(206 if wanted else 200, content[first:], headers, body, cut=name in hub.cut)
        if body:
            hub.cut.discard(name)

    def _send(
        self, status: int, content: bytes, headers: dict[str, str], body: bool, cut: bool = False
    ) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content[: len(content) // 2] if cut else content)
            self.close_connection = cut


@contextmanager
def hub(files: dict[str, bytes]) -> Iterator[Hub]:
    server = Hub(files)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
