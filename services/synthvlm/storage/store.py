"""One interface to local files, S3, Google Cloud Storage, Azure and memory, by obstore."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import obstore
import obstore.exceptions
from obstore.store import AzureStore, GCSStore, LocalStore, MemoryStore, S3Store

from synthvlm.disk_space import full_disk_text, is_disk_full
from synthvlm.errors import InvalidInput, NotFound, OutOfSpace, PreconditionFailed, Unavailable
from synthvlm.storage import traffic
from synthvlm.storage.location import FILE, MEMORY, Location, redacted, refused
from synthvlm.storage.refs import is_safe_path

_RETRY_SECONDS = 2.0
_BUFFER = 1 << 20
_PIECE_BYTES = 5 << 20
_PIECES = 10_000
"""S3 takes at most so many pieces of an upload, of 5 MiB at least: with the least, 49 GiB."""
_REMOTE: dict[str, Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}

_memory_stores: dict[Location, Any] = {}


class Store:
    """An object store's root; paths are relative to it, and objects are replaced atomically.

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
            data = bytes(obstore.get(self._backend, path).bytes())
        traffic.got(len(data))
        return data

    def read_range(self, path: str, offset: int, size: int) -> bytes:
        """``size`` bytes of the object from ``offset``; fewer if it ends earlier."""
        if size == 0:
            return b""
        with _errors(self.uri, path):
            try:
                data = bytes(obstore.get_range(self._backend, path, start=offset, length=size))
            except obstore.exceptions.GenericError:
                # Backends do not distinguish a range that begins past the end from other errors.
                if offset < self.size(path):
                    raise
                return b""
        traffic.got(len(data))
        return data

    def write(self, path: str, data: bytes) -> None:
        """Creates or replaces the object, atomically."""
        with _errors(self.uri, path):
            obstore.put(self._backend, path, data)
        traffic.put(len(data))

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
        traffic.put(len(data))
        return True

    def size(self, path: str) -> int:
        """Bytes of the object."""
        traffic.asked("head")
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
        return list(self.sizes(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        """Bytes of all objects below the folder ``prefix``, by path and in its order."""
        traffic.asked("list")
        with _errors(self.uri, prefix):
            batches = obstore.list(self._backend, prefix)
            sizes = {str(entry["path"]): int(entry["size"]) for batch in batches for entry in batch}
        return dict(sorted(sizes.items()))

    def delete(self, paths: Sequence[str]) -> None:
        """Removes objects; one that does not exist is not an error."""
        for path in paths:
            traffic.asked("delete")
            try:
                with _errors(self.uri, path):
                    obstore.delete(self._backend, path)
            except NotFound:
                continue

    def upload(self, path: str, local: Path) -> None:
        """Creates or replaces the object from a file of any size, atomically."""
        size = local.stat().st_size
        with _errors(self.uri, path):
            obstore.put(self._backend, path, local, chunk_size=piece_bytes(size))
        traffic.put(size)

    def download(self, path: str, local: Path) -> None:
        """Writes the object to a file, in pieces."""
        with _errors(self.uri, path):
            chunks = iter(obstore.get(self._backend, path).stream())
        with local.open("wb") as file:
            while True:
                with _errors(self.uri, path):
                    chunk = next(chunks, None)
                if chunk is None:
                    break
                file.write(chunk)
            traffic.got(file.tell())

    def open(self, path: str) -> BinaryIO:
        """A seekable binary file over the object, which reads it in pieces on demand."""
        return io.BufferedReader(ObjectFile(self, path), _BUFFER)


def piece_bytes(size: int) -> int:
    """Bytes of the pieces in which a file of ``size`` bytes is uploaded."""
    return max(_PIECE_BYTES, -(-size // _PIECES))


class ObjectFile(io.RawIOBase):
    """A stored object as a seekable file; each read is a range read.

    Failures are raised as the store's errors.
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
        """Moves to ``offset`` from the start, the current position or the end."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills ``buffer`` up to the end of the object."""
        size = max(0, min(len(buffer), self._size - self._position))
        data = self._store.read_range(self._path, self._position, size)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def open_store(location: Location) -> Store:
    """Opens the store at ``location``; credentials come from the environment, as obstore documents.

    A local folder is made when it does not exist; a ``memory`` store lives as long as the process.
    Nothing else opens a store. Who acts for a caller asks ``Roots.require`` for the location.

    Raises:
        InvalidInput: The store refuses the location, or links lead it in a circle.
        Unavailable: The store cannot be reached.
    """
    location = location.canonical()
    if location.scheme == MEMORY:
        return Store(location.uri, _memory_stores.setdefault(location, MemoryStore()))
    with _errors(location.uri, ""):
        if location.scheme == FILE:
            return Store(
                location.uri, LocalStore(location.folder, automatic_cleanup=True, mkdir=True)
            )
        prefix = "/".join(location.segments) or None
        try:
            # The bucket and the prefix, not their text: no URI is parsed a second time.
            return Store(location.uri, _REMOTE[location.scheme](location.authority, prefix=prefix))
        except ValueError as error:
            raise refused(
                f"{location.uri} cannot be opened: {redacted(str(error)).splitlines()[0]}"
            ) from error


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
        raise PreconditionFailed(f"the store {uri} denies access to {path or 'it'}") from error
    except (obstore.exceptions.GenericError, OSError) as error:
        if uri.startswith("file://") and is_disk_full(error):
            folder = uri.removeprefix("file://")
            raise OutOfSpace(full_disk_text(Path(folder)), {"folder": folder}) from error
        raise Unavailable(
            f"the store {uri} failed at {path or 'its root'}: "
            f"{redacted(str(error)).splitlines()[0]}",
            _RETRY_SECONDS,
        ) from error
    except BaseException as error:
        # The library panics at an endpoint that is not a URL; its class cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise PreconditionFailed(
            f"the store {uri} cannot be used: the environment of this process describes its "
            f"endpoint wrongly"
        ) from error
