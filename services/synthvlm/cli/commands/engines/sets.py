"""Sets of TensorRT engines in a store."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from synthvlm.errors import NotFound
from synthvlm.storage import Manifest, Store
from synthvlm.storage.manifest import MANIFEST, read_manifest

KIND = "engines"
"""The shard kind of a set of engines."""


@dataclass(frozen=True)
class EngineSet:
    """A set of engines in a store, in the folder ``path`` below the store's root."""

    path: str
    manifest: Manifest

    @property
    def id(self) -> str:
        """Its name within its kind."""
        return self.path.removeprefix(f"{KIND}/")

    @property
    def bytes(self) -> int:
        """Size of all engines."""
        return sum(entry.size for entry in self.manifest.files)

    def to_json(self) -> dict[str, Any]:
        """The content of ``--json``."""
        return {
            "id": self.id,
            "path": self.path,
            "digest": self.manifest.digest,
            "bytes": self.bytes,
            **self.manifest.model_dump(mode="json"),
        }


def engine_sets(store: Store) -> Iterator[EngineSet]:
    """All sets of engines in a store, by path.

    Raises:
        DataCorrupt: A manifest is damaged.
    """
    for path in store.list(KIND):
        folder, _, name = path.rpartition("/")
        if name == MANIFEST:
            yield EngineSet(folder, read_manifest(store, folder))


def engine_set(store: Store, beginning: str) -> EngineSet:
    """The one set of engines whose id starts with ``beginning``.

    Raises:
        NotFound: There is none, or more than one.
    """
    found = [one for one in engine_sets(store) if one.id.startswith(beginning)]
    if len(found) != 1:
        raise NotFound(
            f"{len(found) or 'no'} sets of engines in {store.uri} have an id that begins with "
            f"{beginning!r}; `synthvlm engines list` shows all"
        )
    return found[0]
