"""One image by its id: found in the versions that hold it, else in the run that generated it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from synthvlm.dataset.catalogue import Catalogue, Entry, IndexEntry
from synthvlm.dataset.chains import stage_configuration
from synthvlm.dataset.lookup import rows_by_prefix
from synthvlm.dataset.pairs import stored_columns
from synthvlm.dataset.versions import Stores
from synthvlm.errors import (
    DataCorrupt,
    FieldViolation,
    InvalidInput,
    NotFound,
    PreconditionFailed,
)
from synthvlm.storage import ShardRef, Store, canonical_json, open_shard, verified_image
from synthvlm.storage.schemas import (
    CAPTIONS_FILE,
    CHAINS,
    CHAINS_FILE,
    IMAGE_INDEX,
    IMAGE_INDEX_FILE,
    IMAGES,
    IMAGES_FILE,
    IMAGES_TAR,
    PAIRS,
    PAIRS_FILE,
    POOL,
    SCORES,
    SCORES_FILE,
)

_log = structlog.get_logger(__name__)

_SCORES = ("clip_score", "ssim_score", "weighted_score")
_CANDIDATES = 5
_TEXT = pa.schema([POOL.field("caption_id"), POOL.field("text")])


@dataclass(frozen=True)
class Place:
    """Where the bytes of an image are: a tar in a store, and the row with the offset in it."""

    store: Store
    path: str
    row: Mapping[str, Any]

    def read(self) -> bytes:
        """The encoded image.

        Raises:
            DataCorrupt: The tar is missing or damaged.
        """
        return verified_image(self.store, self.path, self.row)


@dataclass(frozen=True)
class FoundImage:
    """Everything known about an image.

    Attributes:
        row: Columns of ``IMAGES``.
        text: The caption.
        generation: Everything that determined the image, as JSON: ``model_digest``,
            ``code_version`` and the ``configuration`` of its ImageSet.
        scores: Scores by name; empty if it has none.
        versions: Labels of the versions that contain it, newest first.
        place: Where its bytes are.
    """

    row: Mapping[str, Any]
    text: str
    generation: str
    scores: Mapping[str, float]
    place: Place
    versions: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _InVersion:
    entry: Entry
    store: Store
    row: Mapping[str, Any]


@dataclass(frozen=True)
class _InIndex:
    entry: IndexEntry
    store: Store
    chain: int


def find_image(catalogue: Catalogue, stores: Stores, prefix: str) -> FoundImage:
    """Finds an image by its id or a prefix of it.

    Reads only one row group of each version and index. Entries of the catalogue that are missing
    from the store are skipped with a warning in the log: the image may be elsewhere.

    Raises:
        NotFound: No image has such an id.
        InvalidInput: Several images have ids with this prefix.
        DataCorrupt: Stored bytes are damaged.
    """
    held = _in_versions(catalogue, stores, prefix)
    # If a version contains the complete id, there is no need to search all generated images.
    indexed = {} if prefix in held else _in_indexes(catalogue, stores, prefix)
    image_id = _the_one(prefix, {*held, *indexed})
    if image_id in held:
        return _from_versions(held[image_id])
    return _from_chain(indexed[image_id], image_id)


def _the_one(prefix: str, found: set[str]) -> str:
    if prefix in found:
        return prefix
    if not found:
        raise NotFound(f"no image has an id that begins with {prefix!r}")
    if len(found) > 1:
        listed = ", ".join(sorted(found)[:_CANDIDATES])
        problem = f"is ambiguous: {listed}{'…' if len(found) > _CANDIDATES else ''}"
        raise InvalidInput(f"image_id {problem}", [FieldViolation("image_id", problem)])
    return found.pop()


def _in_versions(catalogue: Catalogue, stores: Stores, prefix: str) -> dict[str, list[_InVersion]]:
    found: dict[str, list[_InVersion]] = {}
    for entry in catalogue.versions():
        path = f"{entry.ref.path}/{PAIRS_FILE}"
        for store, row in _rows(stores, entry.store_uri, path, prefix, PAIRS):
            found.setdefault(row["image_id"], []).append(_InVersion(entry, store, row))
    return found


def _in_indexes(catalogue: Catalogue, stores: Stores, prefix: str) -> dict[str, _InIndex]:
    found: dict[str, _InIndex] = {}
    for entry in catalogue.indexes():
        path = f"{entry.ref.path}/{IMAGE_INDEX_FILE}"
        for store, row in _rows(stores, entry.store_uri, path, prefix, IMAGE_INDEX):
            found.setdefault(row["image_id"], _InIndex(entry, store, row["chain"]))
    return found


def _rows(
    stores: Stores, store_uri: str, path: str, prefix: str, schema: pa.Schema
) -> Iterator[tuple[Store, Mapping[str, Any]]]:
    try:
        store = stores.listed(store_uri)
        # One more than is ever listed, to tell whether there are more.
        rows = rows_by_prefix(store, path, prefix, schema.names, limit=_CANDIDATES + 1)
    except (NotFound, PreconditionFailed) as error:
        _log.warning("listed_but_not_found", path=path, store=store_uri, reason=error.message)
        return
    for row in rows.to_pylist():
        yield store, row


def _from_versions(held: list[_InVersion]) -> FoundImage:
    newest = held[0]
    shard = open_shard(newest.store, newest.entry.ref)
    generations = shard.manifest.details["stages"]["generation"]
    return FoundImage(
        row=newest.row,
        text=newest.row["text"],
        generation=canonical_json(generations[newest.row["generation"]]).decode(),
        scores={name: newest.row[name] for name in _SCORES},
        versions=[one.entry.label for one in held],
        place=Place(newest.store, shard.path(newest.row["shard"]), newest.row),
    )


def _from_chain(found: _InIndex, image_id: str) -> FoundImage:
    chain = _chain(found)
    images = open_shard(found.store, _ref(chain, "image_set"))
    row = _row(images.table(IMAGES_FILE, stored_columns(IMAGES, images)), "image_id", image_id)
    captions = open_shard(found.store, _ref(chain, "caption_set"))
    caption = _row(captions.table(CAPTIONS_FILE, _TEXT), "caption_id", row["caption_id"])
    scores = open_shard(found.store, _ref(chain, "score_set")).table(SCORES_FILE, SCORES)
    scored = scores.filter(pc.equal(scores["image_id"], image_id)).to_pylist()
    return FoundImage(
        row=row,
        text=caption["text"],
        generation=canonical_json(stage_configuration(images.manifest)).decode(),
        scores={name: one[name] for one in scored for name in _SCORES},
        place=Place(found.store, images.path(IMAGES_TAR), row),
    )


def _chain(found: _InIndex) -> Mapping[str, Any]:
    """The row of ``CHAINS`` that the image belongs to."""
    chains = open_shard(found.store, found.entry.ref).table(CHAINS_FILE, CHAINS)
    row: Mapping[str, Any] = chains.slice(found.chain, 1).to_pylist()[0]
    return row


def _ref(chain: Mapping[str, Any], role: str) -> ShardRef:
    return ShardRef(chain[role], chain[f"{role}_digest"], 0)


def _row(table: pa.Table, column: str, value: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = table.filter(pc.equal(table[column], value)).to_pylist()
    if not rows:
        raise DataCorrupt(f"the index names {column} {value}, which is missing from its shard")
    return rows[0]
