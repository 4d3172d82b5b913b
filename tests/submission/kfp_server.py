"""A server that speaks ``/apis/v2beta1``: it records requests, and runs go as a test says."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.keep_alive import KeepAliveHandler

API = "/apis/v2beta1"


@dataclass
class Recorded:
    """A request that arrived."""

    method: str
    path: str
    token: str | None
    body: Any = None


@dataclass
class Kfp:
    """What the server knows, and how it behaves.

    Attributes:
        course: States that a run goes through, one each time that it is looked at; the last stays.
        tasks: Tasks of every run.
        tokens: Tokens that are valid; empty: none is asked for.
        before: Called before each request is answered: may raise ``Gone``, or change something.
        after: Called once a request was carried out, before it is answered.
    """

    course: list[str] = field(default_factory=lambda: ["PENDING", "RUNNING", "SUCCEEDED"])
    tasks: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    multi_user: bool = False
    before: Callable[[Recorded], None] = lambda _request: None
    after: Callable[[Recorded], None] = lambda _request: None
    url: str = ""
    requests: list[Recorded] = field(default_factory=list)
    experiments: list[dict[str, Any]] = field(default_factory=list)
    pipelines: list[dict[str, Any]] = field(default_factory=list)
    pipeline_versions: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    recurring_runs: list[dict[str, Any]] = field(default_factory=list)
    uploads: list[list[Any]] = field(default_factory=list)
    _looks: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def asked(self, method: str, path: str) -> list[Recorded]:
        """The requests of a method whose path matches."""
        return [
            one for one in self.requests if one.method == method and re.fullmatch(path, one.path)
        ]

    def answer(self, request: Recorded, query: dict[str, str]) -> tuple[int, Any]:
        """Carries a request out."""
        with self._lock:
            self.requests.append(request)
            self.before(request)
            if self.tokens and request.token not in self.tokens:
                # Some proxies say what they were sent.
                return 401, {"code": 16, "message": f"not a valid token: {request.token}"}
            status, content = self._carried_out(request, query)
            self.after(request)
            return status, content

    def _carried_out(self, request: Recorded, query: dict[str, str]) -> tuple[int, Any]:
        method, path = request.method, request.path.removeprefix(API)
        kind, _, rest = path.lstrip("/").partition("/")
        if kind == "healthz":
            return 200, {"multi_user": self.multi_user}
        if kind == "experiments":
            return self._collection(request, query, self.experiments, "experiment")
        if kind == "pipelines":
            return self._pipeline(request, query, rest)
        if kind.startswith("runs"):
            return self._run(request, query, rest)
        if kind.startswith("recurringruns"):
            return self._recurring(request, query, rest)
        return 404, {"code": 5, "message": f"there is no {method} {path}"}

    def _collection(
        self, request: Recorded, query: dict[str, str], kept: list[dict[str, Any]], word: str
    ) -> tuple[int, Any]:
        if request.method == "POST":
            made = {f"{word}_id": f"{word}-{len(kept) + 1}", **request.body}
            kept.append(made)
            return 200, made
        return 200, {f"{word}s": _filtered(kept, query)}

    def _pipeline(self, request: Recorded, query: dict[str, str], rest: str) -> tuple[int, Any]:
        if rest == "upload_version":
            version = {
                "pipeline_version_id": f"version-{len(self.pipeline_versions) + 1}",
                "pipeline_id": query["pipelineid"],
                "display_name": query["name"],
            }
            self.pipeline_versions.append(version)
            self.uploads.append(list(yaml.load_all(request.body, Loader=yaml.CSafeLoader)))
            return 200, version
        if rest.endswith("/versions"):
            mine = [
                v
                for v in self.pipeline_versions
                if v["pipeline_id"] == rest.split("/", maxsplit=1)[0]
            ]
            return 200, {"pipeline_versions": _filtered(mine, query)}
        return self._collection(request, query, self.pipelines, "pipeline")

    def _run(self, request: Recorded, query: dict[str, str], rest: str) -> tuple[int, Any]:
        if not rest and request.method == "POST":
            run = {
                "run_id": f"run-{len(self.runs) + 1}",
                "created_at": f"2026-01-01T00:00:{len(self.runs):02}Z",
                "state": self.course[0],
                **request.body,
            }
            self.runs.append(run)
            return 200, run
        if not rest:
            of = [one for one in self.runs if one["experiment_id"] == query["experiment_id"]]
            return 200, {"runs": _filtered(of, query)}
        found = next((one for one in self.runs if one["run_id"] == rest.partition(":")[0]), None)
        if found is None:
            return 404, {"code": 5, "message": f"run {rest} not found"}
        if request.method == "DELETE":
            self.runs.remove(found)
            return 200, {}
        looks = self._looks[rest] = self._looks.get(rest, -1) + 1
        found["state"] = self.course[min(looks, len(self.course) - 1)]
        return 200, {**found, "run_details": {"task_details": self.tasks}}

    def _recurring(self, request: Recorded, query: dict[str, str], rest: str) -> tuple[int, Any]:
        if not rest and request.method == "POST":
            number = len(self.asked("POST", f"{API}/recurringruns"))
            made = {"recurring_run_id": f"recurring-{number}", **request.body}
            self.recurring_runs.append(made)
            return 200, made
        if not rest:
            return 200, {"recurringRuns": _filtered(self.recurring_runs, query)}
        name, _, verb = rest.partition(":")
        found = next(one for one in self.recurring_runs if one["recurring_run_id"] == name)
        if request.method == "DELETE":
            self.recurring_runs.remove(found)
        elif verb:
            found["mode"] = verb.upper()
        return 200, {} if request.method == "DELETE" or verb else found


def _filtered(found: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
    for predicate in json.loads(query.get("filter", "{}")).get("predicates", []):
        assert predicate["operation"] == "EQUALS"
        found = [one for one in found if one.get(predicate["key"]) == predicate["stringValue"]]
    return found


class Gone(Exception):
    """The connection is closed without an answer."""


@contextmanager
def kfp_server(kfp: Kfp) -> Iterator[Kfp]:
    """Serves while the block runs."""

    class Handler(KeepAliveHandler):
        def do_GET(self) -> None:
            self._do()

        def do_POST(self) -> None:
            self._do()

        def do_DELETE(self) -> None:
            self._do()

        def _do(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            token = self.headers.get("authorization")
            request = Recorded(
                self.command,
                parts.path,
                token.removeprefix("Bearer ") if token is not None else None,
                self._body(),
            )
            try:
                status, content = kfp.answer(request, query)
            except Gone:
                self.close_connection = True
                return
            data = json.dumps(content).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "https://login.example.com/")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _body(self) -> Any:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = self.headers.get("Content-Type", "")
            if kind.startswith("multipart/"):
                message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + data)
                part: Any = message.get_payload(0)
                return part.get_payload(decode=True)
            return json.loads(data) if data else None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    kfp.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield kfp
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
