"""Where a run goes: the chart's ConfigMap, from a file, the environment or the cluster."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from synthvlm.errors import InvalidInput, NotFound, PreconditionFailed
from synthvlm.submission.target import target_at


def written(folder: Path, *documents: object) -> str:
    file = folder / "configmap.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    return str(file)


def test_a_file_holds_the_configmap_alone_among_others_or_its_data(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    configmap = {"kind": "ConfigMap", "data": settings}
    other = {"kind": "ConfigMap", "data": {"a": "b"}}
    for documents in ([configmap], [{"kind": "Role"}, other, configmap], [settings]):
        target = target_at(written(tmp_path, *documents))
        assert target.addresses["dataset"] == "synthvlm-dataset.ml.svc:50051"
        assert target.store_uri == settings["store_uri"]
        image = {"SYNTHVLM_PIPELINES_IMAGE": "registry.example/pipelines:1"}
        assert target.compilation == image
        assert target.secrets == {"/run/secrets/token": "synthvlm-token"}
        assert target.pool("spot").node_selector == {"example.com/spot": "true"}


def test_what_is_missing_or_wrong_is_named(tmp_path: Path, settings: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="has no generation_address"):
        target_at(written(tmp_path, {**settings, "generation_address": ""}))
    with pytest.raises(InvalidInput, match="is not the chart's ConfigMap"):
        target_at(written(tmp_path, {**settings, "pools": "[1"}))
    with pytest.raises(InvalidInput, match="must hold the chart's ConfigMap"):
        target_at(written(tmp_path, {"kind": "Secret"}))
    with pytest.raises(InvalidInput, match="has no pool 'gold'; there are spot"):
        target_at(written(tmp_path, settings)).pool("gold")
    with pytest.raises(InvalidInput, match="not NAMESPACE/NAME"):
        target_at("../absent.yaml")


def test_a_pod_has_it_in_its_environment(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert target_at(None).store_uri == settings["store_uri"]


@pytest.fixture
def cluster(
    tmp_path: Path, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], list[str]]]:
    """A Kubernetes API with the ConfigMap in the namespace ml, and a kubeconfig for it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            known = re.fullmatch(r"/api/v1/namespaces/ml/configmaps/synthvlm-pipelines", self.path)
            denied = "/namespaces/closed/" in self.path
            content = {"kind": "ConfigMap", "apiVersion": "v1", "data": settings}
            data = json.dumps(content if known else {"kind": "Status"}).encode()
            self.send_response(200 if known else 403 if denied else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    config = {
        "clusters": [
            {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
        ],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "ml"}}],
        "users": [{"name": "u", "user": {}}],
        "current-context": "x",
    }
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    # The client reads the variable once, when it is imported.
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    yield lambda: asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_is_read_from_the_cluster(
    cluster: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    for place in (None, "ml/synthvlm-pipelines"):
        assert target_at(place).addresses["caption"] == "synthvlm-caption.ml.svc:50051"
    assert cluster() == ["/api/v1/namespaces/ml/configmaps/synthvlm-pipelines"] * 2
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("cluster")
def test_a_cluster_without_it_or_that_denies_it_says_so() -> None:
    with pytest.raises(NotFound, match="no ConfigMap other in ml; give its file with --target"):
        target_at("ml/other")
    with pytest.raises(PreconditionFailed, match="the cluster answers 403"):
        target_at("closed/synthvlm-pipelines")


def test_without_a_cluster_a_file_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none")
    )
    with pytest.raises(PreconditionFailed, match="no kubeconfig here; give its file with --target"):
        target_at(None)
