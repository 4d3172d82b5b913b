"""``kill -9`` of the service in the middle of an import, then the same call again."""

import json
from contextlib import contextmanager

import grpc
import pytest

from synthvlm.caption.importing import ImportRequest, import_captions
from synthvlm.caption.readers import Layout
from synthvlm.caption.v1 import caption_pb2 as pb
from synthvlm.caption.v1 import caption_pb2_grpc
from synthvlm.progress import SILENT
from synthvlm.storage import file_uri, open_store
from synthvlm.storage.v1 import shard_pb2
from synthvlm.storage.wire import ref_from_proto
from tests.service_process import service_process

RECORDS = 40_000
SHARD = 500


@pytest.fixture
def launch(tmp_path):
    """Starts a process of its own for the service; kills it at the end of the block."""

    @contextmanager
    def start():
        with service_process("synthvlm.caption", [], tmp_path) as (process, channel):
            yield process, caption_pb2_grpc.CaptionServiceStub(channel)

    return start


def test_a_kill_in_an_import_changes_nothing(launch, store, caption_file, tmp_path):
    # Every tenth is a duplicate, every hundredth is no JSON.
    lines = [
        "{" if n % 100 == 0 else json.dumps({"id": n, "caption": f"caption {n if n % 10 else 1}"})
        for n in range(RECORDS)
    ]
    file = caption_file("c.jsonl", "\n".join(lines))
    request = pb.ImportCaptionsRequest(
        store=shard_pb2.ShardStore(uri=store.uri),
        files=[str(file.blob.local)],
        shard_size=SHARD,
    )
    with launch() as (process, stub):
        with pytest.raises(grpc.RpcError) as raised:
            for message in stub.ImportCaptions(request, timeout=300):
                assert not message.HasField("result")
                if message.progress.done >= SHARD:
                    process.kill()
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    kept = len([path for path in store.list("pool") if path.endswith("manifest.json")])
    assert kept >= 1
    assert store.list("quarantine") == []

    with launch() as (_, stub):
        last = list(stub.ImportCaptions(request, timeout=300))[-1]
    assert last.result.read == RECORDS
    assert kept * SHARD <= last.progress.resumed < RECORDS
    # What a process that nobody kills makes of the same file.
    elsewhere = open_store(file_uri(tmp_path / "elsewhere"))
    imported = import_captions(elsewhere, ImportRequest([file], Layout(), SHARD), SILENT)
    assert [ref_from_proto(shard) for shard in last.result.shards] == imported.shards
    assert ref_from_proto(last.result.quarantine) == imported.quarantine
    for kind in ("pool", "quarantine"):
        paths = elsewhere.list(kind)
        assert store.list(kind) == paths
        assert all(store.read(path) == elsewhere.read(path) for path in paths)
