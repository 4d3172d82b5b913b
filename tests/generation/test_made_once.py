"""An image is made once, whatever shard, caption file or run it is made for."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.errors import OperationCancelled, Unavailable
from synthvlm.generation.encoding import ImageFormat
from synthvlm.generation.engine import Sampling
from synthvlm.generation.engines.diffusers import DiffusersEngine
from synthvlm.generation.image_set import ImageSetMaker, ImageSetRequest
from synthvlm.generation.reindex import fill
from synthvlm.progress import SILENT
from synthvlm.reuse.index import ImageIndex, open_index
from synthvlm.reuse.settings import ReuseSettings
from synthvlm.storage import Store, file_location, open_shard, open_store
from synthvlm.storage.batch_stage import MadeShard
from synthvlm.storage.made import MadeIndex
from tests.caption_sets import commit_caption_set
from tests.generation.conftest import Painter

SAMPLING = Sampling(1, 3.0, 1.0, 16, 8)
BATCH = 4


class Caller:
    """Notes what it is told, and goes away when at least so many records are done."""

    def __init__(self, leave_at: int | None = None) -> None:
        self.told: list[tuple[int, int, int, int]] = []
        self._leave_at = leave_at

    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        self.told.append((done, total, resumed, reused))
        if self._leave_at is not None and done >= self._leave_at:
            raise OperationCancelled("gone")

    def check(self) -> None: ...


@dataclass
class Maker:
    """A process of the generation service with its engine."""

    painter: Any
    maker: ImageSetMaker

    @property
    def made(self) -> int:
        """Images made so far."""
        return sum(map(len, self.painter.batches))


@contextmanager
def process(index: MadeIndex, batch_size: int = BATCH, **changes: Any) -> Iterator[Maker]:
    painter: Any = Painter()
    for name, value in changes.items():
        setattr(painter, name, value)
    engine = DiffusersEngine(painter, batch_size, 0.0)
    yield Maker(painter, ImageSetMaker(engine, index))
    engine.close()


@dataclass
class Place:
    """A store with an index, as one home has them, and what was made in it."""

    folder: Path
    made: Counter[tuple[str, int]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.store = open_store(file_location(self.folder / "store"))
        self.database = f"sqlite:///{self.folder}/index.sqlite"
        self.index = open_index(ImageIndex, ReuseSettings(database=self.database))

    def texts(self, count: int) -> list[str]:
        return [f"a scene with {n} circles" for n in range(count)]

    def request(self, texts: int | list[str], repeats: int = 1, **changes: Any) -> ImageSetRequest:
        texts = self.texts(texts) if isinstance(texts, int) else texts
        captions = commit_caption_set(self.store, texts)
        return replace(ImageSetRequest(captions, repeats, 7, SAMPLING, ImageFormat.PNG), **changes)

    def run(
        self,
        request: ImageSetRequest,
        caller: Any = SILENT,
        index: MadeIndex | None = None,
        **changes: Any,
    ) -> tuple[MadeShard, int]:
        """The shard, and the number of images that were made for it."""
        with process(index or self.index, **changes) as one:
            try:
                made = one.maker.make(self.store, request, caller)
            finally:
                self.made.update(
                    (image.prompt, image.seed) for batch in one.painter.batches for image in batch
                )
            return made, one.made

    def again(self) -> "Place":
        """The same after everything that ran was killed."""
        self.index.close()
        return Place(self.folder, self.made)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path / "one")
    yield made
    made.index.close()


@pytest.fixture
def scratch(tmp_path: Path) -> Callable[..., MadeShard]:
    """Makes the same shard where nothing is known, without an index."""
    places: list[Place] = []

    def make(*arguments: Any, **changes: Any) -> MadeShard:
        places.append(Place(tmp_path / f"scratch-{len(places)}"))
        other = places[-1]
        with process(open_index(ImageIndex, ReuseSettings())) as one:
            return one.maker.make(other.store, other.request(*arguments, **changes), SILENT)

    return make


def test_a_caption_more_makes_one_image_more(place: Place, scratch) -> None:
    first, made = place.run(place.request(1000))
    assert (first.ref.records, first.reused, made) == (1000, 0, 1000)
    caller = Caller()
    second, made = place.run(place.request(1001), caller)
    assert (second.ref.records, second.reused, made) == (1001, 1000, 1)
    assert caller.told[-1] == (1001, 1001, 0, 1000)
    assert second.ref == scratch(1001).ref


def test_more_repeats_make_the_new_ones_in_full_batches(place: Place, scratch) -> None:
    place.run(place.request(40))
    with process(place.index) as one:
        second = one.maker.make(place.store, place.request(40, 2), SILENT)
        assert [len(batch) for batch in one.painter.batches] == [BATCH] * 10
    assert second.reused == 40
    assert second.ref == scratch(40, 2).ref
    with process(place.index) as one:
        third = one.maker.make(place.store, place.request(41, 3), SILENT)
        assert one.made == 40 + 3
        assert [len(batch) for batch in one.painter.batches] == [BATCH] * 10 + [3]
    assert third.ref == scratch(41, 3).ref


def test_captions_in_other_shards_and_orders_are_found(place: Place) -> None:
    texts = place.texts(30)
    place.run(place.request(texts[:13]))
    place.run(place.request(texts))
    assert sum(place.made.values()) == 30
    # Another order gives other ids here, and so other seeds: those are other images.
    place.run(place.request(texts[::-1]))
    assert set(place.made.values()) == {1}


@pytest.mark.parametrize(
    ("request_of", "engine"),
    [
        (lambda place: place.request(8, run_seed=8), {}),
        (lambda place: place.request(8, sampling=replace(SAMPLING, steps=2)), {}),
        (lambda place: place.request(8, sampling=replace(SAMPLING, negative_prompt="fog")), {}),
        (lambda place: place.request(8, image_format=ImageFormat.WEBP), {}),
        (lambda place: place.request(8), {"model_digest": f"sha256:{'2' * 64}"}),
        (lambda place: place.request(8), {"numerics": {"executor": "painter", "threads": 4}}),
        (lambda place: place.request([f"{text}!" for text in place.texts(8)]), {}),
    ],
)
def test_what_decides_an_image_makes_another_one(place: Place, request_of, engine) -> None:
    place.run(place.request(8))
    made, count = place.run(request_of(place), **engine)
    assert (made.reused, count) == (0, 8)


def test_batches_of_another_size_find_the_images(place: Place) -> None:
    place.run(place.request(11))
    made, count = place.run(place.request(11), batch_size=8)
    assert (made.ref.records, made.reused, count) == (11, 11, 0)


def test_what_could_not_be_made_is_known_too(place: Place, scratch) -> None:
    texts = ["a blank page", "a red circle", " ".join(["word"] * 80), "another blank page"]
    place.run(place.request(texts, 2))
    made, count = place.run(place.request([*texts, "a new one"], 2))
    assert (made.reused, made.failed, count) == (8, {"blank": 4}, 2)
    other = scratch([*texts, "a new one"], 2)
    assert (made.ref, made.failed) == (other.ref, other.failed)
    counts = open_shard(place.store, made.ref).manifest.counts
    assert counts == {"truncated_prompts": 2, "failed:blank": 4}


def test_a_shard_that_is_never_finished_has_not_worked_in_vain(place: Place, scratch) -> None:
    with pytest.raises(OperationCancelled):
        place.run(place.request(20), Caller(leave_at=12))
    place = place.again()
    made, count = place.run(place.request(25, 2))
    assert (made.reused, count) == (12, 38)
    assert made.ref == scratch(25, 2).ref
    # The unfinished shard's own parts are still there.
    caller = Caller()
    resumed, count = place.run(place.request(20), caller)
    assert (resumed.reused, count) == (8, 0)
    assert caller.told[-1] == (20, 20, 12, 8)
    assert resumed.ref == scratch(20).ref


def test_ten_changes_with_kills_in_between_make_no_image_twice(place: Place, scratch) -> None:
    changes = [(20, 1), (21, 1), (21, 2), (30, 2), (29, 2), (29, 3), (40, 3), (5, 4), (41, 1)]
    changes += [(45, 4)]
    chance = random.Random(3)
    for count, repeats in changes:
        while True:
            place = place.again()
            leave_at = chance.choice([None, chance.randrange(1, count * repeats)])
            try:
                made, _ = place.run(place.request(count, repeats), Caller(leave_at))
                break
            except OperationCancelled:
                continue
        assert made.ref == scratch(count, repeats).ref
    assert set(place.made.values()) == {1}
    assert len(place.made) == 45 * 4


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 24), st.integers(1, 3), st.none() | st.integers(0, 40), st.integers(1, 7)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_runs_and_is_stopped_no_image_is_made_twice(tmp_path_factory, steps) -> None:
    place = Place(tmp_path_factory.mktemp("place"))
    for count, repeats, leave_at, batch_size in steps:
        request = place.request(count, repeats)
        with process(place.index, batch_size) as one:
            try:
                made = one.maker.make(place.store, request, Caller(leave_at))
            except OperationCancelled:
                made = None
            place.made.update((i.prompt, i.seed) for b in one.painter.batches for i in b)
        if made is not None:
            other = Place(tmp_path_factory.mktemp("other"))
            with process(open_index(ImageIndex, ReuseSettings()), batch_size) as one:
                assert one.maker.make(other.store, request_like(other, request), SILENT).ref == (
                    made.ref
                )
            other.index.close()
    assert set(place.made.values()) <= {1}
    place.index.close()


def request_like(place: Place, request: ImageSetRequest) -> ImageSetRequest:
    return place.request(request.caption_set.records, request.repeats)


class Killed(BaseException):
    """The process is gone."""


class Mortal:
    """A store or an index whose process is killed before, or after, its n-th change."""

    def __init__(self, inner: Any, fuse: "Fuse") -> None:
        self._inner = inner
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in ("write", "write_if_absent", "upload", "delete", "enter"):
            return method

        def changed(*arguments: Any) -> Any:
            self._fuse.burn()
            answer = method(*arguments)
            self._fuse.burn()
            return answer

        return changed


@dataclass
class Fuse:
    length: int

    def burn(self) -> None:
        self.length -= 1
        if self.length < 0:
            raise Killed


def test_a_kill_at_any_change_loses_at_most_the_batch_in_hand(tmp_path: Path, scratch) -> None:
    wanted = scratch(7, 2).ref
    later = scratch(8, 2).ref
    for length in range(200):
        place = Place(tmp_path / f"killed-{length}")
        place.run(place.request(3))
        request, fuse = place.request(7, 2), Fuse(length)
        try:
            with process(Mortal(place.index, fuse)) as one:
                one.maker.make(Mortal(place.store, fuse), request, SILENT)  # type: ignore[arg-type]
            break
        except Killed:
            kept = one.made - BATCH
        place = place.again()
        # First another shard: what the killed one had finished is found without it.
        made, count = place.run(place.request(8, 2))
        assert (made.ref, made.reused >= 3 + kept) == (later, True)
        assert count + made.reused == 16
        again, count = place.run(request)
        assert (again.ref, count) == (wanted, 0)
        assert not [path for path in place.store.list(again.ref.path) if "/parts/" in path]
        # Nothing that is known lies in a part that is gone.
        other, count = place.run(place.request(9, 2))
        assert (other.reused, count) == (16, 2)
        place.index.close()
    assert 20 < length < 190


def test_rows_that_are_not_true_count_as_not_there(place: Place, scratch) -> None:
    first, _ = place.run(place.request(10))
    second, _ = place.run(place.request(12))
    place.store.delete(place.store.list(second.ref.path))  # their owner cleans up
    made, count = place.run(place.request(13))
    assert (made.reused, count) == (0, 13)
    assert made.ref == scratch(13).ref
    # The index knows better now.
    place.store.delete(place.store.list(first.ref.path))
    made, count = place.run(place.request(14))
    assert (made.reused, count) == (13, 1)


def test_damaged_bytes_are_made_again_and_the_others_are_taken(place: Place, scratch) -> None:
    first, _ = place.run(place.request(10))
    path = f"{first.ref.path}/images.tar"
    tar = bytearray(place.store.read(path))
    tar[600] ^= 1
    place.store.write(path, bytes(tar))
    made, count = place.run(place.request(11))
    assert (made.reused, count) == (9, 2)
    assert made.ref == scratch(11).ref
    _, count = place.run(place.request(12))
    assert count == 1


def test_a_truncated_object_gives_what_is_left_of_it(place: Place, scratch) -> None:
    first, _ = place.run(place.request(10))
    path = f"{first.ref.path}/images.tar"
    tar = place.store.read(path)
    place.store.write(path, tar[: len(tar) // 2])
    made, count = place.run(place.request(11))
    assert made.reused + count == 11
    assert 3 <= made.reused <= 8
    assert made.ref == scratch(11).ref


@pytest.mark.parametrize(
    "during",
    [
        lambda place, then: (SILENT, Hurried(place.index, then)),  # right after it was found
        lambda place, then: (Interrupted(then), None),  # when its first bytes have been read
    ],
)
def test_parts_that_go_while_they_are_used_are_found_in_their_shard(
    place: Place, scratch, during
) -> None:
    with pytest.raises(OperationCancelled):
        place.run(place.request(8), Caller(leave_at=8))

    finished: list[MadeShard] = []

    def finish() -> None:
        """Another replica commits the shard, and forgets its parts."""
        if not finished:
            finished.append(place.run(place.request(8))[0])

    made, count = place.run(place.request(9), *during(place, finish))
    assert (len(finished), made.reused, count) == (1, 8, 1)
    assert set(place.made.values()) == {1}
    assert made.ref == scratch(9).ref


class Interrupted(Caller):
    """Something happens when this one is told of the first records."""

    def __init__(self, then: Callable[[], Any]) -> None:
        super().__init__()
        self._then = then

    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        super().report(done, total, resumed, reused)
        if done:
            self._then()


class Hurried:
    """An index after whose first answer something happens."""

    def __init__(self, inner: MadeIndex, then: Callable[[], Any]) -> None:
        self._inner, self._then = inner, then

    def find(self, identities: Any) -> Any:
        found = self._inner.find(identities)
        self._then()
        return found

    def enter(self, made: Any) -> None:
        self._inner.enter(made)

    def close(self) -> None: ...


def test_two_makers_at_once_make_the_same_bytes(place: Place, scratch) -> None:
    other = open_index(ImageIndex, ReuseSettings(database=place.database))
    requests = [place.request(30), place.request(33, 2)]
    with ThreadPoolExecutor(2) as threads:
        calls = [
            threads.submit(place.run, request, SILENT, index)
            for request, index in zip(requests, [place.index, other], strict=True)
        ]
        made = [call.result()[0].ref for call in calls]
    other.close()
    assert made == [scratch(30).ref, scratch(33, 2).ref]
    _, count = place.run(place.request(34, 2))
    assert count == 2


def test_an_index_that_is_lost_is_filled_from_the_store(place: Place, tmp_path: Path) -> None:
    texts = ["a blank page", " ".join(["word"] * 80), *place.texts(20)]
    place.run(place.request(texts))
    with pytest.raises(OperationCancelled):
        place.run(place.request(20, 3), Caller(leave_at=4))
    unfinished = len(place.made) - len(texts)
    place.index.close()
    for file in place.folder.glob("index.sqlite*"):
        file.unlink()
    place = Place(place.folder, place.made)
    assert fill(place.index, place.store) == len(texts) - 1 + unfinished
    assert fill(place.index, place.store) == len(texts) - 1 + unfinished
    made, count = place.run(place.request([*texts, "one more"]))
    # What could not be made is tried again.
    assert (made.reused, count) == (len(texts) - 1, 2)
    assert open_shard(place.store, made.ref).manifest.counts["truncated_prompts"] == 1
    place.run(place.request(20, 2))
    assert max(count for (text, _), count in place.made.items() if "blank" not in text) == 1


def test_shards_whose_captions_are_gone_are_left_out(place: Place) -> None:
    one, two = place.request(5), place.request(6)
    place.run(one)
    place.run(two)
    place.store.delete(place.store.list(one.caption_set.path))
    assert fill(place.index, place.store) == 6


def test_an_index_that_cannot_be_asked_stops_the_call(place: Place) -> None:
    class Broken(Hurried):
        def find(self, identities: Any) -> Any:
            raise Unavailable("the database failed", 2.0)

    with pytest.raises(Unavailable):
        place.run(place.request(5), SILENT, Broken(place.index, lambda: None))
    assert not place.made


def test_a_store_that_was_moved_is_known_as_before(place: Place, tmp_path: Path) -> None:
    place.run(place.request(10))
    place.index.close()
    moved = Place(place.folder.rename(tmp_path / "moved"), place.made)
    made, count = moved.run(moved.request(11))
    assert (made.reused, count) == (10, 1)
    moved.index.close()


def test_memory_does_not_grow_with_what_waits(place: Place, monkeypatch) -> None:
    """Gaps far apart: the images between them are read when they are written, not before."""
    store: Store = place.store
    texts = place.texts(400)
    place.run(place.request(texts[:200]))
    reads: list[str] = []
    ranges = store.read_range

    def counted(path: str, offset: int, size: int) -> bytes:
        reads.append(path)
        return ranges(path, offset, size)

    monkeypatch.setattr(store, "read_range", counted)
    on_first_batch: list[int] = []
    with process(place.index) as one:
        generate = one.painter.generate

        def noted(requests: Any, reporter: Any) -> Any:
            on_first_batch.append(len(reads))
            return generate(requests, reporter)

        one.painter.generate = noted
        engine = DiffusersEngine(one.painter, BATCH, 0.0)
        ImageSetMaker(engine, place.index).make(store, place.request(texts), SILENT)
        engine.close()
    assert on_first_batch[0] == 200
