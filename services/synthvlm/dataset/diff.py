"""Differences between two versions: pairs, and the configuration that made them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synthvlm.caption_mix import CaptionMix
from synthvlm.storage import Manifest, Shard, canonical_json
from synthvlm.storage.schemas import PAIRS, PAIRS_FILE

WORDS_LISTED = 20
"""Maximum number of words that a comparison lists."""

LISTED = 100
"""Maximum number of image ids that a comparison lists."""

# All ids and digests of a version may exceed the 2 GiB that 32-bit offsets can address.
_LARGE = pa.large_string()
_IDENTITY = pa.schema([PAIRS.field("image_id"), PAIRS.field("sha256")])
_TEXT = pa.schema([PAIRS.field("text")])
_READ_ROWS = 16_384


@dataclass(frozen=True)
class Change:
    """A configuration key: its dotted name, and its values as JSON; empty if absent."""

    key: str
    old: str
    new: str


@dataclass(frozen=True)
class Difference:
    """Differences between an older and a newer version.

    Two pairs are the same if their images have the same id and the same bytes.

    Attributes:
        added: Pairs only in the newer.
        removed: Pairs only in the older.
        unchanged: Pairs in both.
        added_ids: The first ids of those added, in order.
        removed_ids: The first ids of those removed, in order.
        changes: Keys of the configuration that differ, in order.
        mixes: The mix of captions of the older and of the newer.
    """

    added: int
    removed: int
    unchanged: int
    added_ids: list[str]
    removed_ids: list[str]
    changes: list[Change]
    mixes: tuple[CaptionMix, CaptionMix]


def compare(older: Shard, newer: Shard) -> Difference:
    """Compares two versions, using about 250 bytes of memory per pair.

    Raises:
        DataCorrupt: An index is damaged.
    """
    old, new = (shard.table(PAIRS_FILE, _IDENTITY) for shard in (older, newer))
    added, removed = _only_in(new, old), _only_in(old, new)
    return Difference(
        added=len(added),
        removed=len(removed),
        unchanged=new.num_rows - len(added),
        added_ids=added.slice(0, LISTED).to_pylist(),
        removed_ids=removed.slice(0, LISTED).to_pylist(),
        changes=configuration_changes(older.manifest, newer.manifest),
        mixes=(_mix(older), _mix(newer)),
    )


def _mix(version: Shard) -> CaptionMix:
    mix = CaptionMix()
    for batch in version.batches(PAIRS_FILE, _TEXT, _READ_ROWS):
        mix.add(batch["text"].to_pylist())
    return mix


def configuration_changes(older: Manifest, newer: Manifest) -> list[Change]:
    """Configuration keys that differ between two versions' manifests."""
    old, new = _flat(_configuration(older)), _flat(_configuration(newer))
    return [
        Change(key, old.get(key, ""), new.get(key, ""))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def _only_in(table: pa.Table, other: pa.Table) -> pa.ChunkedArray:
    """Ids of the rows missing from the other table; sorted, as both tables are."""
    keys, known = (
        pc.binary_join_element_wise(
            one["image_id"].cast(_LARGE), one["sha256"].cast(_LARGE), pa.scalar(" ", _LARGE)
        )
        for one in (table, other)
    )
    return table["image_id"].filter(pc.invert(pc.is_in(keys, value_set=known)))


def _configuration(manifest: Manifest) -> dict[str, Any]:
    """The whole configuration by service; ``run`` is what the caller recorded.

    If shards of one version were made with several configurations, these are numbered.
    """
    stages = {}
    for word, known in manifest.details["stages"].items():
        configurations = [
            {
                **one["configuration"],
                "model_digest": one["model_digest"],
                "code_version": one["code_version"],
            }
            for one in known.values()
        ]
        stages[word] = configurations[0] if len(configurations) == 1 else _numbered(configurations)
    dataset = {
        "selection_rule": manifest.details["selection_rule"],
        "shard_size": manifest.configuration["shard_size"],
    }
    if (review_set := manifest.inputs.get("review_set")) is not None:
        dataset["review_set"] = review_set
    return {
        **stages,
        "dataset": dataset,
        "run": manifest.configuration["run"],
    }


def _numbered(values: list[Any]) -> dict[str, Any]:
    return {str(number): value for number, value in enumerate(values)}


def _flat(value: Any, key: str = "") -> dict[str, str]:
    """Leaves of nested mappings as JSON by dotted key; lists and empty mappings are leaves."""
    if not isinstance(value, Mapping) or not value:
        return {key: canonical_json(value).decode()} if key else {}
    leaves: dict[str, str] = {}
    for name, item in value.items():
        leaves |= _flat(item, f"{key}.{name}" if key else str(name))
    return leaves
