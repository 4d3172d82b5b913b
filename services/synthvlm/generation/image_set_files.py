"""The files of an ImageSet shard, made of finished batches."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from synthvlm.generation.encoding import ImageFormat
from synthvlm.storage import sha256_digest
from synthvlm.storage.schemas import IMAGES, IMAGES_FILE, IMAGES_TAR
from synthvlm.storage.shard_files import Row, ShardFiles
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


class ImageSetFiles(ShardFiles):
    """The images in a tar, their index, and the images that could not be made.

    Images go straight to the tar file.
    """

    def __init__(self, folder: Path, image_format: ImageFormat) -> None:
        super().__init__(folder, IMAGES_FILE, IMAGES)
        self.paths[IMAGES_TAR] = folder / IMAGES_TAR
        self._tar = TarFile(self.paths[IMAGES_TAR])
        self._format = image_format
        self._truncated = 0

    @property
    def counts(self) -> dict[str, int]:
        """Prompts that were truncated, and failures by reason."""
        return {"truncated_prompts": self._truncated, **super().counts}

    def add(self, rows: Sequence[Row]) -> None:
        """Appends a finished batch: rows of ``PART``."""
        self._truncated += sum(row["truncated"] for row in rows)
        self.append(
            made=[self._indexed(row) for row in rows if not row["defect"]],
            failed=[{**row, "reason": row["defect"]} for row in rows if row["defect"]],
        )

    def close(self) -> None:
        """Finishes the files."""
        self._tar.close()
        super().close()

    def _indexed(self, row: Row) -> dict[str, Any]:
        """Puts the image into the tar; its row of the index."""
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
