"""``kill -9`` of the service in the middle of a batch, then the same call again."""

from contextlib import closing, contextmanager

import grpc
import pytest
import yaml

from synthvlm.generation.encoding import ImageFormat
from synthvlm.generation.engine import Sampling
from synthvlm.generation.engines.diffusers import DiffusersEngine
from synthvlm.generation.shard import ImageSetMaker, ImageSetRequest
from synthvlm.generation.v1 import generation_pb2 as pb
from synthvlm.generation.v1 import generation_pb2_grpc
from synthvlm.progress import SILENT
from synthvlm.storage import file_uri, open_store
from synthvlm.storage.v1 import shard_pb2
from synthvlm.storage.wire import ref_from_proto, ref_to_proto
from tests.service_process import service_process

SAMPLING = Sampling(10, 3.0, 0.8, 32, 32)
BATCH = 4
TEXTS = [f"a scene with {n} circles" for n in range(4 * BATCH + 1)]


@pytest.fixture
def launch(tmp_path):
    """Starts a process of its own for the service; kills it at the end of the block."""
    profile = tmp_path / "small.yaml"
    settings = {
        "pipeline": {"refiner": "bundled:mini-sdxl-refiner"},
        "batch_size": BATCH,
        **SAMPLING.to_json(),
    }
    profile.write_text(yaml.safe_dump({"generation": settings}))

    @contextmanager
    def start():
        arguments = ["--profile", str(profile)]
        with service_process("synthvlm.generation", arguments, tmp_path) as (process, channel):
            yield process, generation_pb2_grpc.GenerationServiceStub(channel)

    return start


def test_a_kill_in_a_batch_changes_nothing(launch, pipelines, store, caption_set, tmp_path):
    captions = caption_set(store, TEXTS)
    request = pb.GenerateShardRequest(
        store=shard_pb2.ShardStore(uri=store.uri), caption_set=ref_to_proto(captions), run_seed=9
    )
    with launch() as (process, stub):
        with pytest.raises(grpc.RpcError) as raised:
            for message in stub.GenerateShard(request, timeout=300):
                assert not message.HasField("result")
                if message.progress.done >= BATCH:
                    process.kill()
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    kept = len([path for path in store.list("images") if "/parts/" in path])
    assert kept >= 1
    assert not any(path.endswith("manifest.json") for path in store.list("images"))

    with launch() as (_, stub):
        calls = list(stub.GenerateShard(request, timeout=300))
    assert calls[-1].progress.resumed == kept * BATCH
    resumed = ref_from_proto(calls[-1].result.image_set)

    # What a process that nobody kills makes of the same captions.
    elsewhere = open_store(file_uri(tmp_path / "elsewhere"))
    wanted = ImageSetRequest(
        caption_set(elsewhere, TEXTS), 1, 9, SAMPLING, ImageFormat.JPEG, pipelines.model_digest
    )
    with closing(DiffusersEngine(pipelines, BATCH, 0.0)) as engine:
        assert ImageSetMaker(engine).make(elsewhere, wanted, SILENT).ref == resumed
    names = ("images.tar", "images.parquet", "failed.parquet", "manifest.json")
    for name in names:
        path = f"{resumed.path}/{name}"
        assert store.read(path) == elsewhere.read(path)
    assert len(store.list("images")) == len(names)
