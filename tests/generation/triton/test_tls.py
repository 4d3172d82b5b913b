"""Transport security between the service and a Triton server."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tritonclient.utils import InferenceServerException

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.triton import server
from synthvlm.generation.triton.config import TritonServerSettings
from synthvlm.generation.triton.endpoint import Endpoint, Tls
from tests.serving.certificates import Authority, Pair

Certificates = tuple[Authority, Pair, Pair]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    return authority, authority.issue("server"), authority.issue("client")


@pytest.fixture(scope="module")
def address(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """NVIDIA's server behind mutual TLS, with no model: starting it takes a second."""
    authority, own, _ = certificates
    folder = tmp_path_factory.mktemp("triton")
    (folder / "models").mkdir()
    settings = TritonServerSettings(
        tls_certificate_file=own.certificate,
        tls_key_file=own.key,
        tls_client_ca_file=authority.ca_file,
    )
    files = server.find_server()
    listen = server.free_address("127.0.0.1:0")
    command = server.command(
        files,
        repository=folder / "models",
        backends=server.make_backends(files, folder / "backends"),
        listen=listen,
        metrics_listen=None,
        drain_seconds=1,
        tls=server.tls_options(settings),
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=server.environment(files, os.environ), stdout=log, stderr=log
        )
    try:
        yield listen
    finally:
        process.kill()
        process.wait()


def answers(endpoint: Endpoint, seconds: float) -> bool:
    """Whether a server answers within ``seconds``."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            with suppress(InferenceServerException):
                # No model is there, so that the server alone can be asked for.
                return bool(endpoint._client.is_server_live(client_timeout=5.0))
            time.sleep(0.1)
        return False
    finally:
        endpoint.close()


def test_both_sides_show_certificates(
    address: str, certificates: Certificates, tmp_path: Path
) -> None:
    authority, _, client = certificates
    assert answers(
        Endpoint(address, tls=Tls(authority.ca_file, client.certificate, client.key)), 60
    )
    stranger = Authority(tmp_path, "stranger")
    unknown = stranger.issue("unknown")
    for tls in (
        None,
        Tls(authority.ca_file),
        Tls(authority.ca_file, unknown.certificate, unknown.key),
        Tls(stranger.ca_file, client.certificate, client.key),
    ):
        assert not answers(Endpoint(address, tls=tls), 0.5)


def test_without_certificates_a_server_speaks_plain_text(certificates: Certificates) -> None:
    _, own, _ = certificates
    assert server.tls_options(TritonServerSettings()) == []
    one_sided = TritonServerSettings(tls_certificate_file=own.certificate, tls_key_file=own.key)
    options = server.tls_options(one_sided)
    assert options[0] == "--grpc-use-ssl=true"
    assert not any(option.startswith("--grpc-root") for option in options)


@pytest.mark.parametrize(
    "triton",
    [
        {"tls_certificate_file": "/a"},
        {"tls_ca_file": "/a", "tls_key_file": "/b"},
        {"tls_certificate_file": "/a", "tls_key_file": "/b"},
    ],
)
def test_a_part_of_the_settings_is_refused(triton: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"must be given together|needs tls_ca_file"):
        GenerationSettings(triton=triton)  # type: ignore[arg-type]
