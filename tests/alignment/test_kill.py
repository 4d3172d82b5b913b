"""``kill -9`` of the service in the middle of a shard, then the same call again."""

from contextlib import contextmanager

import grpc
import pytest

from synthvlm.alignment.config import AlignmentSettings
from synthvlm.alignment.requests import complete
from synthvlm.alignment.scorer import Scorer
from synthvlm.alignment.shard import ScoreSetMaker, ScoreSetRequest
from synthvlm.alignment.v1 import alignment_pb2 as pb
from synthvlm.alignment.v1 import alignment_pb2_grpc
from synthvlm.progress import SILENT
from synthvlm.serving.settings_sources import load_settings
from synthvlm.storage import file_uri, open_store
from synthvlm.storage.v1 import shard_pb2
from synthvlm.storage.wire import ref_from_proto, ref_to_proto
from tests.service_process import service_process

BATCH = 4
TEXTS = [f"a scene with {n} circles" for n in range(10)]
IMAGES = 20 * BATCH + 1


@pytest.fixture
def launch(tmp_path):
    """Starts a process of its own for the service; kills it at the end of the block."""

    @contextmanager
    def start():
        arguments = ["--profile", "mini", "--set", f"batch_size={BATCH}"]
        with service_process("synthvlm.alignment", arguments, tmp_path) as (process, channel):
            yield process, alignment_pb2_grpc.AlignmentServiceStub(channel)

    return start


def test_a_kill_in_a_shard_changes_nothing(
    launch, engine, store, picture, caption_set, image_set, tmp_path
):
    data = [picture(n, side=128) for n in range(IMAGES)]
    captions = caption_set(store, TEXTS)
    images = image_set(store, captions, data)
    request = pb.ScoreShardRequest(
        store=shard_pb2.ShardStore(uri=store.uri),
        caption_set=ref_to_proto(captions),
        image_set=ref_to_proto(images),
    )
    with launch() as (process, stub):
        with pytest.raises(grpc.RpcError) as raised:
            for message in stub.ScoreShard(request, timeout=300):
                assert not message.HasField("result")
                if message.progress.done >= BATCH:
                    process.kill()
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    kept = len([path for path in store.list("scores") if "/parts/" in path])
    assert kept >= 1
    assert not any(path.endswith("manifest.json") for path in store.list("scores"))

    with launch() as (_, stub):
        calls = list(stub.ScoreShard(request, timeout=300))
    assert calls[-1].progress.resumed == kept * BATCH
    resumed = ref_from_proto(calls[-1].result.score_set)

    # What a process that nobody kills makes of the same images.
    elsewhere = open_store(file_uri(tmp_path / "elsewhere"))
    captions = caption_set(elsewhere, TEXTS)
    images = image_set(elsewhere, captions, data)
    settings = load_settings(AlignmentSettings, "alignment", command_line={"profile": "mini"})
    scorer = Scorer(engine, BATCH, settings.threads)
    try:
        wanted = ScoreSetRequest(captions, images, complete(None, settings), engine.model_digest)
        assert ScoreSetMaker(scorer).make(elsewhere, wanted, SILENT).ref == resumed
    finally:
        scorer.close()
    names = ("scores.parquet", "failed.parquet", "manifest.json")
    for name in names:
        path = f"{resumed.path}/{name}"
        assert store.read(path) == elsewhere.read(path)
    assert len(store.list("scores")) == len(names)
