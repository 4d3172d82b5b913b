"""Strata: captions divided by a number that belongs to each of them, or by clusters."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthvlm.caption_clusters.clusters import OTHER, CaptionClusters
from synthvlm.caption_mix import things_of, words_of
from synthvlm.caption_sample import CaptionSample
from synthvlm.dataset.best import Strata
from synthvlm.dataset.chains import CheckedChain, CheckedChains
from synthvlm.dataset.readahead import read_ahead
from synthvlm.errors import DataCorrupt, FieldViolation, InvalidInput
from synthvlm.progress import Reporter
from synthvlm.storage import Store, open_shard
from synthvlm.storage.schemas import CAPTIONS, CAPTIONS_FILE

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

WORDS: Final = "words"
THINGS: Final = "things"

_COLUMNS: Final = pa.schema([CAPTIONS.field(name) for name in ("caption_id", "text", "stats")])

_Measure = Callable[[pa.Table], pa.Array]
"""What is asked of each caption of a table of ``_COLUMNS``."""


@dataclass(frozen=True)
class Division:
    """Captions divided into strata.

    Attributes:
        strata: The stratum of each caption, numbered from 0.
        names: The strata's names; none, if the values of a column say what they are.
    """

    strata: Integers
    names: Sequence[str] = ()

    def counts(self, chosen: NDArray[np.bool_]) -> list[dict[str, str | int]]:
        """For each named stratum ``name``, ``captions`` and ``selected``: how many are chosen."""
        sizes = np.bincount(self.strata)
        selected = np.bincount(self.strata[chosen], minlength=len(self.names))
        return [
            {"name": name, "captions": int(size), "selected": int(count)}
            for name, size, count in zip(self.names, sizes, selected, strict=True)
        ]


def divide(
    store: Store, chains: CheckedChains, best: pa.Table, strata: Strata, reporter: Reporter
) -> Division:
    """Divides the captions of ``best`` into strata, numbered in order of the values.

    The captions of a few chains, one number a row, and for clusters a sample are in memory.

    Args:
        store: Where the captions are.
        chains: The shards of the run.
        best: Table with ``caption_id`` and ``chain``.
        strata: What divides the captions.
        reporter: Asked whether the work is still wanted.

    Raises:
        InvalidInput: No caption has the statistic.
        DataCorrupt: Stored bytes are damaged, or a caption is missing.
        OperationCancelled: The caller has gone.
    """

    def asked(measure: _Measure) -> Iterator[tuple[Integers, pa.Array]]:
        return _asked(store, chains, best, measure, reporter)

    if strata.clusters:
        return _by_clusters(asked, best.num_rows, strata.clusters)
    values = _values(asked, best.num_rows, _statistic(strata.column))
    if best.num_rows and np.isnan(values).all():
        message = f"no caption has the statistic {strata.column!r}; give words, things or one that "
        message += "the recipe's filters compute"
        raise InvalidInput(message, [FieldViolation("rule.strata.column", message)])
    return Division(divided(values, strata.quantiles))


def divided(values: Floats, quantiles: int) -> NDArray[np.int64]:
    """The stratum of each value: by quantiles, or one for each value (0 quantiles).

    Values that are not known (NaN) are the last stratum. Strata are numbered without gaps.
    """
    known = ~np.isnan(values)
    keys = np.full(len(values), np.inf)
    keys[known] = values[known]
    if quantiles and known.any():
        inner = np.arange(1, quantiles) / quantiles
        # Edges are values that occur, so equal values are always on the same side.
        edges = np.quantile(values[known], inner, method="inverted_cdf")
        keys[known] = np.searchsorted(edges, values[known], side="left")
    _, numbers = np.unique(keys, return_inverse=True)
    return numbers.astype(np.int64)


_Asked = Callable[[_Measure], Iterator[tuple[Integers, pa.Array]]]
"""Rows of the captions and what was measured of each, some at a time."""


def _by_clusters(asked: _Asked, captions: int, most: int) -> Division:
    """One stratum for each cluster, and one for the captions in none if there are any."""
    sample = CaptionSample()
    for _, texts in asked(lambda table: table["text"]):
        sample.add(texts.to_pylist())
    clusters = CaptionClusters(sample.texts(), most)

    def measure(table: pa.Table) -> pa.Array:
        return pa.array(clusters.of(table["text"].to_pylist()))

    numbers = np.zeros(captions, np.int64)
    for rows, found in asked(measure):
        numbers[rows] = found.to_numpy()
    names = [*clusters.names, OTHER]
    # The last name is that of -1.
    held, strata = np.unique(numbers % len(names), return_inverse=True)
    return Division(strata, [names[number] for number in held])


def _values(asked: _Asked, captions: int, measure: _Measure) -> Floats:
    values = np.full(captions, np.nan)
    for rows, found in asked(measure):
        values[rows] = found.to_numpy(zero_copy_only=False)
    return values


def _statistic(column: str) -> _Measure:
    """The number that divides each caption; null where it is not known."""
    if column == WORDS:
        return _of_texts(lambda text: len(words_of(text)))
    if column == THINGS:
        return _of_texts(things_of)
    return lambda table: pc.map_lookup(table["stats"], pa.scalar(column), "first")


def _of_texts(number: Callable[[str], int | None]) -> _Measure:
    return lambda table: pa.array(map(number, table["text"].to_pylist()), pa.float64())


def _asked(
    store: Store,
    chains: CheckedChains,
    best: pa.Table,
    measure: _Measure,
    reporter: Reporter,
) -> Iterator[tuple[Integers, pa.Array]]:
    numbers = best["chain"].to_numpy()
    order = np.argsort(numbers, kind="stable")
    ends = np.searchsorted(numbers[order], np.arange(len(chains.chains) + 1))

    def read(chain: CheckedChain) -> tuple[pa.Array, pa.Array]:
        table = open_shard(store, chain.shards.caption_set).table(CAPTIONS_FILE, _COLUMNS)
        return table["caption_id"].combine_chunks(), measure(table)

    with read_ahead(read, chains.chains, chains.workers) as columns:
        for number, (ids, measured) in enumerate(columns):
            reporter.check()
            rows = order[ends[number] : ends[number + 1]]
            places = pc.index_in(best["caption_id"].take(pa.array(rows)), ids)
            if places.null_count:
                path = chains.chains[number].shards.caption_set.path
                raise DataCorrupt(f"there are scores of captions that are not in {path}")
            yield rows, measured.take(places)
