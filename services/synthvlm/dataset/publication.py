"""A committed version enters the catalogue; a lost catalogue is filled again from the store."""

from dataclasses import dataclass

import structlog

from synthvlm.dataset import assembly, index
from synthvlm.dataset.assembly import Assembled
from synthvlm.dataset.catalogue import Catalogue, Entry
from synthvlm.dataset.provenance import Maker, Provenance, read_provenance, write_provenance
from synthvlm.progress import Reporter
from synthvlm.storage import ShardRef, Store
from synthvlm.storage.manifest import MANIFEST, Manifest, read_manifest

_log = structlog.get_logger(__name__)


def publish(
    catalogue: Catalogue, store: Store, name: str, assembled: Assembled, maker: Maker
) -> Entry:
    """Enters a version in the catalogue and records its provenance beside its manifest.

    Idempotent, and right after a kill at any point: a version that is committed but not entered is
    entered by the next call, one that is entered keeps its number.
    """
    ref = assembled.ref
    known = read_provenance(store, ref.path)
    entry = catalogue.enter(name, ref, store.uri, assembled.bytes, maker, known)
    if known is None:
        write_provenance(store, ref.path, entry.provenance)
    elif known != entry.provenance:
        # Two catalogues over one store, or versions made between a loss and the reindexing.
        _log.warning("version_renumbered", version=entry.label, recorded=known.number)
    return entry


@dataclass(frozen=True)
class Reindexed:
    """What a store held: versions and indexes of images, now in the catalogue."""

    versions: int
    indexes: int


@dataclass(frozen=True)
class _Found:
    ref: ShardRef
    manifest: Manifest
    provenance: Provenance | None


def reindex(catalogue: Catalogue, store: Store, maker: Maker, reporter: Reporter) -> Reindexed:
    """Enters everything that a store holds in the catalogue, versions under their old numbers.

    Raises:
        DataCorrupt: A manifest or provenance is damaged.
    """
    versions = [
        _Found(ref, manifest, read_provenance(store, ref.path))
        for ref, manifest in _committed(store, assembly.KIND, reporter)
    ]
    # In their old order; those that were never entered come last.
    versions.sort(key=lambda one: (one.provenance is None, _time_and_number(one), one.ref.digest))
    for one in versions:
        reporter.check()
        size = sum(entry.size for entry in one.manifest.files)
        name = str(one.manifest.configuration["name"])
        publish(catalogue, store, name, Assembled(one.ref, size), maker)
    indexes = list(_committed(store, index.KIND, reporter))
    for ref, _ in indexes:
        catalogue.enter_index(ref, store.uri)
    return Reindexed(len(versions), len(indexes))


def _time_and_number(found: _Found) -> tuple[int, int]:
    provenance = found.provenance
    return (provenance.create_time, provenance.number) if provenance is not None else (0, 0)


def _committed(store: Store, kind: str, reporter: Reporter) -> list[tuple[ShardRef, Manifest]]:
    found = []
    for path in store.list(kind):
        reporter.check()
        folder, _, file = path.rpartition("/")
        if file == MANIFEST:
            manifest = read_manifest(store, folder)
            found.append((ShardRef(folder, manifest.digest, manifest.records), manifest))
    return found
