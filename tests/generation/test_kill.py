"""``kill -9`` of the service in the middle of a batch, then the same call again."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synthvlm.generation.batching import Batcher
from synthvlm.generation.encoding import ImageFormat
from synthvlm.generation.engine import Sampling
from synthvlm.generation.shard import ImageSetMaker, ImageSetRequest
from synthvlm.generation.v1 import generation_pb2 as pb
from synthvlm.generation.v1 import generation_pb2_grpc
from synthvlm.progress import SILENT
from synthvlm.storage import file_uri, open_store
from synthvlm.storage.v1 import shard_pb2
from synthvlm.storage.wire import ref_from_proto, ref_to_proto

SAMPLING = Sampling(10, 3.0, 0.8, 32, 32)
BATCH = 4
TEXTS = [f"a scene with {n} circles" for n in range(4 * BATCH + 1)]


@pytest.fixture
def launch(tmp_path):
    """Starts a process of its own for the service; kills it at the end of the block."""
    profile = tmp_path / "small.yaml"
    settings = {
        "model": "bundled:mini-sdxl",
        "refiner": "bundled:mini-sdxl-refiner",
        "threads": 2,
        "batch_size": BATCH,
        **SAMPLING.to_json(),
    }
    profile.write_text(yaml.safe_dump({"generation": settings}))
    address_file = tmp_path / "address.json"
    command = [
        *(sys.executable, "-m", "synthvlm.generation"),
        *("--profile", str(profile)),
        *("--address-file", str(address_file)),
        *("--store-roots", f"file://{tmp_path}"),
    ]

    @contextmanager
    def start():
        address_file.unlink(missing_ok=True)
        with (tmp_path / "service.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 300
            while not address_file.exists() and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert process.poll() is None, (tmp_path / "service.log").read_text()
            address = json.loads(address_file.read_text())["address"]
            with grpc.insecure_channel(address) as channel:
                for answer in health_pb2_grpc.HealthStub(channel).Watch(
                    health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=300
                ):
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        break
                yield process, generation_pb2_grpc.GenerationServiceStub(channel)
        finally:
            process.kill()
            process.wait()

    return start


def test_a_kill_in_a_batch_changes_nothing(launch, engine, store, caption_set, tmp_path):
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
        caption_set(elsewhere, TEXTS), 1, 9, SAMPLING, ImageFormat.JPEG, engine.model_digest
    )
    batcher = Batcher(engine, BATCH, 0.0)
    try:
        assert ImageSetMaker(batcher).make(elsewhere, wanted, SILENT).ref == resumed
    finally:
        batcher.close()
    names = ("images.tar", "images.parquet", "failed.parquet", "manifest.json")
    for name in names:
        path = f"{resumed.path}/{name}"
        assert store.read(path) == elsewhere.read(path)
    assert len(store.list("images")) == len(names)
