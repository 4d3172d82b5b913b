"""Measuring the cells of a grid with the running services, one after the other.

A cell is a shard of images and a shard of their scores, so it is resumable like any stage: what is
committed is found, and interrupted work resumes. Only the seconds per image are not in a shard;
they are kept in a small file beside the result.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from synthvlm.alignment.v1 import alignment_pb2
from synthvlm.atomic_files import write_atomically
from synthvlm.client import AlignmentClient, GenerationClient
from synthvlm.generation.v1 import generation_pb2
from synthvlm.storage import ShardRef, Store, open_shard
from synthvlm.storage.protos import ref_from_proto, ref_to_proto
from synthvlm.storage.schemas import SCORES, SCORES_FILE
from synthvlm.storage.v1 import shard_pb2
from synthvlm.tuning.comparison import Measured
from synthvlm.tuning.grid import Cell


class Watcher(Protocol):
    """Shows the progress of a search."""

    def begin(self, cell: Cell, number: int, cells: int, images: int) -> None:
        """A cell begins, the ``number``-th of ``cells``, from 1."""

    def progress(self, stage: str, done: int) -> None:
        """``done`` images of the cell have passed a stage: ``generate`` or ``score``."""

    def end(self, measured: Measured) -> None:
        """The cell is measured."""


@dataclass
class Clock:
    """Times the synthesis of a cell, without the images of an earlier attempt."""

    began: float | None = None
    latest: float = 0.0
    made: int = 0

    def heard(self, progress: shard_pb2.ShardProgress) -> None:
        """Records a progress message; the first one comes when the work begins."""
        self.latest = time.monotonic()
        if self.began is None:
            self.began = self.latest
        self.made = progress.done - progress.resumed - progress.reused

    def seconds(self) -> float | None:
        """Seconds per image from the first to the latest progress; None if none was made."""
        if self.began is None or not self.made:
            return None
        return (self.latest - self.began) / self.made


class Timings:
    """Seconds per image by cell, kept in a file so that a cell that is found has its time, too.

    Args:
        file: The file; its folder exists.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}

    def get(self, cell: Cell) -> float | None:
        """Seconds per image; None if not known."""
        return self._known.get(str(cell))

    def keep(self, cell: Cell, seconds: float) -> None:
        """Writes them to the file."""
        self._known[str(cell)] = seconds
        write_atomically(self._file, json.dumps(self._known, indent=2))


@dataclass(frozen=True)
class Search:
    """Measures cells.

    Attributes:
        seed: Seed of the images: the same in every cell, so that only the parameters differ.
        metric: Column of the score that decides.
        generator: Digest of the generation service's model.
        scorer: Digest of the alignment service's model.
    """

    generation: GenerationClient
    alignment: AlignmentClient
    store: Store
    caption_set: ShardRef
    seed: int
    metric: str
    generator: str
    scorer: str
    timings: Timings

    def measure(self, cell: Cell, defaults: Mapping[str, Any], watcher: Watcher) -> Measured:
        """Synthesises and scores the captions with a cell's parameters.

        Raises:
            DomainError: A service call failed.
        """
        clock = Clock()

        def generated(progress: shard_pb2.ShardProgress) -> None:
            clock.heard(progress)
            watcher.progress("generate", progress.done)

        images = self.generation.generate_shard(
            generation_pb2.GenerateShardRequest(
                store=shard_pb2.ShardStore(uri=self.store.uri),
                caption_set=ref_to_proto(self.caption_set),
                repeats=1,
                run_seed=self.seed,
                parameters=generation_pb2.SamplingParameters(  # 0: as the profile says
                    steps=cell.steps or 0,
                    guidance_scale=cell.guidance_scale or 0,
                    high_noise_fraction=cell.high_noise_fraction or 0,
                ),
                model_digest=self.generator,
            ),
            on_progress=generated,
        )
        seconds = self.timings.get(cell)
        if (fresh := clock.seconds()) is not None:
            seconds = fresh
            self.timings.keep(cell, fresh)
        scored = self.alignment.score_shard(
            alignment_pb2.ScoreShardRequest(
                store=shard_pb2.ShardStore(uri=self.store.uri),
                caption_set=ref_to_proto(self.caption_set),
                image_set=images.image_set,
                model_digest=self.scorer,
            ),
            on_progress=lambda progress: watcher.progress("score", progress.done),
        )
        failed = [*images.failed, *scored.failed]
        return Measured(
            cell=cell,
            parameters={**defaults, **cell.given},
            scores=self._scores(ref_from_proto(scored.score_set)),
            failed=sum(count.records for count in failed),
            seconds=seconds,
        )

    def _scores(self, score_set: ShardRef) -> dict[str, float]:
        columns = pa.schema([SCORES.field("caption_id"), SCORES.field(self.metric)])
        table = open_shard(self.store, score_set).table(SCORES_FILE, columns)
        return dict(
            zip(
                table.column("caption_id").to_pylist(),
                table.column(self.metric).to_pylist(),
                strict=True,
            )
        )
