"""A pair is scored once, whatever shard or run its scores are made for."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from synthvlm.alignment.reindex import fill
from synthvlm.alignment.score_set import ScoreSetMaker, ScoreSetRequest
from synthvlm.alignment.ssim import KERNEL, Similarity
from synthvlm.alignment.ssim_torch import similarity_on
from synthvlm.errors import OperationCancelled
from synthvlm.progress import SILENT
from synthvlm.reuse.index import ScoreIndex, open_index
from synthvlm.reuse.settings import ReuseSettings
from synthvlm.storage import Store, file_location, open_shard, open_store
from synthvlm.storage.batch_stage import MadeShard
from synthvlm.storage.made import NOTHING, MadeIndex
from tests.alignment.conftest import Hasher

TEXTS = [f"a scene with {n} circles" for n in range(5)]


class Leaves:
    """A caller who goes away when so many records are done."""

    def __init__(self, leave_at: int) -> None:
        self._leave_at = leave_at

    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        if done == self._leave_at:
            raise OperationCancelled("gone")

    def check(self) -> None: ...


@pytest.fixture
def open_own(tmp_path: Path) -> Iterator[Any]:
    """Opens the index, as each process does."""
    opened: list[MadeIndex] = []

    def open_one() -> MadeIndex:
        database = f"sqlite:///{tmp_path}/index.sqlite"
        opened.append(open_index(ScoreIndex, ReuseSettings(database=database)))
        return opened[-1]

    yield open_one
    for index in opened:
        index.close()


@pytest.fixture
def score(hasher, scorer_of, store, picture, caption_set, image_set, parameters):
    """Scores a shard of pictures; the shard, and how many images the model embedded."""

    def run(
        index: MadeIndex,
        pictures: int | list[bytes],
        caller: Any = SILENT,
        place: Store = store,
        engine: Any = None,
        similarity: Similarity = KERNEL,
        **changes: Any,
    ) -> tuple[MadeShard, int]:
        engine = engine or hasher()
        captions = caption_set(place, TEXTS)
        data = [picture(n) for n in range(pictures)] if isinstance(pictures, int) else pictures
        images = image_set(place, captions, data)
        request = ScoreSetRequest(captions, images, replace(parameters, **changes))
        made = ScoreSetMaker(scorer_of(engine, 4, similarity), index).make(place, request, caller)
        return made, engine.images

    return run


@pytest.fixture
def elsewhere(tmp_path: Path) -> Store:
    return open_store(file_location(tmp_path / "elsewhere"))


def test_another_image_is_scored_alone(score, open_own, elsewhere) -> None:
    first, scored = score(open_own(), 30)
    assert (first.reused, scored) == (0, 30)
    second, scored = score(open_own(), 31)
    assert (second.ref.records, second.reused, scored) == (31, 30, 1)
    assert second.ref == score(NOTHING, 31, place=elsewhere)[0].ref


def test_what_a_stopped_shard_has_scored_is_found_by_others(score, open_own, elsewhere) -> None:
    with pytest.raises(OperationCancelled):
        score(open_own(), 20, Leaves(8))
    made, scored = score(open_own(), 21)
    assert (made.reused, scored) == (8, 13)
    assert made.ref == score(NOTHING, 21, place=elsewhere)[0].ref


def test_another_weight_needs_no_new_scores(score, open_own, elsewhere, parameters) -> None:
    score(open_own(), 10)
    weighting = replace(parameters.weighting, clip_weight=0.25)
    made, scored = score(open_own(), 10, weighting=weighting)
    assert (made.reused, scored) == (10, 0)
    assert made.ref == score(NOTHING, 10, place=elsewhere, weighting=weighting)[0].ref


def test_what_decides_scores_makes_others(score, open_own) -> None:
    class Other(Hasher):
        numerics = {"executor": "other"}  # noqa: RUF012

    class NewModel(Hasher):
        model_digest = f"sha256:{'7' * 64}"

    score(open_own(), 6)
    changes: list[dict[str, Any]] = [
        {"vlm_size": 8},
        {"prompt_prefix": ""},
        {"engine": Other()},
        {"engine": NewModel()},
        {"similarity": similarity_on("cpu")},
    ]
    for change in changes:
        made, scored = score(open_own(), 6, **change)
        assert (made.reused, scored) == (0, 6), change


def test_images_that_cannot_be_scored_are_known(score, open_own, picture, elsewhere) -> None:
    data = [picture(0), b"junk", picture(2, side=6), picture(3)[:-30]]
    first, _ = score(open_own(), data)
    assert first.failed == {"undecodable": 1, "too_small": 1, "unsupported_format": 1}
    made, scored = score(open_own(), [*data, picture(9)])
    assert (made.reused, made.failed, scored) == (4, first.failed, 1)
    other, _ = score(NOTHING, [*data, picture(9)], place=elsewhere)
    assert made.ref == other.ref


def test_an_index_that_is_lost_is_filled_from_the_store(
    score, open_own, store, picture, tmp_path: Path
) -> None:
    data = [picture(0), b"junk", *(picture(n) for n in range(1, 9))]
    first, _ = score(NOTHING, data)
    with pytest.raises(OperationCancelled):
        score(NOTHING, [picture(n) for n in range(20, 30)], Leaves(4))
    index = open_own()
    assert fill(index, store) == 10 + 4
    made, scored = score(index, [*data, *(picture(n) for n in range(20, 25))])
    assert (made.reused, scored) == (14, 1)
    assert made.failed == first.failed
    assert len(open_shard(store, made.ref).manifest.files) == 2
