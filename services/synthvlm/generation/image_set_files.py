"""The files of an ImageSet shard, assembled from finished batches."""

from collections import Counter
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from synthvlm.generation.encoding import ImageFormat
from synthvlm.storage import sha256_digest
from synthvlm.storage.parts import failure_counts, part_rows
from synthvlm.storage.schemas import FAILED, IMAGES
from synthvlm.storage.tables import TableFile
from synthvlm.storage.tar import TarFile

PART = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("caption_id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("repeat", pa.int32(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("truncated", pa.bool_(), nullable=False),
        pa.field("data", pa.binary(), nullable=True),
        pa.field("defect", pa.string(), nullable=True),
    ]
)
"""A finished batch. ``data`` is the encoded image; null where ``defect`` says why there is none."""


class Assembly:
    """The shard's files, growing part by part in a local folder.

    Holds one row group of the index in memory; images go straight to the tar file.

    Attributes:
        files: The files by name: ``images.tar`` (WebDataset: each image and its caption as
            ``.txt``), ``images.parquet`` (its index) and ``failed.parquet``. Whole after the
            ``with`` block.
    """

    def __init__(self, folder: Path, image_format: ImageFormat) -> None:
        self.files = {
            name: folder / name for name in ("images.tar", "images.parquet", "failed.parquet")
        }
        self._format = image_format
        self._tar = TarFile(self.files["images.tar"])
        self._images = TableFile(self.files["images.parquet"], IMAGES)
        self._failed = TableFile(self.files["failed.parquet"], FAILED)
        self._failures: Counter[str] = Counter()
        self._truncated = 0

    @property
    def counts(self) -> dict[str, int]:
        """Counts for the manifest."""
        return {"truncated_prompts": self._truncated, **failure_counts(self._failures)}

    @property
    def generated(self) -> int:
        """Images so far."""
        return self._images.rows

    @property
    def file_records(self) -> dict[str, int]:
        """Rows of the tables, for the manifest."""
        return {"images.parquet": self._images.rows, "failed.parquet": self._failed.rows}

    def add(self, part: bytes) -> None:
        """Appends a finished batch."""
        made, failed = [], []
        for row in part_rows(part):
            self._truncated += row["truncated"]
            if row["defect"]:
                self._failures[row["defect"]] += 1
                failed.append({**row, "reason": row["defect"]})
            else:
                made.append(self._index(row))
        self._images.write(pa.Table.from_pylist(made, IMAGES))
        self._failed.write(pa.Table.from_pylist(failed, FAILED))

    def _index(self, row: dict[str, Any]) -> dict[str, Any]:
        file = f"{row['image_id']}.{self._format.extension}"
        offset, size = self._tar.add(file, row["data"])
        self._tar.add(f"{row['image_id']}.txt", row["text"].encode())
        return {
            **row,
            "file": file,
            "media_type": self._format.media_type,
            "offset": offset,
            "size": size,
            "sha256": sha256_digest(row["data"]),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._tar, self._images, self._failed):
            file.close()
