"""The files of an ImageSet shard, made of finished batches."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthvlm.generation.encoding import ImageFormat
from synthvlm.storage import sha256_digest
from synthvlm.storage.schemas import IMAGES, IMAGES_FILE, IMAGES_TAR
from synthvlm.storage.shard_files import Row, ShardFiles
from synthvlm.storage.tar import TarFile


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
        """Appends images: what they are called, what was made, and their bytes as ``data``."""
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
