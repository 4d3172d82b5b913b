"""What can be judged: the pairs of a Selection, of a dataset version or of a set of real images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from synthvlm.errors import FieldViolation, InvalidInput, PreconditionFailed
from synthvlm.review.sampling.drawing import Floats, Integers
from synthvlm.storage import Shard, ShardRef, Store, open_shard
from synthvlm.storage.schemas import IMAGES_TAR, PAIRS, PAIRS_FILE, SELECTION, SELECTION_FILE

_SHOWN: Final = (
    *("image_id", "caption_id", "text", "weighted_score"),
    *("offset", "size", "sha256", "media_type", "width", "height"),
)
_FILES: Final = {
    "selection": (SELECTION_FILE, SELECTION, "image_set"),
    "dataset": (PAIRS_FILE, PAIRS, "shard"),
    "real-set": (PAIRS_FILE, PAIRS, "shard"),
}


@dataclass(frozen=True)
class Source:
    """The pairs of a source, in its own order.

    Attributes:
        shard: The Selection, version or real set.
        pairs: ``image_id``, ``caption_id``, ``text``, ``weighted_score``, where the image is, and
            ``place``: the path of its tar below the store's root.
    """

    shard: Shard
    pairs: pa.Table

    @property
    def scores(self) -> Floats | None:
        """The weighted scores; None where one of them is not a number."""
        scores: Floats = self.pairs["weighted_score"].to_numpy().astype(np.float64)
        return scores if np.isfinite(scores).all() else None

    def rows(self, numbers: Integers | Sequence[int]) -> list[dict[str, Any]]:
        """Rows by their numbers, in that order."""
        rows: list[dict[str, Any]] = self.pairs.take(pa.array(numbers, pa.int64())).to_pylist()
        return rows


def open_source(store: Store, ref: ShardRef, field: str) -> Source:
    """Opens what is to be judged.

    Args:
        store: Where it lies.
        ref: A Selection, a dataset version or a real set.
        field: The request's field that names it, for errors.

    Raises:
        InvalidInput: It is something else.
        PreconditionFailed: It is empty.
        NotFound: It does not exist.
        DataCorrupt: It is damaged.
    """
    shard = open_shard(store, ref)
    if shard.manifest.kind not in _FILES:
        problem = (
            f"is a shard of {shard.manifest.kind}, not a selection, a dataset version or a real set"
        )
        raise InvalidInput(f"{field} {problem}", [FieldViolation(field, problem)])
    file, schema, place = _FILES[shard.manifest.kind]
    wanted = pa.schema([schema.field(name) for name in (*_SHOWN, place)])
    table = shard.table(file, wanted)
    if not table.num_rows:
        raise PreconditionFailed(f"{ref.path} is empty, so there is nothing to judge")
    places = table[place].to_pylist()
    paths = (
        [f"{one}/{IMAGES_TAR}" for one in places]
        if shard.manifest.kind == "selection"
        else [shard.path(one) for one in places]
    )
    return Source(
        shard, table.drop_columns([place]).append_column("place", pa.array(paths, pa.string()))
    )
