"""What a stage has made, one record at a time: its values, and where its bytes lie.

A record has an *identity*: the SHA-256 of everything that decides it. Two records of one identity
are the same, whatever shard they were made for; so what exists is taken, and never made again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from synthvlm.errors import NotFound
from synthvlm.storage.digests import canonical_json, sha256_bytes, sha256_digest
from synthvlm.storage.store import Store

IDENTITY_BYTES = 32
"""Bytes of an identity."""

Values = Mapping[str, Any]
"""A record's values by column."""


def identity_of(*decided_by: Any) -> bytes:
    """The identity of a record, from JSON values that hold all that decides it."""
    return sha256_bytes(canonical_json(decided_by))


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes within an object of a store; ``path`` is relative to the store's root."""

    path: str
    offset: int
    size: int
    sha256: str

    def read(self, store: Store) -> bytes | None:
        """The bytes; None where they are gone, or others are in their place."""
        try:
            data = store.read_range(self.path, self.offset, self.size)
        except NotFound:
            return None
        return data if sha256_digest(data) == self.sha256 else None


@dataclass(frozen=True, slots=True)
class Made:
    """A record that exists: its values, and where its bytes lie if it has any."""

    values: Values
    blob: Blob | None = None


class MadeIndex(Protocol):
    """Finds records of any shard and run by their identity; used from many threads.

    A hint, never the truth: what it finds is checked when it is read, and counts as not there when
    it is not what the index says.
    """

    def find(self, identities: Sequence[bytes]) -> dict[bytes, Made]:
        """The records that are known, by identity.

        Raises:
            Unavailable: The index cannot be asked.
        """

    def enter(self, made: Mapping[bytes, Made]) -> None:
        """Enters records; where one is known already, the new place replaces the old one.

        Raises:
            Unavailable: The index cannot be written.
        """

    def close(self) -> None:
        """Frees what it holds, after the last call."""


class _Nothing:
    def find(self, identities: Sequence[bytes]) -> dict[bytes, Made]:
        del identities
        return {}

    def enter(self, made: Mapping[bytes, Made]) -> None:
        """Forgets it."""

    def close(self) -> None:
        """Nothing is open."""


NOTHING: MadeIndex = _Nothing()
"""The index of those who look for nothing: a shard then knows its own parts alone."""
