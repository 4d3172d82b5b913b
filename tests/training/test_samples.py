"""Samples of dataset versions, by number and in any process."""

import os

import numpy as np
import pytest
from torch.utils.data import DataLoader

from synthvlm.errors import DataCorrupt, InvalidInput, NotFound, PreconditionFailed
from synthvlm.storage import file_location, open_store
from synthvlm.training.conversation import PLAIN, MaskMismatch
from synthvlm.training.encoder import EncodedSample, Encoder
from synthvlm.training.samples import (
    WORKER_START,
    EncodedSamples,
    VersionLocation,
    VersionPairs,
)
from tests.training.buckets import bucket
from tests.training.tokenizers import mini_tokenizer
from tests.training.versions import drawn_version


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(file_location(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def location(store):
    return drawn_version(store, 9)


class TestVersionPairs:
    def test_a_pair(self, location):
        pairs = VersionPairs(location)
        assert len(pairs) == 9
        sample = pairs[5]
        assert sample.id == "0005"
        assert sample.image.size == (64, 64)
        assert [turn.role for turn in sample.conversation] == ["user", "assistant"]
        assert "<image>" in sample.conversation[0].text
        assert sample.conversation[1].text == pairs.captions[5]
        assert pairs.lengths.tolist() == [len(caption) for caption in pairs.captions]
        assert pairs.digest == location.digest

    def test_any_order_gives_the_same(self, location):
        pairs = VersionPairs(location)
        pictures = {number: pairs[number].image.tobytes() for number in (8, 0, 4)}
        assert {n: VersionPairs(location)[n].image.tobytes() for n in (0, 4, 8)} == pictures
        assert len(set(pictures.values())) == 3

    def test_workers_read_the_same(self, location):
        pairs = VersionPairs(location)
        loader = DataLoader(
            pairs,
            batch_size=2,
            num_workers=1,
            collate_fn=_ids_and_means,
            multiprocessing_context=WORKER_START,
        )
        read = [one for batch in loader for one in batch]
        assert read == [one for number in range(9) for one in _ids_and_means([pairs[number]])]

    def test_a_forked_process_is_told_what_to_do(self, location):
        pairs = VersionPairs(location)
        receiving, sending = os.pipe()
        child = os.fork()
        if not child:
            try:
                pairs[0]
            except PreconditionFailed as error:
                os.write(sending, error.message.encode())
            finally:
                os._exit(0)
        os.close(sending)
        assert WORKER_START in os.read(receiving, 1000).decode()
        os.waitpid(child, 0)
        os.close(receiving)

    def test_an_object_store(self):
        with bucket() as store:
            location = drawn_version(store, 5)
            pairs = VersionPairs(location)
            assert location.store == "s3://data/run"
            assert [pairs[number].id for number in (4, 0)] == ["0004", "0000"]

    def test_a_damaged_picture(self, tmp_path):
        store = open_store(file_location(tmp_path))
        location = drawn_version(store, 2)
        path = f"{location.path}/pairs-000000.tar"
        store.write(path, store.read(path).replace(b"IDAT", b"IDAX"))
        with pytest.raises(DataCorrupt, match="0001"):
            VersionPairs(location)[1]

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"path": "dataset/0"}, NotFound),
            ({"digest": "sha256:0"}, DataCorrupt),
            ({"store": "folder"}, InvalidInput),
        ],
    )
    def test_what_is_not_that_version(self, location, changes, error):
        given = {"store": location.store, "path": location.path, "digest": location.digest}
        with pytest.raises(error):
            VersionPairs(VersionLocation(**{**given, **changes}))


def _ids_and_means(samples):
    return [(sample.id, float(np.asarray(sample.image).mean())) for sample in samples]


def test_a_caption_without_a_fitting_mask_is_given_as_such(store):
    location = drawn_version(store, ["a red star", "the tag </s> in a caption"])
    encoder = Encoder(mini_tokenizer(), 64, PLAIN, 256)
    good, bad = (EncodedSamples(VersionPairs(location), encoder)[number] for number in (0, 1))
    assert isinstance(good, EncodedSample)
    assert isinstance(bad, MaskMismatch)
    assert bad.kind == "reserved"
    assert "0001" in bad.message
