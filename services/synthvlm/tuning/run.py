"""A whole search: captions, cells, comparison."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from rich.console import Console

from synthvlm.alignment.v1 import alignment_pb2
from synthvlm.caption.v1 import caption_pb2
from synthvlm.client import AlignmentClient, CaptionClient, GenerationClient
from synthvlm.errors import InvalidInput
from synthvlm.generation.v1 import generation_pb2
from synthvlm.report.model import SCORES
from synthvlm.storage import Store, canonical_json
from synthvlm.tuning.captions import sample
from synthvlm.tuning.comparison import Comparison, compare
from synthvlm.tuning.grid import Cell
from synthvlm.tuning.search import Search, Timings
from synthvlm.tuning.watching import SearchDisplay

_SAMPLE_FILE = "captions.jsonl"
_TIMINGS_FILE = "seconds.json"


@dataclass(frozen=True)
class TuneRequest:
    """What the user asked for, once checked.

    Attributes:
        files: Caption files, and how they are read.
        recipe: YAML of the recipe, or `paper-rules`.
        sample: Captions to draw.
        seed: Seed of the draw and of the images.
        metric: Column of the score that decides.
    """

    files: caption_pb2.ImportCaptionsRequest
    recipe: str
    cells: Sequence[Cell]
    sample: int
    seed: int
    metric: str


@dataclass(frozen=True)
class Found:
    """The comparison of the cells, and ``sha256:`` digests by what they identify."""

    comparison: Comparison
    digests: dict[str, str]


def require_refiner(cells: Sequence[Cell], section: Mapping[str, Any]) -> None:
    """Checks that a grid does not ask for a refiner that the profile does not have.

    Raises:
        InvalidInput: The grid does.
    """
    if (section.get("pipeline") or {}).get("refiner") is None and any(
        (cell.high_noise_fraction or 1) < 1 for cell in cells
    ):
        raise InvalidInput("high_noise_fraction must be 1, because the profile has no refiner")


def tune_folder(parent: Path, request: TuneRequest, profile: str) -> Path:
    """The folder in ``parent`` for a search's result; the same request has the same one."""
    files = json_format.MessageToDict(request.files, preserving_proto_field_name=True)
    identity = canonical_json({"profile": profile, **asdict(request), "files": files})
    folder = parent / f"{profile}-{hashlib.sha256(identity).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def search(
    request: TuneRequest,
    connect: Callable[[str], grpc.Channel],
    store: Store,
    folder: Path,
    console: Console,
) -> Found:
    """Measures and compares all cells, using running services.

    Args:
        request: What to search.
        connect: Gives channels to the services ``caption``, ``generation`` and ``alignment``.
        store: The object store that holds everything.
        folder: Where the sample and the times are kept.
        console: Where progress is shown.

    Raises:
        DomainError: A service call failed.
    """
    with (
        CaptionClient(connect("caption")) as caption,
        GenerationClient(connect("generation")) as generation,
        AlignmentClient(connect("alignment")) as alignment,
        SearchDisplay(console, SCORES[request.metric]) as display,
    ):
        caption_set = sample(
            caption,
            store,
            request.files,
            request.recipe,
            count=request.sample,
            seed=request.seed,
            to=folder / _SAMPLE_FILE,
        )
        generator = generation.get_model(generation_pb2.GetModelRequest())
        scorer = alignment.get_model(alignment_pb2.GetModelRequest())
        work = Search(
            generation=generation,
            alignment=alignment,
            store=store,
            caption_set=caption_set,
            seed=request.seed,
            metric=request.metric,
            generator=generator.model_digest,
            scorer=scorer.model_digest,
            timings=Timings(folder / _TIMINGS_FILE),
        )
        defaults = json_format.MessageToDict(generator.parameters, preserving_proto_field_name=True)
        measured = []
        for number, cell in enumerate(request.cells, start=1):
            display.begin(cell, number, len(request.cells), caption_set.records)
            measured.append(work.measure(cell, defaults, display))
            display.end(measured[-1])
    digests = {
        "captions": caption_set.digest,
        "generation model": generator.model_digest,
        "alignment model": scorer.model_digest,
    }
    return Found(compare(measured), digests)
