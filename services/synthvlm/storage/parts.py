"""Finished batches of a shard, and counts of their failures.

A part is an object below ``parts/``: an Arrow stream with the records' identities and values, then
their bytes. What lies where is in the stream, so that a record's bytes are one range read, and a
part's records are known without reading their bytes.
"""

import io
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from synthvlm.storage.digests import sha256_bytes, sha256_digest
from synthvlm.storage.made import IDENTITY_BYTES, Blob, Made, Values
from synthvlm.storage.store import Store

_FAILED = "failed:"
_DIGEST_LENGTH = len(sha256_digest(b""))
_SIZE_LENGTH = 12
_PREFIX_LENGTH = _DIGEST_LENGTH + _SIZE_LENGTH
_FIRST_READ = 1 << 16
"""More than the stream of most parts has."""

_IDENTITY = pa.field("identity", pa.binary(IDENTITY_BYTES), nullable=False)
_PLACE = (
    pa.field("blob_offset", pa.int64(), nullable=True),
    pa.field("blob_size", pa.int64(), nullable=True),
    pa.field("blob_sha256", pa.string(), nullable=True),
)


@dataclass(frozen=True, slots=True)
class Fresh:
    """A record that has just been made: its values, and its bytes if it has any."""

    values: Values
    data: bytes | None = None


@dataclass(frozen=True)
class Part:
    """A finished batch: where it goes, its bytes, and its records as they will lie there."""

    path: str
    data: bytes
    made: dict[bytes, Made]


def new_part(
    folder: str, first: int, fresh: Sequence[tuple[bytes, Fresh]], columns: pa.Schema
) -> Part:
    """A part of freshly made records; nothing is written yet.

    Equal records give an equal part of equal name, whoever makes them.

    Args:
        folder: The folder of the parts.
        first: Place of the first of the records in the shard's order, from 0; the name begins with
            it, so that the parts of a shard are found in that order.
        fresh: The records with their identities, in the shard's order.
        columns: Columns of their values.
    """
    rows, offset = [], 0
    for identity, one in fresh:
        row = {**one.values, "identity": identity}
        if one.data is not None:
            row |= {
                "blob_offset": offset,
                "blob_size": len(one.data),
                "blob_sha256": sha256_digest(one.data),
            }
            offset += len(one.data)
        rows.append(row)
    schema = pa.schema([_IDENTITY, *columns, *_PLACE])
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema))
    stream = buffer.getvalue()
    prefix = sha256_digest(stream).encode() + f"{len(stream):0{_SIZE_LENGTH}d}".encode()
    name = sha256_bytes(b"".join(identity for identity, _ in fresh)).hex()[:16]
    path = f"{folder}/{first:010d}-{name}"
    made = _made(rows, path, len(prefix) + len(stream))
    data = b"".join([prefix, stream, *(one.data for _, one in fresh if one.data is not None)])
    return Part(path, data, made)


def read_part(store: Store, path: str, size: int) -> dict[bytes, Made]:
    """The records of a part of ``size`` bytes; none where it is torn or damaged.

    Whether the records' own bytes are damaged shows when they are read.

    Raises:
        NotFound: There is no such part.
    """
    head = store.read_range(path, 0, _FIRST_READ)
    digest, length = head[:_DIGEST_LENGTH], head[_DIGEST_LENGTH:_PREFIX_LENGTH]
    if not length.isdigit():
        return {}
    start = _PREFIX_LENGTH + int(length)
    stream = head[_PREFIX_LENGTH:start]
    if start > len(head):
        stream += store.read_range(path, len(head), start - len(head))
    if sha256_digest(stream).encode() != digest:
        return {}
    rows = pa.ipc.open_stream(stream).read_all().to_pylist()
    if start + sum(row["blob_size"] or 0 for row in rows) != size:
        return {}
    return _made(rows, path, start)


def _made(rows: Iterable[Values], path: str, start: int) -> dict[bytes, Made]:
    made = {}
    for row in rows:
        values = dict(row)
        identity: bytes = values.pop("identity")
        offset, size, sha256 = (values.pop(field.name, None) for field in _PLACE)
        blob = None if offset is None else Blob(path, start + offset, size, sha256)
        made[identity] = Made(values, blob)
    return made


class Parts:
    """The parts that earlier attempts at a shard have left, read as far as they are needed.

    Args:
        store: The store.
        folder: The folder of the parts.
    """

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._sizes = store.sizes(folder)
        self._waiting = deque(self._sizes)
        self._made: dict[bytes, Made] = {}

    def take(self, identities: Iterable[bytes], end: int) -> dict[bytes, Made]:
        """The records that parts hold, by identity. Each is given once.

        Args:
            identities: Of records in the shard's order, following those of the call before.
            end: Place of the first record behind them.
        """
        while self._waiting and _first(self._waiting[0]) < end:
            path = self._waiting.popleft()
            self._made.update(read_part(self._store, path, self._sizes[path]))
        found = {}
        for identity in identities:
            made = self._made.pop(identity, None)
            if made is not None:
                found[identity] = made
        return found


def _first(path: str) -> int:
    number = path.rpartition("/")[2].partition("-")[0]
    return int(number) if number.isdigit() else 0


def failure_counts(failures: Counter[str]) -> dict[str, int]:
    """Failures by reason as a manifest's counts, sorted by reason."""
    return {f"{_FAILED}{reason}": count for reason, count in sorted(failures.items())}


def failures_of(counts: Mapping[str, int]) -> dict[str, int]:
    """Failures by reason from a manifest's counts, which may include other counts."""
    return {
        name.removeprefix(_FAILED): count
        for name, count in counts.items()
        if name.startswith(_FAILED)
    }
