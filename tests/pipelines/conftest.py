"""Services that answer at once, so that only the pipeline itself is tested."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

from synthvlm import __version__
from synthvlm.alignment.v1 import alignment_pb2, alignment_pb2_grpc
from synthvlm.caption.v1 import caption_pb2, caption_pb2_grpc
from synthvlm.dataset.v1 import dataset_pb2, dataset_pb2_grpc
from synthvlm.generation.v1 import generation_pb2, generation_pb2_grpc
from synthvlm.storage import file_uri
from synthvlm.storage.v1 import shard_pb2
from synthvlm_pipelines.events import PROGRESS_FILE, EventReader, StageEvent
from synthvlm_pipelines.requests import StageRequests


def ref(kind: str, number: int) -> shard_pb2.ShardRef:
    return shard_pb2.ShardRef(path=f"{kind}/{number}", digest=f"sha256:{number:064}", records=10)


def number(reference: shard_pb2.ShardRef) -> int:
    return int(reference.path.rpartition("/")[2])


def progress(done: int) -> shard_pb2.ShardProgress:
    return shard_pb2.ShardProgress(done=done, total=10, resumed=2)


@dataclass
class Recorder(
    caption_pb2_grpc.CaptionServiceServicer,
    generation_pb2_grpc.GenerationServiceServicer,
    alignment_pb2_grpc.AlignmentServiceServicer,
    dataset_pb2_grpc.DatasetServiceServicer,
):
    """All services in one: keeps requests, and answers with results that name their shard."""

    shards: int = 3
    refuse: Callable[[Any], str | None] = lambda _: None
    requests: dict[str, list[Any]] = field(default_factory=dict)
    address: str = ""

    def _take(self, call: str, request: Any, context: grpc.ServicerContext) -> None:
        self.requests.setdefault(call, []).append(request)
        reason = self.refuse(request)
        if reason is not None:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, reason)

    def ImportCaptions(self, request, context):
        self._take("import", request, context)
        pool = [ref("pool", n) for n in range(self.shards)]
        yield caption_pb2.ImportCaptionsResponse(
            result=caption_pb2.ImportResult(shards=pool, read=10 * self.shards)
        )

    def CurateShard(self, request, context):
        self._take("curate", request, context)
        yield caption_pb2.CurateShardResponse(progress=progress(5))
        captions = ref("captions", number(request.pool))
        yield caption_pb2.CurateShardResponse(
            progress=progress(10), result=caption_pb2.CurateResult(caption_set=captions, kept=7)
        )

    def GenerateShard(self, request, context):
        self._take("generate", request, context)
        images = ref("images", number(request.caption_set))
        yield generation_pb2.GenerateShardResponse(
            progress=progress(10),
            result=generation_pb2.GenerateResult(image_set=images, generated=10),
        )

    def ScoreShard(self, request, context):
        self._take("score", request, context)
        scores = ref("scores", number(request.image_set))
        yield alignment_pb2.ScoreShardResponse(
            progress=progress(10), result=alignment_pb2.ScoreResult(score_set=scores, scored=10)
        )

    def Select(self, request, context):
        self._take("select", request, context)
        selection = ref("selection", 0)
        yield dataset_pb2.SelectResponse(result=dataset_pb2.SelectResult(selection=selection))

    def GetVersion(self, request, context):
        self._take("version", request, context)
        name, _, version = request.version.partition("@")
        summary = dataset_pb2.VersionSummary(name=name, version=int(version), path="datasets/x")
        return dataset_pb2.GetVersionResponse(summary=summary)

    def Assemble(self, request, context):
        self._take("assemble", request, context)
        yield dataset_pb2.AssembleResponse(
            version=dataset_pb2.VersionSummary(
                name=request.name,
                version=1,
                store_uri=request.store.uri,
                path=f"datasets/{request.name}",
                digest=f"sha256:{0:064}",
            )
        )


@dataclass
class Finished:
    """A pipeline that has run: its status, its output and its events."""

    status: int
    stdout: str
    stderr: str
    events: list[StageEvent]


@pytest.fixture
def run_pipeline(recorder: Recorder) -> Callable[..., Finished]:
    return partial(run_with, recorder)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    servicer = Recorder()
    server = grpc.server(ThreadPoolExecutor(8))
    caption_pb2_grpc.add_CaptionServiceServicer_to_server(servicer, server)
    generation_pb2_grpc.add_GenerationServiceServicer_to_server(servicer, server)
    alignment_pb2_grpc.add_AlignmentServiceServicer_to_server(servicer, server)
    dataset_pb2_grpc.add_DatasetServiceServicer_to_server(servicer, server)
    servicer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    server.stop(None)


def run_with(
    recorder: Recorder, folder: Path, requests: StageRequests | None = None, **changed: Any
) -> Finished:
    folder.mkdir(parents=True, exist_ok=True)
    words = ("caption", "generation", "alignment", "dataset")
    arguments = {
        **{f"{word}_address": recorder.address for word in words},
        **(requests or StageRequests()).arguments(),
        "caption_file_digests": ["sha256:1"],
        "code_version": __version__,
        "run_name": "a-run",
        "store_uri": file_uri(folder / "store"),
        "resume_command": "synthvlm run --again",
        **changed,
    }
    return launched(folder, arguments)


def launched(folder: Path, arguments: Mapping[str, Any], *options: str) -> Finished:
    (folder / "arguments.json").write_text(json.dumps(arguments))
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "synthvlm_pipelines", "run", *options),
            *("--arguments", str(folder / "arguments.json"), "--root", str(folder / "kfp")),
        ],
        env={**os.environ, PROGRESS_FILE: str(folder / "progress.jsonl")},
        capture_output=True,
        text=True,
        check=False,
    )
    events = list(EventReader(folder / "progress.jsonl").new())
    return Finished(answer.returncode, answer.stdout, answer.stderr, events)
