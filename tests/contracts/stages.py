"""The stages that can be stopped and go on, each with a small input and no real model."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthvlm.alignment.score_set import ScoreSetMaker, ScoreSetRequest
from synthvlm.alignment.scorer import Scorer
from synthvlm.caption.curation import curate
from synthvlm.caption.importing import ImportRequest, import_captions
from synthvlm.caption.locations import Locations
from synthvlm.caption.readers import Layout, find_caption_file
from synthvlm.caption.recipe import load_recipe
from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.dataset.best import SelectionRule
from synthvlm.dataset.selection import select
from synthvlm.generation.encoding import ImageFormat
from synthvlm.generation.engine import Sampling
from synthvlm.generation.engines.diffusers import DiffusersEngine
from synthvlm.generation.image_set import ImageSetMaker, ImageSetRequest
from synthvlm.progress import SILENT, Reporter
from synthvlm.storage import ShardRef, Store
from tests.alignment.conftest import PARAMETERS, Hasher
from tests.caption_sets import commit_caption_set
from tests.dataset.shards import run_of
from tests.generation.conftest import Painter
from tests.image_sets import commit_image_set, picture

MODEL = f"sha256:{'1' * 64}"
"""The model that both engines claim to be."""

BATCH = 4
_TEXTS = [f"a scene with {n} circles" for n in range(11)]
_SAMPLING = Sampling(2, 3.0, 0.8, 16, 8)


@dataclass(frozen=True)
class Worker:
    """A stage as one process runs it.

    ``make`` takes the store, the input and a reporter; ``worked`` tells how many records it worked
    on so far; None: it does not show.
    """

    make: Callable[[Store, Any, Reporter], ShardRef]
    worked: Callable[[], int | None] = lambda: None


@dataclass(frozen=True)
class Stage:
    """A stage and what the contract expects of it.

    Attributes:
        kind: Of the shards that it commits.
        records: Records of its input.
        stops: Records that are kept of an attempt whose caller leaves at so many records done.
        prepare: Commits the input to a store, the same in each; the folder is for local files.
        worker: A fresh process, as it were.
        empty: The same without records; None: there is no such input.
        other_model: The same input for a caller that expects another model; None: has no model.
        shares: Whether two calls in one process share the work.
    """

    kind: str
    records: int
    stops: Mapping[int, int]
    prepare: Callable[[Store, Path], Any]
    worker: Callable[[], Any]
    empty: Callable[[Store], Any] | None = None
    other_model: Callable[[Store], Any] | None = None
    shares: bool = False


def _pool(store: Store, folder: Path) -> ShardRef:
    file = folder / "captions.txt"
    file.write_text("".join(f"{text}\n" for text in [*_TEXTS, "short", "!!!! ---- 12 34"]))
    found = find_caption_file(str(file), Locations(["/"]))
    (pool,) = import_captions(store, ImportRequest([found], Layout(), 100), SILENT).shards
    return pool


@contextmanager
def _curating() -> Iterator[Worker]:
    recipe = load_recipe("paper-rules", Locations([]))
    yield Worker(lambda store, pool, reporter: curate(store, pool, recipe, reporter).ref)


def _images_of(store: Store, count: int = len(_TEXTS), model: str = MODEL) -> ImageSetRequest:
    captions = commit_caption_set(store, _TEXTS[:count])
    return ImageSetRequest(captions, 1, 7, _SAMPLING, ImageFormat.JPEG, model)


@contextmanager
def _generating() -> Iterator[Worker]:
    pipelines: Any = Painter()
    with closing(DiffusersEngine(pipelines, BATCH, 0.0)) as engine:
        maker = ImageSetMaker(engine)
        yield Worker(
            lambda store, wanted, reporter: maker.make(store, wanted, reporter).ref,
            lambda: sum(map(len, pipelines.batches)),
        )


def _scores_of(store: Store, count: int = 10, model: str = MODEL) -> ScoreSetRequest:
    captions = commit_caption_set(store, _TEXTS[: min(count, 5)])
    images = commit_image_set(store, captions, [picture(seed) for seed in range(count)])
    return ScoreSetRequest(captions, images, PARAMETERS, model)


@contextmanager
def _scoring() -> Iterator[Worker]:
    engine = Hasher()
    with closing(Scorer(engine, BATCH, 2)) as scorer:
        maker = ScoreSetMaker(scorer)
        yield Worker(
            lambda store, wanted, reporter: maker.make(store, wanted, reporter).ref,
            lambda: engine.images,
        )


def _version_of(store: Store, _: Path) -> AssemblyRequest:
    selection = select(store, run_of(store), SelectionRule(top_k=9), SILENT).ref
    return AssemblyRequest(selection, "shapes", BATCH, {"seed": 1})


@contextmanager
def _assembling() -> Iterator[Worker]:
    yield Worker(lambda store, wanted, reporter: assemble(store, wanted, reporter).ref)


_OTHER = f"sha256:{'9' * 64}"

STAGES = {
    # A shard is curated whole.
    "curate": Stage("captions", 13, {0: 0, 13: 0}, _pool, _curating),
    "generate": Stage(
        "images",
        11,
        {0: 0, 4: 4, 8: 8, 11: 11},
        lambda store, _: _images_of(store),
        _generating,
        empty=lambda store: _images_of(store, 0),
        other_model=lambda store: _images_of(store, model=_OTHER),
        shares=True,
    ),
    "score": Stage(
        "scores",
        10,
        {0: 0, 4: 4, 8: 8, 10: 10},
        lambda store, _: _scores_of(store),
        _scoring,
        empty=lambda store: _scores_of(store, 0),
        other_model=lambda store: _scores_of(store, model=_OTHER),
        shares=True,
    ),
    # A part is a tar, and pairs are reported before their tar is whole.
    "assemble": Stage("dataset", 9, {0: 0, 3: 0, 5: 4, 8: 4, 9: 8}, _version_of, _assembling),
}
