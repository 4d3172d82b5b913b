"""From the pools of a seed to the dataset version of each arm."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from benchmarks.reproduce.design import Design
from benchmarks.reproduce.drawings import drawing_of
from benchmarks.reproduce.pairs import Pair, as_chain, pairs_of
from benchmarks.reproduce.pools import Pool
from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.dataset.best import SelectionRule, Strata
from synthvlm.dataset.chains import ShardChain
from synthvlm.dataset.selection import select
from synthvlm.progress import SILENT
from synthvlm.storage import Commit, ShardKey, ShardRef, Store, open_shard
from synthvlm.storage.schemas import SCORES, SCORES_FILE, SELECTION, SELECTION_FILE
from synthvlm.storage.tables import table_bytes

SHARD_SIZE: Final = 1000
"""Pairs of a tar."""


@dataclass(frozen=True)
class Seed:
    """The pools of a seed, and the choices that its arms make from them.

    Attributes:
        store: Holds the pools, and gets the versions.
        seed: Decides what is chosen at random.
        curated: The pool of all arms but one.
        uncurated: The pool of ``uncurated``.
    """

    store: Store
    design: Design
    seed: int
    curated: Pool
    uncurated: Pool

    def version(self, arm: str) -> ShardRef:
        """The dataset version of an arm; found, if it was made before."""
        makers: dict[str, Callable[[], ShardRef]] = {
            "best": lambda: self._selected(self.curated.chains),
            "uncurated": lambda: self._selected(self.uncurated.chains),
            "matched": lambda: self._selected(self.curated.chains, Strata("things")),
            "clip": lambda: self._selected(self._rescored("clip_score")),
            "ssim": lambda: self._selected(self._rescored("ssim_score")),
            "random": lambda: self._chosen(arm, self._random),
            "unselected": lambda: self._chosen(arm, self._unselected),
            "all": lambda: self._chosen(arm, self._pairs),
            "best-captions": lambda: self._chosen(arm, self._best_captions),
            "best-drawn": lambda: self._chosen(arm, self._drawn(self._best)),
            "random-drawn": lambda: self._chosen(arm, self._drawn(self._random)),
        }
        request = AssemblyRequest(makers[arm](), arm, SHARD_SIZE)
        return assemble(self.store, request, SILENT).ref

    @cached_property
    def _pairs(self) -> list[Pair]:
        return list(pairs_of(self.store, self.curated.chains))

    @cached_property
    def _count(self) -> int:
        return SelectionRule(top_fraction=self.design.fraction).count(self.curated.captions)

    @cached_property
    def _best(self) -> list[Pair]:
        selection = open_shard(self.store, self._selected(self.curated.chains))
        rows = selection.table(SELECTION_FILE, SELECTION)
        by_id = {pair.image_id: pair for pair in self._pairs}
        return [by_id[name] for name in rows["image_id"].to_pylist()]

    @cached_property
    def _by_caption(self) -> dict[str, list[Pair]]:
        images: dict[str, list[Pair]] = {}
        for pair in self._pairs:
            images.setdefault(pair.caption_id, []).append(pair)
        return images

    @cached_property
    def _random(self) -> list[Pair]:
        rng = random.Random(f"random {self.seed}")
        captions = rng.sample(sorted(self._by_caption), min(self._count, len(self._by_caption)))
        return [rng.choice(self._by_caption[caption]) for caption in captions]

    @property
    def _best_captions(self) -> list[Pair]:
        rng = random.Random(f"repeat {self.seed}")
        return [rng.choice(self._by_caption[pair.caption_id]) for pair in self._best]

    @property
    def _unselected(self) -> list[Pair]:
        selected = {pair.image_id for pair in self._best}
        return [pair for pair in self._pairs if pair.image_id not in selected]

    def _drawn(self, pairs: Sequence[Pair]) -> list[Pair]:
        """The same captions with drawings; one that cannot be drawn is left out."""
        rng = random.Random(f"drawings {self.seed}")
        drawings = [(pair, drawing_of(pair.caption, rng)) for pair in pairs]
        return [
            Pair(pair.caption, pair.caption_id, drawing)
            for pair, drawing in drawings
            if drawing is not None
        ]

    def _selected(self, chains: Sequence[ShardChain], strata: Strata | None = None) -> ShardRef:
        rule = SelectionRule(top_k=self._count, strata=strata)
        return select(self.store, chains, rule, SILENT).ref

    def _chosen(self, arm: str, pairs: Sequence[Pair]) -> ShardRef:
        chain = as_chain(self.store, pairs, {"arm": arm, "seed": self.seed})
        return select(self.store, [chain], SelectionRule(top_fraction=1.0), SILENT).ref

    def _rescored(self, column: str) -> list[ShardChain]:
        """The pool, ranked by one of the two scores alone."""
        rescored = []
        place = SCORES.get_field_index("weighted_score")
        for chain in self.curated.chains:
            scores = open_shard(self.store, chain.score_set)
            table = scores.table(SCORES_FILE, SCORES)
            table = table.set_column(place, SCORES.field(place), table[column])
            key = ShardKey("scores", scores.manifest.inputs, {"ranked_by": column})
            files = {SCORES_FILE: table_bytes(table, SCORES)}
            ref = Commit(self.store, key).finish(files, table.num_rows)
            rescored.append(ShardChain(chain.caption_set, chain.image_set, ref))
        return rescored
