"""Parquet with an Image feature, for Hugging Face's ``datasets``."""

import json
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthvlm.dataset.exports.destination import Destination, Written
from synthvlm.dataset.pairs import pairs_by_tar, truncated_pairs
from synthvlm.dataset.readahead import read_ahead
from synthvlm.errors import DataCorrupt
from synthvlm.progress import Reporter
from synthvlm.storage import Shard, verified_image
from synthvlm.storage.schemas import PAIRS

_GROUP_ROWS = 100
"""Pairs per row group: small, because readers load a whole group's images at once."""

_COLUMNS = [
    PAIRS.field(name)
    for name in (
        "image_id",
        "caption_id",
        "text",
        "source_id",
        "repeat",
        "seed",
        "width",
        "height",
        "clip_score",
        "ssim_score",
        "weighted_score",
        "generation",
    )
] + [PAIRS.field("truncated").with_nullable(True)]  # null for versions that do not say
_IMAGE = pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))

# The library's names of Arrow's types.
_DTYPES = {"float": "float32"}
_FEATURES = {
    "image": {"_type": "Image"},
    **{
        field.name: {"dtype": _DTYPES.get(str(field.type), str(field.type)), "_type": "Value"}
        for field in _COLUMNS
    },
}
SCHEMA = pa.schema(
    [_IMAGE, *_COLUMNS],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}}, sort_keys=True)},
)
"""Columns of the export; the metadata tells ``datasets`` that ``image`` contains images."""


def export(version: Shard, destination: Destination, reporter: Reporter) -> Written:
    """Writes ``data/train-00000-of-00003.parquet`` and so on, one file a tar of the version.

    Holds one row group in memory at a time.

    Returns:
        What was written.

    Raises:
        DataCorrupt: The version is damaged.
        OperationCancelled: The caller has gone; finished files stay.
    """
    total, done, resumed = version.manifest.records, 0, 0
    tars = [entry for entry in version.manifest.files if entry.name.endswith(".tar")]
    numbers = {entry.name: number for number, entry in enumerate(tars)}
    records = {entry.name: entry.records or 0 for entry in tars}
    for tar, rows in pairs_by_tar(version):
        path = f"data/train-{numbers[tar]:05d}-of-{len(tars):05d}.parquet"
        if destination.has(path):
            done += records[tar]
            resumed += records[tar]
            reporter.report(done, total, resumed)
            continue
        with tempfile.TemporaryDirectory(prefix="synthvlm-export-") as folder:
            local = Path(folder) / "part.parquet"
            with pq.ParquetWriter(local, SCHEMA, compression="zstd") as writer:
                for group in _groups(version, rows):
                    writer.write_table(pa.Table.from_pylist(group, SCHEMA))
                    done += len(group)
                    reporter.report(done, total, resumed)
            destination.put_file(path, local)
    if done != total:
        raise DataCorrupt(f"the index of {version.ref.path} has {done} pairs, not {total}")
    return Written(done, truncated_pairs(version))


def _groups(version: Shard, rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    def with_image(row: dict[str, Any]) -> dict[str, Any]:
        image = verified_image(version.store, version.path(row["shard"]), row)
        return {**row, "image": {"bytes": image, "path": row["file"]}}

    with read_ahead(with_image, rows) as complete:
        while group := list(islice(complete, _GROUP_ROWS)):
            yield group
