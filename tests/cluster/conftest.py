"""A cluster's API for tests, and the credentials for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.api_server import ApiServer, serving, write_kubeconfig


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """The API of a cluster, which the environment names."""
    served = ApiServer()
    server = serving(served)
    (tmp_path / "token").write_text(served.token)
    write_kubeconfig(tmp_path / "kubeconfig", served.url, tmp_path / "token")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    yield served
    server.shutdown()
    server.server_close()
