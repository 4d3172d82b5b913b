"""Answers that are none: what a server, a proxy or the network does instead."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from synthvlm.errors import (
    DomainError,
    InvalidInput,
    PermissionDenied,
    PreconditionFailed,
    Unauthenticated,
    Unavailable,
)
from synthvlm.submission.server import KfpServer
from tests.submission.conftest import TurnedClock

Answer = tuple[int, str, bytes]
Answering = Callable[..., str]

GOOD: Answer = (200, "application/json", b'{"multi_user": true}')


@pytest.fixture
def answering() -> Iterator[Answering]:
    """A server that gives these answers, the last one for ever; its URL."""
    answers: list[Answer] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()

    def start(*given: Answer) -> str:
        answers.extend(given)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_is_overloaded_or_restarts_is_asked_again(
    answering: Answering, clock: TurnedClock, status: int
) -> None:
    told: list[str] = []
    host = answering((status, "text/html", b"<h1>sorry</h1>"), GOOD)
    assert KfpServer(host, tell=told.append).is_multi_user()
    assert clock.slept == [1]
    assert len(told) == 2
    assert f"answers {status}" in told[0]


@pytest.mark.parametrize(
    ("answer", "error", "problem"),
    [
        ((400, "application/json", b'{"message": "wrong\\nname"}'), InvalidInput, "wrong name"),
        ((400, "application/json", b'{"error": "old servers"}'), InvalidInput, "old servers"),
        ((400, "text/plain", b"RBAC: no"), InvalidInput, "answers 400: Bad Request"),
        ((400, "application/json", b"[1]"), InvalidInput, "answers 400: Bad Request"),
        ((400, "text/plain", b"\xff\xfe"), InvalidInput, "answers 400: Bad Request"),
        ((403, "text/plain", b"RBAC: access denied"), PermissionDenied, "answers 403"),
        ((501, "text/plain", b""), PreconditionFailed, "answers 501"),
        ((302, "text/html", b""), Unauthenticated, "sends to another page"),
        ((200, "text/html", b"<form>Sign in</form>"), Unauthenticated, "with a web page"),
    ],
)
def test_what_does_not_get_better_is_told_at_once(
    answering: Answering,
    clock: TurnedClock,
    answer: Answer,
    error: type[DomainError],
    problem: str,
) -> None:
    with pytest.raises(error, match=problem) as raised:
        KfpServer(answering(answer)).is_multi_user()
    assert "\n" not in raised.value.message
    assert clock.slept == []


@pytest.mark.parametrize("host", ["http://127.0.0.1:1", "http://absent.invalid"])
def test_a_server_that_is_not_there_is_given_up_soon(host: str, clock: TurnedClock) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        KfpServer(host).is_multi_user()
    assert clock.slept == [1, 2, 4, 8]
