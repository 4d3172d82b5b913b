"""The sample that every cell synthesises."""

import asyncio
import json

import pytest

from synthvlm.caption.config import CaptionSettings
from synthvlm.caption.service import SERVICE
from synthvlm.caption.v1.caption_pb2 import ImportCaptionsRequest
from synthvlm.client import CaptionClient, connect
from synthvlm.errors import InvalidInput
from synthvlm.serving.testing import serving
from synthvlm.storage import file_location, open_shard, open_store
from synthvlm.storage.schemas import CAPTIONS
from synthvlm.tuning.captions import sample, write_sample
from tests.caption_sets import commit_caption_set

TEXTS = [f"a red circle, number {number}" for number in range(40)]


@pytest.fixture
def store(tmp_path):
    return open_store(file_location(tmp_path / "store"))


def drawn(store, sets, count, file, seed=0):
    write_sample(store, sets, count, seed, file)
    return [json.loads(line)["caption"] for line in file.read_text().splitlines()]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "captions.jsonl"


def test_a_sample_is_the_same_each_time(store, file):
    sets = [commit_caption_set(store, TEXTS)]
    first = drawn(store, sets, 10, file)
    assert len(set(first)) == 10
    assert [text for text in TEXTS if text in first] == first  # in the order of the files
    assert drawn(store, sets, 10, file) == first
    assert drawn(store, sets, 10, file, seed=1) != first
    assert [path.name for path in file.parent.glob("*captions*")] == [file.name]


def test_all_captions_are_drawn_if_there_are_no_more(store, file):
    assert len(drawn(store, [commit_caption_set(store, TEXTS)], 1000, file)) == len(TEXTS)


def test_a_repeated_caption_is_drawn_once(store, file):
    sets = [commit_caption_set(store, TEXTS), commit_caption_set(store, TEXTS[:20])]
    assert len(drawn(store, sets, 1000, file)) == len(TEXTS)


def test_more_captions_displace_few(store, file):
    before = set(drawn(store, [commit_caption_set(store, TEXTS[:39])], 10, file))
    after = set(drawn(store, [commit_caption_set(store, TEXTS)], 10, file))
    assert len(before - after) <= 1


def test_without_captions_nothing_can_be_compared(store, file):
    with pytest.raises(InvalidInput, match="curation keeps no caption"):
        write_sample(store, [], 10, 0, file)


async def test_the_sample_is_a_caption_set_of_the_caption_service(store, tmp_path, file):
    texts = [f"a small red circle beside {n} large blue squares." for n in range(30)]
    pool = tmp_path / "pool.txt"
    pool.write_text("\n".join([*texts, "$$$ 50% OFF!!! >>> www <<<"]))
    roots = {"store_roots": [store.uri], "caption_roots": [str(tmp_path)]}

    def draw(address):
        with CaptionClient(connect(address)) as client:
            return sample(
                client, store, ImportCaptionsRequest(files=[str(pool)]), "paper-rules", 10, 0, file
            )

    async with serving(SERVICE, CaptionSettings(**roots)) as server:
        ref = await asyncio.to_thread(draw, server.address)
        assert await asyncio.to_thread(draw, server.address) == ref
    shard = open_shard(store, ref)
    kept = shard.table("captions.parquet", CAPTIONS).column("text").to_pylist()
    assert ref.path.startswith("captions/")
    assert len(kept) == 10
    assert set(kept) < set(texts)
