"""Which files the service may read, and how their bytes are reached."""

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from synthvlm.errors import FieldViolation, InvalidInput, NotFound, PreconditionFailed
from synthvlm.storage import Store, open_store

_LOCAL = "file://"


@dataclass(frozen=True)
class Blob:
    """A file that exists, local or in an object store.

    Attributes:
        reference: How the caller names it.
        name: Its name without folders.
        local: Where it is; None: in ``store``.
        store: The folder of the object; None: a local file.
    """

    reference: str
    name: str
    local: Path | None
    store: Store | None

    def open(self) -> BinaryIO:
        """Opens the file for reading; seekable.

        Raises:
            NotFound: It is gone.
            PreconditionFailed: It cannot be read.
        """
        if self.store is not None:
            return self.store.open(self.name)
        try:
            return self._path.open("rb")
        except FileNotFoundError as error:
            raise NotFound(f"{self.reference} does not exist") from error
        except OSError as error:
            raise PreconditionFailed(
                f"{self.reference} cannot be read: {error.strerror}"
            ) from error

    def size(self) -> int:
        """Bytes of the file."""
        return self.store.size(self.name) if self.store else self._path.stat().st_size

    def version(self) -> str:
        """Differs when the file has been changed meanwhile; of an object, only its size tells."""
        if self.store is not None:
            return str(self.store.size(self.name))
        status = self._path.stat()
        return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"

    @property
    def _path(self) -> Path:
        assert self.local is not None  # noqa: S101 - one of the two is given
        return self.local


class Locations:
    """The folders and object stores below which files may be read.

    Args:
        roots: Absolute folders, and URLs of folders of object stores.
    """

    def __init__(self, roots: Sequence[str]) -> None:
        self._folders = [
            Path(root.removeprefix(_LOCAL)).resolve() for root in roots if _is_local(root)
        ]
        self._stores = [root for root in roots if not _is_local(root)]

    def find(self, reference: str, field: str) -> Blob:
        """Finds a file.

        Args:
            reference: An absolute path or the URL of an object.
            field: Path of the request's field that names it.

        Raises:
            InvalidInput: It does not refer to a file, or to one that the service may not read.
            NotFound: It does not exist.
        """
        if not _is_local(reference):
            return self._find_object(reference, field)
        path = Path(reference.removeprefix(_LOCAL))
        if not path.is_absolute() or "\0" in reference:
            raise _invalid(field, f"{reference!r} is neither an absolute path nor a URL")
        if not self._may_read(path):
            raise _invalid(field, f"{reference} lies where this service may not read")
        try:
            mode = path.stat().st_mode
        except PermissionError as error:
            raise PreconditionFailed(f"{reference} cannot be read: permission denied") from error
        except OSError as error:
            raise NotFound(f"{reference} does not exist", {"file": reference}) from error
        if stat.S_ISDIR(mode):
            raise _invalid(field, f"{reference} is a directory; give a file")
        if not stat.S_ISREG(mode):
            raise _invalid(field, f"{reference} is not a regular file")
        return Blob(reference, path.name, path, None)

    def local_folder(self, reference: str) -> Path | None:
        """The local folder that ``reference`` names, if it exists and may be read."""
        path = Path(reference)
        if "\0" in reference or not path.is_absolute() or not self._may_read(path):
            return None
        return path if path.is_dir() else None

    def _find_object(self, reference: str, field: str) -> Blob:
        folder, _, name = reference.rpartition("/")
        if not name or folder.endswith("/"):
            raise _invalid(
                field, f"{reference!r} does not name an object; give s3://bucket/folder/file"
            )
        try:
            store = open_store(folder, self._stores)
            store.size(name)
        except InvalidInput as error:
            raise _invalid(field, error.message) from error
        return Blob(reference, name, None, store)

    def _may_read(self, path: Path) -> bool:
        # Links are followed first: they must not lead out of what is allowed.
        try:
            resolved = path.resolve()
        except (OSError, RuntimeError):
            # Links that lead in a circle lead nowhere.
            return False
        return any(resolved.is_relative_to(folder) for folder in self._folders)


def _is_local(reference: str) -> bool:
    return "://" not in reference or reference.startswith(_LOCAL)


def _invalid(field: str, problem: str) -> InvalidInput:
    return InvalidInput(problem, [FieldViolation(field, problem)])
