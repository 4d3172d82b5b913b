"""A service behind TLS with certificates on both sides, and the tokens that are sent to it."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synthvlm.alignment.v1 import alignment_pb2 as alignment
from synthvlm.caption.v1 import caption_pb2 as caption
from synthvlm.dataset.v1 import dataset_pb2 as dataset
from synthvlm.generation.v1 import generation_pb2 as generation
from synthvlm.local.processes import ServiceProcess, start_process
from synthvlm.storage.v1 import shard_pb2 as shard
from tests.attack.target import UNLIMITED, Target
from tests.attack.valid import valid_requests
from tests.contracts.chain import CAPTIONS, Made
from tests.contracts.processes import settings_of
from tests.service_process import clean_environment
from tests.serving.certificates import Authority
from tests.serving.identity_servers import AUDIENCE, ApiServer, files

OWN = "the-service-s-own-token"
_START_SECONDS = 900


def requests_about_nothing(root: Path) -> dict[str, Message]:
    """A request of each method, of the right form, about shards that are not there."""
    ref = shard.ShardRef(path="made/0", digest=f"sha256:{'0' * 64}", records=1)
    captions = root / "captions.txt"
    captions.write_text("\n".join(CAPTIONS), encoding="utf-8")
    made = Made(
        captions_file=captions,
        store=shard.ShardStore(uri=(root / "store").as_uri()),
        imported=caption.ImportResult(shards=[ref]),
        curated=caption.CurateResult(caption_set=ref),
        generated=generation.GenerateResult(image_set=ref),
        scored=alignment.ScoreResult(score_set=ref),
        selected=dataset.SelectResult(selection=ref),
        versions=[],
    )
    return valid_requests(made, f"{'0' * 32}-0", (root / "export").as_uri())


@contextmanager
def secured(word: str, folder: Path, api: ApiServer) -> Iterator[Target]:
    """A service that wants a certificate and a token: its own, or one that ``api`` knows."""
    authority = Authority(folder)
    server, client = authority.issue("server"), authority.issue("client")
    token = folder / "token"
    token.write_text(OWN)
    kubernetes = {
        "audience": AUDIENCE,
        "api_server": api.url,
        "grants": [
            {"groups": ["writers"], "scopes": ["*:write"]},
            {"groups": ["readers"], "scopes": ["*:use"]},
        ],
        **files(folder, authority.ca_file),
    }
    process = start_process(
        word,
        f"synthvlm.{word}",
        [
            *settings_of(word, folder),
            *("--tls-certificate-file", str(server.certificate), "--tls-key-file", str(server.key)),
            *("--tls-client-ca-file", str(authority.ca_file), "--token-file", str(token)),
            *("--set", f"auth={json.dumps({'kubernetes': kubernetes})}"),
        ],
        address_file=folder / f"{word}.address",
        log=folder / f"{word}.log",
        environment=clean_environment(),
    )
    credentials = grpc.ssl_channel_credentials(
        authority.ca_file.read_bytes(), client.key.read_bytes(), client.certificate.read_bytes()
    )

    def connect() -> grpc.Channel:
        return grpc.secure_channel(process.address, credentials, UNLIMITED)

    try:
        _wait_ready(process, connect)
        with connect() as channel:
            yield Target(process, channel, connect)
    finally:
        process.kill()


def _wait_ready(process: ServiceProcess, connect: Callable[[], grpc.Channel]) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        process.refresh()
        assert process.process.poll() is None, process.log.read_text()
        if process.address:
            with connect() as channel:
                stub = health_pb2_grpc.HealthStub(channel)
                try:
                    answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
                except grpc.RpcError:
                    pass
                else:
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
        time.sleep(0.1)
    raise TimeoutError(process.log.read_text())


def account_token(name: str, expires_in: float = 3600, signature: str = "c2lnbmF0dXJl") -> str:
    """A token of the form that ServiceAccounts have."""
    parts = [{"alg": "RS256", "kid": "k"}, {"sub": name, "exp": int(time.time() + expires_in)}]
    encoded = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in parts]
    return b".".join([*encoded, signature.encode()]).decode()


def any_credentials(random: Random, known: dict[str, str]) -> list[tuple[str, str]]:
    """What a call carries: mostly a token that is right, else something that may look like one.

    Args:
        random: What decides.
        known: Tokens of accounts, by their group.
    """
    wrong = [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {OWN}",
        f"Bearer {OWN[:-1]}",
        f"Bearer {account_token('late', -3600)}",
        f"Bearer {account_token(str(random.randrange(50)), signature='eA')}",
        f"Bearer {'.' * random.randrange(200)}",
        f"Bearer {base64.b64encode(random.randbytes(random.randrange(3000))).decode()}",
        f"Bearer eyJhbGciOiJub25lIn0.{base64.b64encode(b'[' * 5000).decode()}.x",
    ]
    token = random.choices(
        [f"Bearer {OWN}", f"Bearer {known['writers']}", f"bearer {known['readers']}", None],
        [50, 20, 10, 20],
    )[0]
    value = random.choice(wrong) if token is None else token
    return [("authorization", value)] if value else []
