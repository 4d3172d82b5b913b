"""Collects what the page shows from what a run committed.

Scores are read one shard at a time and images one by one, so memory grows with a run only by the
ids of its selected captions. Examples are chosen by rank or by digest, never at random, so the same
run gives the same page.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synthvlm.report.cost import run_cost
from synthvlm.report.distributions import Sketch, distribution
from synthvlm.report.drops import Drops, quarantined
from synthvlm.report.evaluation import evaluation_part
from synthvlm.report.extremes import Extremes, Row, Spreads
from synthvlm.report.gallery import Cards
from synthvlm.report.mix import Mixes
from synthvlm.report.model import SCORES, Counts, Distribution, Gallery, RunReport, ShardRow
from synthvlm.report.record import RunRecord
from synthvlm.report.training import stage_curves
from synthvlm.storage import Manifest, Store, open_shard, schemas
from synthvlm.storage.parts import failures_of
from synthvlm.storage.schemas import SCORES_FILE, SELECTION_FILE

BEST = 12
"""Pairs in the gallery of the best, and in that of the worst."""

BORDERLINE = 6
"""Pairs on either side of the threshold."""

REPEATED = 3
"""Captions whose images are all shown."""

_SELECTION = pa.schema(
    [
        schemas.SELECTION.field(name)
        for name in ("image_id", "caption_id", "repeat", *SCORES, "image_set")
    ]
)
_READ_ROWS = 16_384


def collect(store: Store, record: RunRecord) -> RunReport:
    """Collects the report of a run.

    Args:
        store: Where the run's shards are.
        record: The run's record.

    Raises:
        NotFound: A shard is gone.
        DataCorrupt: Stored bytes are damaged.
    """
    drops, mixes, scores = Drops(), Mixes(), _Scores(store, record)
    kept = truncated = 0
    generation_failed: dict[str, int] = {}
    scoring_failed: dict[str, int] = {}
    digests = {f"dataset {record.version.name}@{record.version.version}": record.version.digest}
    for number, shard in enumerate(record.shards):
        captions = open_shard(store, shard.caption_set)
        drops.add(captions)
        mixes.add_kept(captions)
        kept += captions.manifest.records
        images = open_shard(store, shard.image_set).manifest
        truncated += images.counts.get("truncated_prompts", 0)
        _add_failures(generation_failed, images)
        scored = scores.add(number)
        _add_failures(scoring_failed, scored)
        digests["generation model"] = images.model_digest
        digests["alignment model"] = scored.model_digest
    digests["selection"] = record.selection.digest
    mixes.add_selected(open_shard(store, record.selection))
    curves = evaluation = None
    if record.model is not None:
        curves = stage_curves(open_shard(store, record.model))
        digests["trained model"] = record.model.digest
    if record.evaluation is not None:
        evaluation = evaluation_part(open_shard(store, record.evaluation))
        digests["evaluation"] = record.evaluation.digest
    quarantine = None if record.quarantine is None else open_shard(store, record.quarantine)
    return RunReport(
        version=record.version,
        profile=record.profile,
        started=record.started,
        finished=record.finished,
        stages=record.stages,
        counts=Counts(
            read=record.read,
            pooled=sum(ref.records for ref in record.pool),
            kept=kept,
            generated=sum(shard.image_set.records for shard in record.shards),
            scored=sum(shard.score_set.records for shard in record.shards),
            captioned=scores.captions,
            selected=record.selection.records,
            truncated_prompts=truncated,
            generation_failed=generation_failed,
            scoring_failed=scoring_failed,
        ),
        quarantine=quarantined(record.quarantined, quarantine),
        filters=drops.filters(),
        distributions=scores.distributions(),
        gallery=scores.gallery(),
        digests=digests,
        configuration=_dotted(record.configuration),
        shards=[
            ShardRow(
                captions=shard.caption_set.records,
                images=shard.image_set.records,
                scores=shard.score_set.records,
                caption_digest=shard.caption_set.digest,
                image_digest=shard.image_set.digest,
                score_digest=shard.score_set.digest,
            )
            for shard in record.shards
        ],
        mix=mixes.shift(),
        curves=curves or [],
        evaluation=evaluation,
        verification=record.verification,
        cost=run_cost(store, record),
    )


class _Scores:
    """What the page shows of the Selection and the ScoreSets."""

    def __init__(self, store: Store, record: RunRecord) -> None:
        self._store = store
        self._shards = record.shards
        self._everything = {name: Sketch() for name in SCORES}
        self._selected = {name: Sketch() for name in SCORES}
        self._best: list[Row] = []
        self._last: list[Row] = []
        self._rejected = Extremes(BORDERLINE)
        self._worst = Extremes(BEST, worst=True)
        self._spreads = Spreads(REPEATED)
        self.captions = 0
        self._read_selection(record)

    def _read_selection(self, record: RunRecord) -> None:
        selection = open_shard(self._store, record.selection)
        captions, images = [], []
        for batch in selection.batches(SELECTION_FILE, _SELECTION, _READ_ROWS):
            for name, sketch in self._selected.items():
                sketch.add(batch[name].to_numpy(zero_copy_only=False))
            captions.append(batch["caption_id"])
            images.append(batch["image_id"])
            self._best += batch.slice(0, BEST - len(self._best)).to_pylist()
            last = batch.slice(max(0, batch.num_rows - BORDERLINE)).to_pylist()
            self._last = [*self._last, *last][-BORDERLINE:]
        chains = {shard.image_set.path: number for number, shard in enumerate(record.shards)}
        for row in (*self._best, *self._last):
            row["chain"] = chains[row["image_set"]]
        self._captions = pa.chunked_array(captions, pa.string()).combine_chunks()
        self._images = pa.chunked_array(images, pa.string()).combine_chunks()

    def add(self, number: int) -> Manifest:
        """Reads the scores of the run's shard ``number``; returns their manifest."""
        shard = open_shard(self._store, self._shards[number].score_set)
        table = shard.table(SCORES_FILE, schemas.SCORES)
        table = table.append_column("chain", pa.array([number] * table.num_rows, pa.int32()))
        for name, sketch in self._everything.items():
            sketch.add(table[name].to_numpy())
        self.captions += pc.count_distinct(table["caption_id"]).as_py()
        table = table.filter(pc.is_finite(table["weighted_score"]))
        selected = pc.is_in(table["caption_id"], self._captions)
        self._rejected.add(table.filter(pc.invert(selected)))
        self._worst.add(table)
        self._spreads.add(table.filter(selected))
        return shard.manifest

    def distributions(self) -> list[Distribution]:
        """The distributions, with the threshold of the weighted score."""
        least = self._selected["weighted_score"].summary().least
        decided = len(self._captions) < self.captions
        return [
            distribution(
                name,
                self._everything[name],
                self._selected[name],
                least if name == "weighted_score" and decided else None,
            )
            for name in SCORES
        ]

    def gallery(self) -> Gallery:
        """The pairs that the page shows."""
        repeated = [row for rows in self._spreads.rows for row in rows]
        rows = [*self._best, *self._last, *self._rejected.rows, *self._worst.rows, *repeated]
        cards = Cards(self._store, self._shards, self._ranks(rows))
        cards.fetch(rows)
        return Gallery(
            best=cards.cards(self._best),
            last_selected=cards.cards(self._last) if self._rejected.rows else [],
            first_rejected=cards.cards(self._rejected.rows),
            worst=cards.cards(self._worst.rows),
            repeats=[cards.cards(rows) for rows in self._spreads.rows],
        )

    def _ranks(self, rows: list[Row]) -> dict[str, int]:
        ids = pa.array([row["image_id"] for row in rows], pa.string())
        places = pc.index_in(ids, self._images).to_pylist()
        return {
            row["image_id"]: place + 1
            for row, place in zip(rows, places, strict=True)
            if place is not None
        }


def _add_failures(total: dict[str, int], manifest: Manifest) -> None:
    for reason, count in failures_of(manifest.counts).items():
        if count:
            total[reason] = total.get(reason, 0) + count


def _dotted(configuration: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, by dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in configuration.items():
        if isinstance(value, Mapping) and value:
            flat |= _dotted(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
