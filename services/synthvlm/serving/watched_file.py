"""A secret's file: read again when it has changed, as mounted Kubernetes secrets do."""

from pathlib import Path


class WatchedFile:
    """The content of a file, as it is now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._content = b""

    def read(self) -> bytes:
        """The file's present content.

        Raises:
            OSError: It cannot be read.
        """
        status = self.path.stat()
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if stamp != self._stamp:
            self._content = self.path.read_bytes()
            self._stamp = stamp
        return self._content
