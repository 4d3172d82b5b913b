"""What people said of a selection's pairs: those that they rejected leave the next version."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synthvlm.errors import FieldViolation, InvalidInput, PreconditionFailed
from synthvlm.storage import ShardRef, Store, open_shard
from synthvlm.storage.schemas import REJECTED, REVIEWED, REVIEWED_FILE

_KIND = "reviews"


@dataclass(frozen=True)
class Reviewed:
    """What a ReviewSet says of a selection.

    Attributes:
        rejected: The selection's pairs that people rejected, by image id: columns of ``REJECTED``.
        lineage: For the version's manifest: the ReviewSet, how it came about, what it found.
    """

    rejected: pa.Table = field(default_factory=REJECTED.empty_table)
    lineage: dict[str, Any] = field(default_factory=dict)


def read_reviewed(store: Store, ref: ShardRef, selection: ShardRef, images: pa.Array) -> Reviewed:
    """Reads what people said of a selection's pairs.

    Args:
        store: Where the ReviewSet lies.
        ref: The ReviewSet.
        selection: The selection.
        images: The ids of its images.

    Raises:
        InvalidInput: It is another kind of shard, or of none of these images.
        PreconditionFailed: People rejected every pair.
        NotFound: It does not exist.
        DataCorrupt: It is damaged.
    """
    shard = open_shard(store, ref)
    if shard.manifest.kind != _KIND:
        raise _invalid(f"is a shard of {shard.manifest.kind}, not of {_KIND}")
    table = shard.table(REVIEWED_FILE, REVIEWED)
    table = table.filter(pc.is_in(table["image_id"], value_set=images))
    if not table.num_rows:
        raise _invalid("is of other images than those of the selection")
    rejected = table.filter(table["rejected"]).sort_by("image_id").select(REJECTED.names)
    if rejected.num_rows == len(images):
        raise PreconditionFailed("people rejected every pair, so there is nothing to publish")
    manifest = shard.manifest
    return Reviewed(
        rejected.cast(REJECTED),
        {
            "path": ref.path,
            "reviewed": table.num_rows,
            "rejected": rejected.num_rows,
            # Its figures are of what its campaign was about: this selection, or only a part of it.
            "of_selection": manifest.inputs["source"] == selection.digest,
            "design": manifest.configuration,
            "statistics": manifest.details["statistics"],
        },
    )


def _invalid(problem: str) -> InvalidInput:
    return InvalidInput(f"review_set {problem}", [FieldViolation("review_set", problem)])
