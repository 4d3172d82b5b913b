import io
from dataclasses import replace

import pytest
import webdataset
from PIL import Image

from synthvlm.errors import DataCorrupt, NotFound, OperationCancelled
from synthvlm.generation.encoding import ImageFormat, Mark, encode, read_mark
from synthvlm.generation.engine import ImageRequest, Sampling
from synthvlm.generation.engines.diffusers import DiffusersEngine
from synthvlm.generation.image_set import ImageSetMaker, ImageSetRequest
from synthvlm.generation.seeds import image_id, image_seed
from synthvlm.progress import SILENT
from synthvlm.storage import open_shard, sha256_digest
from synthvlm.storage.schemas import FAILED, IMAGES

SAMPLING = Sampling(2, 3.0, 0.8, 16, 8)
TEXTS = [f"a scene with {n} circles" for n in range(11)]


@pytest.fixture
def maker_of():
    engines = []

    def make(pipelines, batch_size=4):
        engines.append(DiffusersEngine(pipelines, batch_size, 0.0))
        return ImageSetMaker(engines[-1])

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture
def wanted(store, caption_set):
    return ImageSetRequest(caption_set(store, TEXTS), 1, 7, SAMPLING, ImageFormat.JPEG)


class Progress:
    """A caller who notes what it is told, and goes away when so many records are done."""

    def __init__(self, leave_at=None):
        self.told = []
        self._leave_at = leave_at

    def report(self, done, total, resumed=0, reused=0):
        self.told.append((done, total, resumed))
        if done == self._leave_at:
            raise OperationCancelled("gone")

    def check(self):
        pass


@pytest.mark.parametrize("image_format", list(ImageFormat))
@pytest.mark.parametrize("repeats", [1, 3])
def test_index_tar_and_marks_agree(painter, store, maker_of, wanted, image_format, repeats):
    pipelines = painter()
    request = replace(wanted, repeats=repeats, image_format=image_format)
    made = maker_of(pipelines).make(store, request, SILENT)
    shard = open_shard(store, made.ref)
    rows = shard.table("images.parquet", IMAGES).to_pylist()
    assert made.ref.records == made.ref.records == len(rows) == len(TEXTS) * repeats
    assert made.failed == {}
    assert shard.table("failed.parquet", FAILED).num_rows == 0
    order = [(f"c{n:04d}", repeat) for n in range(len(TEXTS)) for repeat in range(repeats)]
    assert [(row["caption_id"], row["repeat"]) for row in rows] == order
    for row in rows:
        seed = image_seed(row["caption_id"], row["repeat"], 7)
        assert row["seed"] == seed
        assert row["image_id"] == image_id(
            row["caption_id"],
            row["repeat"],
            seed,
            pipelines.model_digest,
            SAMPLING,
            image_format.value,
        )
        data = store.read_range(shard.path("images.tar"), row["offset"], row["size"])
        assert sha256_digest(data) == row["sha256"]
        with Image.open(io.BytesIO(data)) as image:
            assert image.get_format_mimetype() == row["media_type"]
            assert image.size == (row["width"], row["height"]) == (16, 8)
        mark = read_mark(data)
        text = TEXTS[int(row["caption_id"][1:])]
        assert mark is not None
        assert (mark.seed, mark.model_digest) == (seed, pipelines.model_digest)
        assert mark.prompt_digest == sha256_digest(text.encode())
    assert len({row["image_id"] for row in rows}) == len(rows)
    assert len({row["sha256"] for row in rows}) == len(rows)


def test_the_tar_is_a_webdataset(painter, store, maker_of, wanted, tmp_path):
    made = maker_of(painter()).make(store, wanted, SILENT)
    local = open_shard(store, made.ref).download("images.tar", tmp_path)
    samples = list(webdataset.WebDataset(str(local), shardshuffle=False).decode("rgb8"))
    assert [sample["txt"] for sample in samples] == TEXTS
    assert all(sample["jpg"].shape == (8, 16, 3) for sample in samples)


def test_batches_are_the_same_whatever_was_resumed(painter, store, maker_of, wanted):
    one, other = painter(), painter()
    maker_of(one).make(store, wanted, SILENT)
    first_batches = one.batches
    store.delete(store.list("images"))
    with pytest.raises(OperationCancelled):
        maker_of(other).make(store, wanted, Progress(leave_at=4))
    maker_of(other).make(store, wanted, SILENT)
    assert other.batches == first_batches


def test_captions_that_fail_are_listed_and_the_others_go_on(painter, store, maker_of, caption_set):
    texts = ["a red circle", "a blank page", " ".join(["word"] * 80), "another blank page"]
    request = ImageSetRequest(caption_set(store, texts), 2, 0, SAMPLING, ImageFormat.PNG)
    made = maker_of(painter(), batch_size=3).make(store, request, SILENT)
    assert (made.ref.records, made.failed) == (4, {"blank": 4})
    shard = open_shard(store, made.ref)
    failed = shard.table("failed.parquet", FAILED).to_pylist()
    assert [row["caption_id"] for row in failed] == ["c0001"] * 2 + ["c0003"] * 2
    assert {row["reason"] for row in failed} == {"blank"}
    assert len({row["image_id"] for row in failed}) == 4
    images = shard.table("images.parquet", IMAGES).to_pylist()
    assert [row["caption_id"] for row in images] == ["c0000"] * 2 + ["c0002"] * 2
    assert shard.manifest.counts == {"truncated_prompts": 2, "failed:blank": 4}
    assert maker_of(painter(), batch_size=3).make(store, request, SILENT) == made


def test_no_captions_make_an_empty_shard(painter, store, maker_of, caption_set, tmp_path):
    request = ImageSetRequest(caption_set(store, []), 5, 0, SAMPLING, ImageFormat.JPEG)
    progress = Progress()
    made = maker_of(painter()).make(store, request, progress)
    assert (made.ref.records, made.failed, made.ref.records) == (0, {}, 0)
    assert progress.told == [(0, 0, 0)]
    shard = open_shard(store, made.ref)
    assert shard.table("images.parquet", IMAGES).num_rows == 0
    local = shard.download("images.tar", tmp_path)
    assert list(webdataset.WebDataset(str(local), shardshuffle=False, empty_check=False)) == []


def test_all_that_decides_the_images_is_in_the_key(painter, store, maker_of, wanted, caption_set):
    other_model, other_numerics = painter(), painter()
    other_model.model_digest = f"sha256:{'2' * 64}"
    other_numerics.numerics = {"executor": "painter", "threads": 4}
    calls = [
        (painter(), 4, wanted),
        (painter(), 4, replace(wanted, caption_set=caption_set(store, TEXTS[:5]))),
        (painter(), 4, replace(wanted, repeats=2)),
        (painter(), 4, replace(wanted, run_seed=8)),
        (painter(), 4, replace(wanted, sampling=replace(SAMPLING, steps=3))),
        (painter(), 4, replace(wanted, sampling=replace(SAMPLING, negative_prompt="fog"))),
        (painter(), 4, replace(wanted, image_format=ImageFormat.PNG)),
        (painter(), 8, wanted),
        (other_model, 4, wanted),
        (other_numerics, 4, wanted),
    ]
    made = [maker_of(pipelines, size).make(store, one, SILENT) for pipelines, size, one in calls]
    assert len({one.ref.path for one in made}) == len(calls)
    assert len({one.ref.digest for one in made}) == len(calls)


def test_batches_of_another_size_hold_the_same_images(painter, store, maker_of, wanted):
    digests = set()
    for size in (1, 3, 16):
        made = maker_of(painter(), size).make(store, wanted, SILENT)
        shard = open_shard(store, made.ref)
        digests.add((sha256_digest(shard.read("images.tar")), shard.manifest.records))
    assert len(digests) == 1


def test_captions_that_are_not_there_or_damaged(painter, store, maker_of, wanted):
    maker = maker_of(painter())
    with pytest.raises(NotFound):
        maker.make(
            store,
            replace(wanted, caption_set=replace(wanted.caption_set, path="captions/none")),
            SILENT,
        )
    store.write(f"{wanted.caption_set.path}/captions.parquet", b"something else")
    with pytest.raises(DataCorrupt):
        maker.make(store, wanted, SILENT)


def test_an_image_of_a_shard_is_the_one_that_its_seed_makes_alone(
    pipelines, store, maker_of, caption_set
):
    sampling = Sampling(2, 3.0, 0.5, 32, 32)
    request = ImageSetRequest(
        caption_set(store, TEXTS[:5]), 1, 3, sampling, ImageFormat.JPEG, pipelines.model_digest
    )
    made = maker_of(pipelines).make(store, request, SILENT)
    shard = open_shard(store, made.ref)
    assert shard.manifest.model_digest == pipelines.model_digest
    rows = shard.table("images.parquet", IMAGES).to_pylist()
    for text, row in zip(TEXTS[:5], rows, strict=True):
        (alone,) = pipelines.generate([ImageRequest(text, row["seed"], sampling)], SILENT)
        mark = Mark(pipelines.model_digest, sha256_digest(text.encode()), row["seed"])
        assert sha256_digest(encode(alone.pixels, ImageFormat.JPEG, mark)) == row["sha256"]
