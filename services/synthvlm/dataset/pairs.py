"""The layout of a dataset version, for writers and readers."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synthvlm.errors import DataCorrupt
from synthvlm.storage import Shard
from synthvlm.storage.schemas import PAIRS, PAIRS_FILE

_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
_BATCH_ROWS = 1024
_TRUNCATED_SINCE = 2
"""Version of the schemas from which tables say of each image whether its caption was too long."""


def tar_name(number: int) -> str:
    """Name of an output tar within the version."""
    return f"pairs-{number:06d}.tar"


def image_path(row: Mapping[str, Any]) -> str:
    """Path of a pair's image below the image folder of LLaVA's format.

    Each tar has a folder named by its number: unpacking ``pairs-000003.tar`` in the folder
    ``000003`` produces the layout.
    """
    folder = str(row["shard"]).removeprefix("pairs-").removesuffix(".tar")
    return f"{folder}/{row['file']}"


def extension(row: Mapping[str, Any]) -> str:
    """Extension of a pair's image, without the dot.

    Raises:
        DataCorrupt: The row has a media type that no stage writes.
    """
    try:
        return _EXTENSIONS[row["media_type"]]
    except KeyError:
        raise DataCorrupt(
            f"image {row['image_id']} has the unknown media type {row['media_type']}"
        ) from None


def stored_columns(schema: pa.Schema, shard: Shard) -> pa.Schema:
    """``PAIRS`` or ``IMAGES`` as a shard has them: older ones do not say what was truncated."""
    if shard.manifest.schema_version >= _TRUNCATED_SINCE:
        return schema
    return pa.schema([column for column in schema if column.name != "truncated"])


def truncated_pairs(version: Shard) -> int | None:
    """Pairs whose caption is longer than the text encoders' window; None where it is not known."""
    if "truncated" not in stored_columns(PAIRS, version).names:
        return None
    column = pa.schema([PAIRS.field("truncated")])
    return int(pc.sum(version.table(PAIRS_FILE, column)["truncated"], min_count=0).as_py())


def pairs_by_tar(version: Shard) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """The rows of a version's index, grouped by tar, in the order of the tars.

    As with ``itertools.groupby``, read each group before advancing to the next one.

    Raises:
        DataCorrupt: The index is damaged.
    """
    batches: Iterator[pa.RecordBatch] = version.batches(
        PAIRS_FILE, stored_columns(PAIRS, version), _BATCH_ROWS
    )
    rows = (row for batch in batches for row in batch.to_pylist())
    return groupby(rows, key=lambda row: str(row["shard"]))
