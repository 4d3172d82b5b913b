"""Sets of engines in the object store: finding the right one, waiting for it, rejecting others."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from synthvlm.errors import DataCorrupt, PreconditionFailed
from synthvlm.generation.tensorrt.identity import KIND, EngineIdentity, mismatches
from synthvlm.storage import Commit, Shard, ShardRef, Store, open_shard
from synthvlm.storage.manifest import MANIFEST, read_manifest

COMPONENTS = "components"
"""Key of a manifest's details: information on each component, by name."""

FILE = "file"
"""Key of a component's details: the name of its engine's file."""

_POLL_SECONDS = 2.0
_REMIND_SECONDS = 60.0
_NAMED = 3  # wrong sets that a refusal describes

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class EngineSet:
    """A committed set of engines, and what it was built for."""

    path: str
    identity: EngineIdentity


def stored_engines(store: Store) -> Iterator[EngineSet]:
    """All committed sets of engines in a store, by path; damaged ones are skipped."""
    for path in store.list(KIND):
        folder, _, name = path.rpartition("/")
        if name != MANIFEST:
            continue
        try:
            manifest = read_manifest(store, folder)
        except DataCorrupt:
            continue
        if identity := EngineIdentity.of(manifest):
            yield EngineSet(folder, identity)


def await_engines(store: Store, wanted: EngineIdentity, wait_seconds: float) -> Shard:
    """The set of engines that a server needs; waits for the job that builds it.

    Args:
        store: Where engines are stored.
        wanted: What they must be built for.
        wait_seconds: How long to wait.

    Raises:
        PreconditionFailed: It did not appear in time. The message says what was expected, what was
            found instead, and how to build the right one.
        DataCorrupt: The set is damaged.
    """
    commit = Commit(store, wanted.key)
    began = reminded = time.monotonic()
    while (ref := commit.find()) is None:
        now = time.monotonic()
        if now - began >= wait_seconds:
            raise PreconditionFailed(refusal(wanted, list(stored_engines(store))))
        if reminded == began or now - reminded >= _REMIND_SECONDS:
            reminded = now
            _log.info("waiting for TensorRT engines", path=commit.path, store=store.uri)
        time.sleep(min(_POLL_SECONDS, wait_seconds))
    return opened(store, ref, wanted)


def opened(store: Store, ref: ShardRef, wanted: EngineIdentity) -> Shard:
    """Opens a set of engines, and checks that its manifest matches its location.

    Raises:
        PreconditionFailed: It was built for something else.
        DataCorrupt: It is damaged.
    """
    shard = open_shard(store, ref)
    found = EngineIdentity.of(shard.manifest)
    if found is None:
        raise DataCorrupt(f"{ref.path} is not a valid set of TensorRT engines; delete the folder")
    if found != wanted:
        raise PreconditionFailed(refusal(wanted, [EngineSet(ref.path, found)]))
    return shard


def engine_files(shard: Shard, folder: Path) -> dict[str, Path]:
    """Downloads the engines of a set, checking each against its digest.

    Returns:
        Local files by component, for example ``base-unet``.

    Raises:
        DataCorrupt: An engine is missing or damaged.
    """
    return {
        name: shard.download(str(details[FILE]), folder)
        for name, details in shard.manifest.details.get(COMPONENTS, {}).items()
    }


def refusal(wanted: EngineIdentity, found: list[EngineSet]) -> str:
    """Why there are no suitable engines: expected, found, remedy."""
    nearest = sorted(found, key=lambda one: len(mismatches(one.identity, wanted)))[:_NAMED]
    lines = [f"{one.path} has {'; '.join(mismatches(one.identity, wanted))}" for one in nearest]
    return (
        f"there are no TensorRT engines for this server. Expected: model {wanted.model_digest}, "
        f"TensorRT {wanted.tensorrt}, compute capability {wanted.sm}, {wanted.precision}, "
        f"{wanted.batches} (at {wanted.key.path}). "
        f"Found: {'. '.join(lines) if lines else 'none'}. Build them on a GPU of the same product: "
        f"`synthvlm engines build --profile PROFILE` there, or the Job that "
        f"`synthvlm engines job --profile PROFILE --gpu PRODUCT` prints"
    )
