"""Tar files whose bytes depend only on their members, with the offset of each member's data."""

import tarfile
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self


class TarFile:
    """Writes a tar file (POSIX ustar; pax for long names), member by member.

    Headers contain no time, owner or host, so equal members produce equal bytes.
    """

    def __init__(self, target: Path | BinaryIO) -> None:
        self._file: BinaryIO = target.open("wb") if isinstance(target, Path) else target
        self._owned = isinstance(target, Path)
        self._tar = tarfile.TarFile(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name: str, data: bytes) -> tuple[int, int]:
        """Appends a member.

        Returns:
            Offset of the member's data in the tar file and its size, both in bytes.
        """
        header = tarfile.TarInfo(name)
        header.size = len(data)
        header.mode = 0o644
        self._tar.addfile(header, BytesIO(data))
        padded = -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        return self._tar.offset - padded, len(data)

    def close(self) -> None:
        """Writes the end of the archive."""
        self._tar.close()
        if self._owned:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
