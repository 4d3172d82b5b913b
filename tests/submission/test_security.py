"""Tokens stay where they belong, and certificates are checked."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from synthvlm.errors import InvalidInput, PreconditionFailed
from synthvlm.submission.server import KfpServer, is_inside
from synthvlm.submission.tokens import SERVICE_ACCOUNT_VARIABLE, Token, chosen_token
from tests.serving.certificates import Authority
from tests.submission.conftest import TurnedClock


def a_token() -> Token:
    return Token(lambda: "secret-token")


@pytest.mark.parametrize(
    "host",
    ["http://kfp.example.com", "http://10.0.0.7:8888", "http://[2001:db8::1]", "http://a.svc.b"],
)
def test_no_token_is_sent_over_a_network_in_the_clear(host: str) -> None:
    with pytest.raises(InvalidInput, match="in the clear; use https"):
        KfpServer(host, a_token())
    assert KfpServer(host).token is None


@pytest.mark.parametrize(
    "host",
    [
        "https://kfp.example.com/pipeline",
        "http://localhost:8080",
        "http://127.0.0.1:3000",
        "http://[::1]:1",
        "http://ml-pipeline:8888",
        "http://ml-pipeline.kubeflow.svc:8888",
        "http://ml-pipeline.kubeflow.svc.cluster.local:8888",
    ],
)
def test_a_token_is_sent_over_tls_within_the_machine_and_within_the_cluster(host: str) -> None:
    assert KfpServer(host, a_token()).token is not None


@pytest.mark.parametrize("host", ["kfp.example.com", "ftp://x", "https://", "https://a:b@x"])
def test_what_is_not_the_url_of_a_server_is_refused(host: str) -> None:
    with pytest.raises(InvalidInput, match="must look like https://"):
        KfpServer(host)


def test_the_service_accounts_token_goes_to_the_clusters_own_server_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("secret-token")
    monkeypatch.setenv(SERVICE_ACCOUNT_VARIABLE, str(tmp_path / "token"))
    inside = chosen_token(None, None, inside=is_inside("http://ml-pipeline.kubeflow.svc:8888"))
    assert inside is not None
    assert inside.value() == "secret-token"
    for host in (
        "https://kfp.example.com",
        "http://localhost:8080",
        "https://evil.svc.example.com",
    ):
        assert chosen_token(None, None, inside=is_inside(host)) is None


def test_a_token_does_not_show() -> None:
    token = a_token()
    token.value()
    assert "secret" not in f"{token} {token!r} {KfpServer('https://x', token)!r}"


@pytest.mark.parametrize("text", ["", " \n", "two words", "two\nlines", "größe"])
def test_what_is_not_a_token_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    token = chosen_token(tmp_path / "token", None, inside=False)
    assert token is not None
    with pytest.raises(PreconditionFailed, match="is empty, or not one line") as refused:
        token.value()
    assert text.strip() == "" or text.strip() not in str(refused.value)


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("sh -c 'echo hidden; exit 3'", "the token command sh ended with status 3"),
        ("./absent --key hidden", "the token command './absent' cannot be run"),
        ("sh -c 'hidden", "the token command 'sh' cannot be run"),
        ("", "cannot be run"),
    ],
)
def test_a_token_command_that_fails_shows_neither_output_nor_arguments(
    command: str, problem: str
) -> None:
    token = chosen_token(None, command, inside=False)
    assert token is not None
    with pytest.raises(PreconditionFailed) as failed:
        token.value()
    assert problem in failed.value.message
    assert "hidden" not in failed.value.message


def test_a_certificate_of_an_unknown_authority_is_refused_until_it_is_given(
    tmp_path: Path, clock: TurnedClock
) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    host = f"https://localhost:{server.server_port}"
    try:
        with pytest.raises(PreconditionFailed, match=r"cannot be trusted.*with --ca"):
            KfpServer(host).is_multi_user()
        assert clock.slept == [], "a certificate does not get better by waiting"
        assert not KfpServer(host, ca_file=authority.ca_file).is_multi_user()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
