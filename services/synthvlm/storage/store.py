"""One interface to local files, S3, Google Cloud Storage, Azure and memory, by obstore."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import obstore
import obstore.exceptions
from obstore.store import LocalStore, MemoryStore, from_url

from synthvlm.disk_space import full_disk_text, is_disk_full
from synthvlm.errors import (
    FieldViolation,
    InvalidInput,
    NotFound,
    OutOfSpace,
    PreconditionFailed,
    Unavailable,
)
from synthvlm.storage.refs import is_safe_path

_RETRY_SECONDS = 2.0
_BUFFER = 1 << 20
_SCHEMES = ("file", "s3", "gs", "az", "memory")

_memory_stores: dict[str, Any] = {}


class Store:
    """An object store's root; paths are relative to it, and objects are replaced whole.

    Raises, from every method: ``NotFound`` for an object that does not exist, ``InvalidInput`` for
    a path that leaves the root, ``PreconditionFailed`` when the store refuses the credentials,
    ``OutOfSpace`` when its disk is full, and ``Unavailable`` when it cannot be reached.
    """

    def __init__(self, uri: str, backend: Any) -> None:
        self.uri = uri
        self._backend = backend

    def read(self, path: str) -> bytes:
        """The whole object."""
        with _errors(self.uri, path):
            return bytes(obstore.get(self._backend, path).bytes())

    def read_range(self, path: str, offset: int, size: int) -> bytes:
        """``size`` bytes of the object from ``offset``; fewer where it ends before."""
        if size == 0:
            return b""
        with _errors(self.uri, path):
            try:
                return bytes(obstore.get_range(self._backend, path, start=offset, length=size))
            except obstore.exceptions.GenericError:
                # A range that begins behind the end is an error like any other to the backends.
                if offset < self.size(path):
                    raise
                return b""

    def write(self, path: str, data: bytes) -> None:
        """Creates or replaces the object, atomically."""
        with _errors(self.uri, path):
            obstore.put(self._backend, path, data)

    def write_if_absent(self, path: str, data: bytes) -> bool:
        """Creates the object, atomically, unless it exists.

        Returns:
            Whether this call created it.
        """
        with _errors(self.uri, path):
            try:
                obstore.put(self._backend, path, data, mode="create")
            except obstore.exceptions.AlreadyExistsError:
                return False
        return True

    def size(self, path: str) -> int:
        """Bytes of the object."""
        with _errors(self.uri, path):
            return int(obstore.head(self._backend, path)["size"])

    def exists(self, path: str) -> bool:
        """Whether the object exists."""
        try:
            self.size(path)
        except NotFound:
            return False
        return True

    def list(self, prefix: str) -> list[str]:
        """Paths of all objects below the folder ``prefix``, sorted."""
        with _errors(self.uri, prefix):
            batches = obstore.list(self._backend, prefix)
            return sorted(str(entry["path"]) for batch in batches for entry in batch)

    def delete(self, paths: Sequence[str]) -> None:
        """Removes objects; one that does not exist is not an error."""
        for path in paths:
            try:
                with _errors(self.uri, path):
                    obstore.delete(self._backend, path)
            except NotFound:
                continue

    def upload(self, path: str, local: Path) -> None:
        """Creates or replaces the object from a file of any size, atomically."""
        with _errors(self.uri, path):
            obstore.put(self._backend, path, local)

    def download(self, path: str, local: Path) -> None:
        """Writes the object to a file, in pieces."""
        with _errors(self.uri, path):
            chunks = iter(obstore.get(self._backend, path).stream())
        with local.open("wb") as file:
            while True:
                with _errors(self.uri, path):
                    chunk = next(chunks, None)
                if chunk is None:
                    return
                file.write(chunk)

    def open(self, path: str) -> BinaryIO:
        """A seekable binary file over the object that reads it in pieces, as they are asked for."""
        return io.BufferedReader(ObjectFile(self, path), _BUFFER)


class ObjectFile(io.RawIOBase):
    """An object of a store as a file that can be read from anywhere; each read is a range read.

    What goes wrong is raised as the store's errors.
    """

    def __init__(self, store: Store, path: str) -> None:
        super().__init__()
        self._store = store
        self._path = path
        self._size = store.size(path)
        self._position = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Offset of the next read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to ``offset`` from the start, the current place or the end."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills ``buffer`` as far as the object goes."""
        size = max(0, min(len(buffer), self._size - self._position))
        data = self._store.read_range(self._path, self._position, size)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def open_store(uri: str, allowed_roots: Sequence[str] | None = None) -> Store:
    """Opens the store at ``uri``; credentials come from the environment, as obstore documents.

    Args:
        uri: ``file:///folder`` (made when it does not exist), ``s3://bucket/prefix``, ``gs://…``,
            ``az://…``, or ``memory://name`` (one store a name and process).
        allowed_roots: Roots of which ``uri`` must be one or lie below; None: any.

    Raises:
        InvalidInput: ``uri`` is not understood or not allowed.
        Unavailable: The store cannot be reached.
    """
    root = uri.rstrip("/")
    scheme = root.partition("://")[0]
    if scheme not in _SCHEMES or ".." in root.split("/") or "\0" in root:
        raise _invalid(
            f"{uri!r} is not an object store; give file:///folder, s3://bucket/prefix, gs:// or az://"
        )
    if allowed_roots is not None and not any(_is_below(root, allowed) for allowed in allowed_roots):
        raise _invalid(f"the store {uri} is not one that this service may use")
    if scheme == "memory":
        return Store(root, _memory_stores.setdefault(root, MemoryStore()))
    with _errors(root, ""):
        if scheme == "file":
            # Percent-encoding in the URI would be undone by from_url: the path is taken as it is.
            folder = Path(root.removeprefix("file://"))
            return Store(root, LocalStore(folder, automatic_cleanup=True, mkdir=True))
        try:
            return Store(root, from_url(root))
        except ValueError as error:
            raise _invalid(f"{uri!r} is not the URL of an object store: {error}") from error


def file_uri(folder: Path) -> str:
    """The URI by which ``open_store`` finds a local folder."""
    return f"file://{folder.resolve()}"


def _is_below(root: str, allowed: str) -> bool:
    parent = allowed.rstrip("/")
    return root == parent or root.startswith(f"{parent}/")


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(message, [FieldViolation("store.uri", message)])


@contextmanager
def _errors(uri: str, path: str) -> Iterator[None]:
    if path and not is_safe_path(path):
        raise InvalidInput(f"{path!r} is not a path below {uri}")
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"{path} does not exist in {uri}") from error
    except (
        PermissionError,
        obstore.exceptions.PermissionDeniedError,
        obstore.exceptions.UnauthenticatedError,
    ) as error:
        raise PreconditionFailed(f"the store {uri} refuses access to {path or 'it'}") from error
    except (obstore.exceptions.GenericError, OSError) as error:
        if uri.startswith("file://") and is_disk_full(error):
            folder = uri.removeprefix("file://")
            raise OutOfSpace(full_disk_text(Path(folder)), {"folder": folder}) from error
        raise Unavailable(
            f"the store {uri} failed at {path or 'its root'}: {str(error).splitlines()[0]}",
            _RETRY_SECONDS,
        ) from error
