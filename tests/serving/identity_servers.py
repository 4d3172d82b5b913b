"""An API server that reviews tokens, and an OpenID Connect provider, on this machine over HTTP."""

import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import Key, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.registry import HeaderParameter

from tests.keep_alive import KeepAliveHandler

AUDIENCE = "synthvlm"

_OWN = HeaderParameter("of the test", "str")

_SIGNATURES = ["RS256", "HS256", "ES256"]


class JsonHandler(KeepAliveHandler):
    server: "Answering"

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        self._answer(json.loads(self.rfile.read(length)))

    def _answer(self, content: Any) -> None:
        time.sleep(self.server.seconds)
        if self.server.gone:
            self.close_connection = True
            return
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        status, answer = self.server.answer(self.path, content, bearer)
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        if status == 302:
            self.send_header("location", self.server.url + "/elsewhere")
        self.end_headers()
        self.wfile.write(body)


class Answering(ThreadingHTTPServer):
    """A server that records the paths that it was asked for.

    Attributes:
        seconds: How long it takes.
        status: What it answers with in the place of an answer; 200: with the answer.
        gone: Whether it closes connections without an answer.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), JsonHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.seconds = 0.0
        self.status = 200
        self.gone = False
        self.asked: list[str] = []

    def answer(self, path: str, content: Any, bearer: str) -> tuple[int, Any]:
        self.asked.append(path)
        if self.status != 200:
            return self.status, {"reason": "because"}
        return self.content(path, content, bearer)

    def content(self, path: str, content: Any, bearer: str) -> tuple[int, Any]:
        raise NotImplementedError


class ApiServer(Answering):
    """Reviews tokens by a table, for whoever has the right to ask.

    Attributes:
        users: Username, groups and audiences by token.
    """

    RIGHT = "the service's own token"

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, tuple[str, list[str], list[str]]] = {}

    def content(self, path: str, content: Any, bearer: str) -> tuple[int, Any]:
        assert path == "/apis/authentication.k8s.io/v1/tokenreviews"
        if bearer != self.RIGHT:
            return 403, {"reason": "Forbidden"}
        assert content["kind"] == "TokenReview"
        name, groups, audiences = self.users.get(content["spec"]["token"], ("", [], []))
        common = [one for one in audiences if one in content["spec"]["audiences"]]
        if not name or (audiences and not common):
            return 201, {**content, "status": {"error": "unknown", "authenticated": False}}
        status = {
            "authenticated": True,
            "user": {"username": name, "groups": groups},
            "audiences": common,
        }
        return 201, {**content, "status": status}


class Provider(Answering):
    """Publishes ``keys``; ``token`` signs with one of them, or with any other."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[Key] = []
        self.calls_itself = self.url
        self.also: list[dict[str, Any]] = []

    def content(self, path: str, content: Any, bearer: str) -> tuple[int, Any]:
        if path == "/.well-known/openid-configuration":
            return 200, {"issuer": self.calls_itself, "jwks_uri": f"{self.url}/keys"}
        assert path == "/keys"
        return 200, {"keys": [*self.also, *(key.as_dict(private=False) for key in self.keys)]}

    def token(self, key: Key, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(time.time())
        said = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 600}
        said |= claims
        return jwt.encode(
            {"alg": "RS256", "kid": key.kid, **(header or {})},
            {name: value for name, value in said.items() if value is not None},
            key,
            algorithms=_SIGNATURES,
            registry=JWSRegistry({"x-own": _OWN}, _SIGNATURES, strict_check_header=False),
        )

    def unsigned(self, key: RSAKey) -> str:
        """A token that says that it needs no signature."""
        _, claims, _ = self.token(key, scope="*:write").split(".")
        return f"{_encoded(json.dumps({'alg': 'none', 'kid': key.kid}).encode())}.{claims}."

    def confused(self, key: RSAKey) -> str:
        """A token signed with the public key, which everybody has, as the secret of an HMAC."""
        _, claims, _ = self.token(key, scope="*:write").split(".")
        header = _encoded(json.dumps({"alg": "HS256", "kid": key.kid}).encode())
        secret = key.as_pem(private=False)
        signature = hmac.digest(secret, f"{header}.{claims}".encode(), "sha256")
        return f"{header}.{claims}.{_encoded(signature)}"


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


@contextmanager
def answering(server: Answering) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def rsa_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


def files(folder: Path, ca_file: Path) -> dict[str, str]:
    """Settings of the files with which a service asks the API server."""
    token = folder / "own-token"
    token.write_text(ApiServer.RIGHT)
    return {"token_file": str(token), "ca_file": str(ca_file)}
