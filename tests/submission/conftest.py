"""A pipelines server, the services that a plan asks, a store, and a clock that a test turns."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from synthvlm.alignment.v1 import alignment_pb2, alignment_pb2_grpc
from synthvlm.caption.v1 import caption_pb2, caption_pb2_grpc
from synthvlm.cli.__main__ import run
from synthvlm.generation.v1 import generation_pb2, generation_pb2_grpc
from synthvlm.submission.server import Clock
from tests.submission.kfp_server import Kfp, kfp_server

MODEL = f"sha256:{'1' * 64}"
GOLDEN = Path(__file__).parents[1] / "pipelines" / "golden"


class Captions(caption_pb2_grpc.CaptionServiceServicer):
    def EvaluateCaptions(self, request, context):
        return caption_pb2.EvaluateCaptionsResponse()


class Generation(generation_pb2_grpc.GenerationServiceServicer):
    def GetModel(self, request, context):
        return generation_pb2.GetModelResponse(
            model_digest=MODEL, parameters=generation_pb2.SamplingParameters(steps=6)
        )


class Alignment(alignment_pb2_grpc.AlignmentServiceServicer):
    def GetModel(self, request, context):
        return alignment_pb2.GetModelResponse(model_digest="sha256:a")


class TurnedClock:
    """Nobody waits: sleeping turns the clock, and then what is due happens."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> TurnedClock:
    turned = TurnedClock()
    monkeypatch.setattr(Clock, "now", lambda _self: turned.now())
    monkeypatch.setattr(Clock, "sleep", lambda _self, seconds: turned.sleep(seconds))
    return turned


@pytest.fixture
def kfp() -> Iterator[Kfp]:
    with kfp_server(Kfp()) as server:
        yield server


@pytest.fixture(scope="session")
def services_address() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    caption_pb2_grpc.add_CaptionServiceServicer_to_server(Captions(), server)
    generation_pb2_grpc.add_GenerationServiceServicer_to_server(Generation(), server)
    alignment_pb2_grpc.add_AlignmentServiceServicer_to_server(Alignment(), server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield address
    server.stop(None)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def settings(store: Path) -> dict[str, str]:
    """The data of the chart's ConfigMap."""
    address = "synthvlm-{}.ml.svc:50051"
    return {
        **{
            f"{word}_address": address.format(word)
            for word in ("caption", "generation", "alignment", "dataset")
        },
        "store_uri": store.as_uri(),
        "SYNTHVLM_PIPELINES_IMAGE": "registry.example/pipelines:1",
        "SYNTHVLM_STEP_TOKEN_FILE": "/run/secrets/token/token",
        "token_secret": "synthvlm-token",
        "queue": "synthvlm-batch",
        "pools": json.dumps(
            {
                "spot": {
                    "nodeSelector": {"example.com/spot": "true"},
                    "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
                }
            }
        ),
    }


@pytest.fixture
def submit(
    tmp_path: Path,
    kfp: Kfp,
    clock: TurnedClock,
    settings: dict[str, str],
    services_address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., int]:
    """Runs ``synthvlm submit`` in this process; gives its status."""
    (tmp_path / "captions.txt").write_text("a red circle\na blue square\n")
    (tmp_path / "target.yaml").write_text(
        yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, "data": settings})
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNTHVLM_HOME", str(tmp_path / "home"))

    def command(*more: str, captions: str = "captions.txt", name: str = "demo") -> int:
        reach = [
            part
            for word in ("caption", "generation", "alignment")
            for part in ("--reach", f"{word}={services_address}")
        ]
        return run(
            [
                *("submit", "--captions", captions, "--name", name, "--server", kfp.url),
                *("--target", "target.yaml", "--packages", str(GOLDEN), *reach, *more),
            ]
        )

    return command


@pytest.fixture
def leave(store: Path) -> Callable[..., None]:
    """Writes what the last step of a run leaves."""

    def write(name: str, **outcome: Any) -> None:
        folder = store / "reports" / name
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            **{"run": name, "pipeline": "dataset-run", "finished": "2026-01-02T00:00:00Z"},
            **{"state": "failed" if "failure" in outcome else "succeeded", "stages": []},
            **outcome,
        }
        (folder / "outcome.json").write_text(json.dumps(content))
        (folder / "report.html").write_text("<h1>report</h1>")

    return write
