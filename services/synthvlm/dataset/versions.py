"""Finding versions by human-readable references, and opening them in their stores."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from synthvlm.dataset.catalogue import Catalogue, Entry
from synthvlm.errors import FieldViolation, InvalidInput, NotFound, PreconditionFailed
from synthvlm.storage import (
    Location,
    Roots,
    Shard,
    Store,
    open_shard,
    open_store,
    parse_location,
)

NAME = r"[a-z0-9][a-z0-9-]{0,63}"
"""Pattern of a dataset name."""

_REFERENCE = re.compile(rf"(?P<name>{NAME})(@((?P<number>[1-9]\d{{0,8}})|(?P<digest>.+)))?")
_DIGEST_PREFIX = re.compile(r"sha256:[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Reference:
    """A reference to a version: by number, by digest prefix, or by neither for the newest."""

    name: str
    number: int | None = None
    digest: str = ""


def parse_reference(text: str) -> Reference:
    """Parses ``NAME``, ``NAME@3`` or ``NAME@sha256:…``.

    Raises:
        ValueError: It is none of these; the message says what would be valid.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None or (match["digest"] and not _DIGEST_PREFIX.fullmatch(match["digest"])):
        raise ValueError(
            "must be NAME, NAME@3 or NAME@sha256:… with at least eight hexadecimal digits"
        )
    number = int(match["number"]) if match["number"] else None
    return Reference(match["name"], number, match["digest"] or "")


def find_version(catalogue: Catalogue, reference: Reference, field: str) -> Entry:
    """The version that a reference names.

    Args:
        catalogue: Where to look.
        reference: What to look for.
        field: The request field that held the reference, for error messages.

    Raises:
        NotFound: There is no such version.
        InvalidInput: Several versions match the digest prefix.
    """
    if reference.number is not None:
        return catalogue.numbered(reference.name, reference.number)
    if not reference.digest:
        return catalogue.newest(reference.name)
    found = catalogue.digested(reference.name, reference.digest, limit=3)
    if not found:
        catalogue.newest(reference.name)  # raises if there is no such dataset
        raise NotFound(
            f"the dataset {reference.name!r} has no version whose digest begins with "
            f"{reference.digest}"
        )
    if len(found) > 1:
        candidates = ", ".join(f"{one.label} ({one.ref.digest[:27]}…)" for one in found)
        problem = f"is ambiguous: {candidates}; give more digits"
        raise InvalidInput(f"{field} {problem}", [FieldViolation(field, problem)])
    return found[0]


class Stores:
    """Opens versions in the stores that the service may use."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots = Roots(roots)

    def open(self, location: Location) -> Store:
        """The store that a request names.

        Raises:
            InvalidInput: The service may not use it.
        """
        return open_store(self._roots.require(location))

    def listed(self, uri: str) -> Store:
        """The store where something is, according to the catalogue.

        A service of a single store looks there for what lay elsewhere before: its folder may have
        been moved or copied. Everything is found by path and known by its digest.

        Raises:
            PreconditionFailed: The service may not use it.
        """
        try:
            return self.open(parse_location(uri))
        except InvalidInput as error:
            if (only := self._roots.only) is not None:
                return open_store(only)
            raise PreconditionFailed(
                f"according to the catalogue this is in {uri}, which the service may not use; "
                f"add it to store_roots or, if it was moved, run "
                f"`synthvlm datasets reindex`, or `python -m synthvlm.dataset.reindex` on its place"
            ) from error

    def version(self, entry: Entry) -> Shard:
        """A version, open for reading.

        Raises:
            PreconditionFailed: As ``listed``.
            NotFound: The store no longer contains it.
            DataCorrupt: Its manifest is damaged.
        """
        return open_shard(self.listed(entry.store_uri), entry.ref)
