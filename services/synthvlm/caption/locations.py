"""Which files the service may read, and how their bytes are reached.

A local file is judged by what was opened, not by its name: between a look at a name and its use,
somebody else may put a link in its place.
"""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from synthvlm.errors import FieldViolation, InvalidInput, NotFound, PreconditionFailed
from synthvlm.storage import Location, Roots, Store, open_store, parse_location
from synthvlm.storage.location import FILE, redacted, shown

_LOCAL = "file://"
_OPENED = Path("/proc/self/fd")
# A pipe is not waited for, and a terminal does not become this process's.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True)
class Blob:
    """A file that exists, local or in an object store.

    Attributes:
        reference: How the caller names it.
        name: Its name without folders.
        local: Where it is, links followed; None: in ``store``.
        store: The folder of the object; None: a local file.
        roots: Where it must still be when it is opened.
    """

    reference: str
    name: str
    local: Path | None
    store: Store | None
    roots: Roots

    def open(self) -> BinaryIO:
        """Opens the file for reading; seekable.

        Raises:
            NotFound: It is gone.
            PreconditionFailed: It cannot be read, or its place has been taken by something else.
        """
        if self.store is not None:
            return self.store.open(self.name)
        return os.fdopen(self._descriptor(), "rb")

    def size(self) -> int:
        """Bytes of the file."""
        return self.store.size(self.name) if self.store else self._status().st_size

    def version(self) -> str:
        """Differs when the file has been changed meanwhile; of an object, only its size tells."""
        if self.store is not None:
            return str(self.store.size(self.name))
        status = self._status()
        return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"

    def _status(self) -> os.stat_result:
        descriptor = self._descriptor()
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def _descriptor(self) -> int:
        assert self.local is not None  # noqa: S101 - one of the two is given
        try:
            descriptor = os.open(self.local, _FLAGS)
        except FileNotFoundError as error:
            raise NotFound(f"{self.reference} does not exist") from error
        except OSError as error:
            raise PreconditionFailed(
                f"{self.reference} cannot be read: {error.strerror}"
            ) from error
        opened = (_OPENED / str(descriptor)).readlink()
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if not is_file or not self.roots.cover(_place(opened)):
            os.close(descriptor)
            raise PreconditionFailed(
                f"{self.reference} has been replaced by something that this service may not read"
            )
        return descriptor


class Locations:
    """The folders and object stores below which files may be read.

    Args:
        roots: Absolute folders, and URIs of folders of object stores.

    Raises:
        InvalidInput: One of them is neither.
    """

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots = Roots(roots)

    def find(self, reference: str, field: str) -> Blob:
        """Finds a file.

        Args:
            reference: An absolute path, taken as it is, or the URI of a file or an object.
            field: Path of the request's field that names it.

        Raises:
            InvalidInput: It does not refer to a file, or to one that the service may not read.
            NotFound: It does not exist.
            PreconditionFailed: It cannot be read.
        """
        if not _is_local(reference):
            return self._find_object(reference, field)
        named = _local_path(reference, field)
        path = self._readable(named)
        if path is None:
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
        # What it is called says what is in it, whatever a link leads to is called.
        return Blob(reference, named.name, path, None, self._roots)

    def below(self, reference: str, field: str) -> list[str]:
        """The files below a folder, sorted, each as ``find`` takes it.

        Args:
            reference: The URL of a folder of an object store, or a local one's path or URI.
            field: Path of the request's field that names it.

        Raises:
            InvalidInput: It is not a folder, or not one that the service may read.
            NotFound: It is a local folder that does not exist.
            Unavailable: The store cannot be reached.
        """
        if _is_local(reference):
            folder = self._readable(_local_path(reference, field))
            if folder is None:
                raise _invalid(field, f"{reference} lies where this service may not read")
            if not folder.is_dir():
                raise NotFound(f"the folder {reference} does not exist", {"file": reference})
            return sorted(str(path) for path in folder.rglob("*") if path.is_file())
        try:
            location = self._roots.require(parse_location(reference.rstrip("/")))
        except InvalidInput as error:
            raise _invalid(field, error.message) from error
        found = []
        for path in open_store(location).list(""):
            *folders, name = path.split("/")
            place = replace(location, segments=(*location.segments, *folders))
            found.append(f"{place.uri}/{name}")
        return found

    def local_folder(self, reference: str) -> Path | None:
        """The local folder that ``reference`` names, if it exists and may be read."""
        if "\0" in reference or not reference.startswith("/"):
            return None
        path = self._readable(Path(reference))
        return path if path is not None and path.is_dir() else None

    def _find_object(self, reference: str, field: str) -> Blob:
        folder, _, name = reference.rpartition("/")
        if not name or folder.endswith("/"):
            raise _invalid(
                field, f"{shown(reference)} does not name an object; give s3://bucket/folder/file"
            )
        try:
            store = open_store(self._roots.require(parse_location(folder)))
            store.size(name)
        except InvalidInput as error:
            raise _invalid(field, error.message) from error
        return Blob(reference, name, None, store, self._roots)

    def _readable(self, path: Path) -> Path | None:
        """Where ``path`` leads to; None: to where nothing may be read."""
        # Links are followed first: they must not lead out of what is allowed.
        try:
            resolved = path.resolve()
        except (OSError, RuntimeError):
            return None  # links that lead in a circle lead nowhere
        return resolved if self._roots.cover(_place(resolved)) else None


def _place(resolved: Path) -> Location:
    return Location(FILE, "", resolved.parts[1:])


def _is_local(reference: str) -> bool:
    return "://" not in reference or reference.startswith(_LOCAL)


def _local_path(reference: str, field: str) -> Path:
    if reference.startswith(_LOCAL):
        try:
            return parse_location(reference).folder
        except InvalidInput as error:
            raise _invalid(field, error.message) from error
    if not reference.startswith("/") or "\0" in reference:
        raise _invalid(field, f"{shown(reference)} is neither an absolute path nor a URL")
    return Path(reference)


def _invalid(field: str, problem: str) -> InvalidInput:
    problem = redacted(problem)
    return InvalidInput(problem, [FieldViolation(field, problem)])
