"""Strata: captions divided by a number that belongs to each of them."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthvlm.caption_mix import things_of, words_of
from synthvlm.dataset.best import Strata
from synthvlm.dataset.chains import CheckedChain, CheckedChains
from synthvlm.dataset.readahead import read_ahead
from synthvlm.errors import DataCorrupt, FieldViolation, InvalidInput
from synthvlm.progress import Reporter
from synthvlm.storage import Store, open_shard
from synthvlm.storage.schemas import CAPTIONS, CAPTIONS_FILE

Floats = NDArray[np.float64]

WORDS: Final = "words"
THINGS: Final = "things"

_COLUMNS: Final = pa.schema([CAPTIONS.field(name) for name in ("caption_id", "text", "stats")])


def strata_of(
    store: Store, chains: CheckedChains, best: pa.Table, strata: Strata, reporter: Reporter
) -> NDArray[np.int64]:
    """The stratum of each row of ``best``, numbered from 0 in order of the values.

    The captions of a few chains and one number a row are in memory.

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
    values = np.full(best.num_rows, np.nan)
    numbers = best["chain"].to_numpy()
    order = np.argsort(numbers, kind="stable")
    ends = np.searchsorted(numbers[order], np.arange(len(chains.chains) + 1))

    def read(chain: CheckedChain) -> tuple[pa.Array, Floats]:
        return _values(store, chain, strata.column)

    with read_ahead(read, chains.chains, chains.workers) as columns:
        for number, (ids, column) in enumerate(columns):
            reporter.check()
            rows = order[ends[number] : ends[number + 1]]
            places = pc.index_in(best["caption_id"].take(pa.array(rows)), ids)
            if places.null_count:
                path = chains.chains[number].shards.caption_set.path
                raise DataCorrupt(f"there are scores of captions that are not in {path}")
            values[rows] = column[places.to_numpy()]
    if best.num_rows and np.isnan(values).all():
        message = f"no caption has the statistic {strata.column!r}; give words, things or one that "
        message += "the recipe's filters compute"
        raise InvalidInput(message, [FieldViolation("rule.strata.column", message)])
    return divided(values, strata.quantiles)


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


def _values(store: Store, chain: CheckedChain, column: str) -> tuple[pa.Array, Floats]:
    """The ids of a chain's captions, and the number that divides each."""
    table = open_shard(store, chain.shards.caption_set).table(CAPTIONS_FILE, _COLUMNS)
    ids = table["caption_id"].combine_chunks()
    if column in (WORDS, THINGS):
        texts = table["text"].to_pylist()
        if column == WORDS:
            return ids, np.array([len(words_of(text)) for text in texts], np.float64)
        things = [things_of(text) for text in texts]
        return ids, np.array([np.nan if one is None else one for one in things], np.float64)
    found = pc.map_lookup(table["stats"], pa.scalar(column), "first")
    return ids, found.to_numpy(zero_copy_only=False).astype(np.float64)
