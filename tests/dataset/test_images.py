"""Any image by its id, selected or not."""

import json

import pyarrow as pa
import pytest

from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.dataset.best import SelectionRule
from synthvlm.dataset.images import find_image
from synthvlm.dataset.lookup import rows_by_prefix
from synthvlm.dataset.provenance import Maker
from synthvlm.dataset.publication import publish
from synthvlm.dataset.selection import select
from synthvlm.dataset.versions import Stores
from synthvlm.errors import DataCorrupt, InvalidInput, NotFound
from synthvlm.progress import SILENT
from synthvlm.storage import Store, sha256_digest
from synthvlm.storage.schemas import IMAGE_INDEX
from synthvlm.storage.tables import table_bytes
from tests.dataset.shards import MODEL, Scored, caption_id, chain_of, image_id, picture, run_of

MAKER = Maker()


@pytest.fixture
def stores(store):
    return Stores([store.uri])


def published(store, catalogue, chains, top_k, name="shapes"):
    selection = select(store, chains, SelectionRule(top_k=top_k), SILENT)
    catalogue.enter_index(selection.index, store.uri)
    version = assemble(store, AssemblyRequest(selection.ref, name, 100), SILENT)
    return publish(catalogue, store, name, version, MAKER)


@pytest.fixture
def chains(store):
    cats = [Scored("a cat", 0, 0.25, 0.5), Scored("a cat", 1, 0.5, 0.75, 0.125)]
    dogs = [Scored("a dog", 0, 0.25, 0.25)]
    return [chain_of(store, cats), chain_of(store, dogs, steps=30)]


class TestFindImage:
    def test_a_selected_image(self, store, stores, catalogue, chains):
        published(store, catalogue, chains, 1)
        published(store, catalogue, chains, 2)
        published(store, catalogue, chains, 2, name="animals")
        found = find_image(catalogue, stores, image_id("a cat", 1))
        assert found.text == "a cat"
        assert found.row["caption_id"] == caption_id("a cat")
        assert found.row["repeat"] == 1
        assert found.scores == {"clip_score": 0.5, "ssim_score": 0.125, "weighted_score": 0.75}
        assert found.versions == ["animals@1", "shapes@2", "shapes@1"]
        assert found.place.read() == picture("a cat", 1)
        assert found.row["sha256"] == sha256_digest(picture("a cat", 1))
        generation = json.loads(found.generation)
        assert generation["model_digest"] == MODEL
        assert generation["configuration"]["sampling"] == {"steps": 20}

    def test_an_image_that_was_not_selected(self, store, stores, catalogue, chains):
        published(store, catalogue, chains, 1)
        found = find_image(catalogue, stores, image_id("a dog", 0))
        assert found.text == "a dog"
        assert found.versions == []
        assert found.scores == {"clip_score": 0.25, "ssim_score": 0.5, "weighted_score": 0.25}
        assert found.place.read() == picture("a dog", 0)
        generation = json.loads(found.generation)
        assert generation["configuration"] == {
            "sampling": {"steps": 30},
            "format": "jpeg",
            "run_seed": 7,
        }

    def test_a_prefix_is_enough(self, store, stores, catalogue, chains):
        published(store, catalogue, chains, 1)
        for text, repeat in (("a cat", 1), ("a cat", 0), ("a dog", 0)):
            found = find_image(catalogue, stores, image_id(text, repeat)[:8])
            assert found.row["image_id"] == image_id(text, repeat)

    def test_what_is_no_image(self, store, stores, catalogue, chains):
        published(store, catalogue, chains, 1)
        with pytest.raises(NotFound, match="00000000"):
            find_image(catalogue, stores, "00000000")

    def test_a_prefix_of_several(self, store, stores, catalogue, monkeypatch):
        ids = {
            ("a cat", 0): "aaaaaaaa1000000",
            ("a cat", 1): "aaaaaaaa2000000",
            ("a dog", 0): "aaaaaaaa",
        }
        monkeypatch.setattr("tests.dataset.shards.image_id", lambda *image: ids[image])
        scored = [Scored("a cat", 0, 0.1, 0.1), Scored("a cat", 1, 0.2, 0.2)]
        published(store, catalogue, [chain_of(store, scored)], 1)
        with pytest.raises(InvalidInput, match="ambiguous: aaaaaaaa1000000, aaaaaaaa2000000"):
            find_image(catalogue, stores, "aaaaaaaa")
        # A whole id is meant, though others begin with it.
        published(store, catalogue, [chain_of(store, [Scored("a dog", 0, 0.1, 0.1)])], 1, "dogs")
        assert find_image(catalogue, stores, "aaaaaaaa").text == "a dog"

    def test_a_version_that_the_store_has_lost_hides_no_image(
        self, store, stores, catalogue, chains
    ):
        lost = published(store, catalogue, chains, 2)
        published(store, catalogue, chains, 1)
        store.delete(store.list(lost.ref.path))
        assert find_image(catalogue, stores, image_id("a cat", 1)).versions == ["shapes@2"]
        assert find_image(catalogue, stores, image_id("a dog", 0)).versions == []

    def test_damaged_bytes_are_not_given_out(self, store, stores, catalogue, chains):
        entry = published(store, catalogue, chains, 1)
        found = find_image(catalogue, stores, image_id("a cat", 1))
        path = f"{entry.ref.path}/pairs-000000.tar"
        data = bytearray(store.read(path))
        data[found.row["offset"] + 9] ^= 1
        store.write(path, bytes(data))
        with pytest.raises(DataCorrupt):
            found.place.read()

    def test_images_of_all_shards_of_a_larger_run(self, store, stores, catalogue):
        published(store, catalogue, run_of(store, captions=24, shards=4), 10)
        held = 0
        for shard in range(4):
            for number in range(6):
                for repeat in range(2):
                    text = f"caption {number} of shard {shard}"
                    found = find_image(catalogue, stores, image_id(text, repeat))
                    assert found.text == text
                    assert found.place.read() == picture(text, repeat)
                    held += len(found.versions)
        assert held == 10


class TestLookup:
    @pytest.fixture
    def path(self, store):
        ids = sorted(sha256_digest(str(n).encode())[7:39] for n in range(100_000))
        table = pa.table([pa.array(ids), pa.array(range(len(ids)), pa.int32())], schema=IMAGE_INDEX)
        store.write("index.parquet", table_bytes(table, IMAGE_INDEX))
        self.ids = ids
        return "index.parquet"

    def find(self, store, path, prefix, limit=10):
        return rows_by_prefix(store, path, prefix, IMAGE_INDEX.names, limit).to_pylist()

    def test_every_place_in_the_file(self, store, path):
        for number in [0, 1, 16_383, 16_384, 16_385, 50_000, 98_303, 98_304, 99_999]:
            expected = [{"image_id": self.ids[number], "chain": number}]
            assert self.find(store, path, self.ids[number]) == expected
            assert self.find(store, path, self.ids[number][:12]) == expected
        assert self.find(store, path, "g") == []
        assert self.find(store, path, "") != []
        several = [identity for identity in self.ids if identity.startswith("40")]
        assert [row["image_id"] for row in self.find(store, path, "40", 1000)] == several
        assert len(self.find(store, path, "40", 6)) == 6

    def test_little_is_read(self, store, path, monkeypatch):
        read = []
        original = Store.read_range

        def counting(self, path, offset, size):
            read.append(size)
            return original(self, path, offset, size)

        monkeypatch.setattr(Store, "read_range", counting)
        self.find(store, path, self.ids[40_000])
        assert sum(read) < store.size(path) / 3
        assert len(read) < 12

    def test_what_is_no_parquet(self, store):
        store.write("index.parquet", b"PAR1 or not")
        with pytest.raises(DataCorrupt):
            self.find(store, "index.parquet", "a")
