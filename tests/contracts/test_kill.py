"""``kill -9`` of a service in the middle of a shard call, then the same call again."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from synthvlm.alignment.v1 import alignment_pb2, alignment_pb2_grpc
from synthvlm.caption.v1 import caption_pb2, caption_pb2_grpc
from synthvlm.generation.v1 import generation_pb2, generation_pb2_grpc
from synthvlm.storage import Store, file_location, open_store
from synthvlm.storage.protos import ref_to_proto
from synthvlm.storage.v1 import shard_pb2
from tests.caption_sets import commit_caption_set
from tests.image_sets import commit_image_set, picture
from tests.service_process import service_process

BATCH = 4
POOL_SHARD = 500
RECORDS = 40_000


@dataclass(frozen=True)
class ShardCall:
    """A shard call and where it leaves its work.

    Attributes:
        word: The service.
        call: The call, given a channel and a request.
        request: Commits the input to a store; the request for it.
        settings: Settings of the service, as arguments.
        kinds: Shards that it commits; the last one is committed when all is done.
        unit: Path of what is kept of an unfinished call, and its records.
        resumes_exactly: Whether the records told as resumed are those of the kept units.
    """

    word: str
    call: Callable[[grpc.Channel, Any], Any]
    request: Callable[[Store, Path], Any]
    settings: Sequence[str]
    kinds: tuple[str, ...]
    unit: tuple[str, int]
    resumes_exactly: bool = True


def importing(store: Store, folder: Path) -> caption_pb2.ImportCaptionsRequest:
    # Every tenth is a duplicate, every hundredth is not JSON.
    lines = [
        "{" if n % 100 == 0 else json.dumps({"id": n, "caption": f"caption {n if n % 10 else 1}"})
        for n in range(RECORDS)
    ]
    file = folder / "c.jsonl"
    file.write_text("\n".join(lines))
    return caption_pb2.ImportCaptionsRequest(
        store=shard_pb2.ShardStore(uri=store.uri), files=[str(file)], shard_size=POOL_SHARD
    )


def generating(store: Store, _: Path) -> generation_pb2.GenerateShardRequest:
    captions = commit_caption_set(
        store, [f"a scene with {n} circles" for n in range(4 * BATCH + 1)]
    )
    return generation_pb2.GenerateShardRequest(
        store=shard_pb2.ShardStore(uri=store.uri),
        caption_set=ref_to_proto(captions),
        run_seed=9,
        parameters=generation_pb2.SamplingParameters(steps=10, width=32, height=32),
    )


def scoring(store: Store, _: Path) -> alignment_pb2.ScoreShardRequest:
    captions = commit_caption_set(store, [f"a scene with {n} circles" for n in range(10)])
    pictures = [picture(n, side=128) for n in range(20 * BATCH + 1)]
    images = commit_image_set(store, captions, pictures)
    return alignment_pb2.ScoreShardRequest(
        store=shard_pb2.ShardStore(uri=store.uri),
        caption_set=ref_to_proto(captions),
        image_set=ref_to_proto(images),
    )


MINI = ("--profile", "mini", "--set", f"batch_size={BATCH}")
CALLS = {
    "import": ShardCall(
        "caption",
        lambda channel, request: caption_pb2_grpc.CaptionServiceStub(channel).ImportCaptions(
            request, timeout=300
        ),
        importing,
        (),
        ("pool", "quarantine"),
        ("/manifest.json", POOL_SHARD),
        resumes_exactly=False,
    ),
    "generate": ShardCall(
        "generation",
        lambda channel, request: generation_pb2_grpc.GenerationServiceStub(channel).GenerateShard(
            request, timeout=300
        ),
        generating,
        MINI,
        ("images",),
        ("/parts/", BATCH),
    ),
    "score": ShardCall(
        "alignment",
        lambda channel, request: alignment_pb2_grpc.AlignmentServiceStub(channel).ScoreShard(
            request, timeout=300
        ),
        scoring,
        MINI,
        ("scores",),
        ("/parts/", BATCH),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_kill_in_a_shard_call_changes_nothing(name: str, tmp_path: Path) -> None:
    shard_call = CALLS[name]
    module, settings = f"synthvlm.{shard_call.word}", shard_call.settings
    store = open_store(file_location(tmp_path / "store"))
    request = shard_call.request(store, tmp_path)
    unit, records = shard_call.unit
    with service_process(module, settings, tmp_path) as (process, channel):
        with pytest.raises(grpc.RpcError) as raised:
            for message in shard_call.call(channel, request):
                assert not message.HasField("result")
                if message.progress.done >= records:
                    process.kill()
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    kept = len([path for path in store.list(shard_call.kinds[0]) if unit in path])
    assert kept >= 1
    last = store.list(shard_call.kinds[-1])
    assert not [path for path in last if path.endswith("manifest.json")]

    # What a process that nobody kills makes of the same input.
    elsewhere = open_store(file_location(tmp_path / "elsewhere"))
    again = shard_call.request(elsewhere, tmp_path)
    with service_process(module, settings, tmp_path) as (_, channel):
        resumed = list(shard_call.call(channel, request))[-1]
        whole = list(shard_call.call(channel, again))[-1]
    assert whole.progress.resumed == 0
    assert resumed.result == whole.result
    if shard_call.resumes_exactly:
        assert resumed.progress.resumed == kept * records
    else:
        assert kept * records <= resumed.progress.resumed < resumed.progress.done
    for kind in shard_call.kinds:
        paths = elsewhere.list(kind)
        assert store.list(kind) == paths
        assert not [path for path in paths if "/parts/" in path]
        assert all(store.read(path) == elsewhere.read(path) for path in paths)
