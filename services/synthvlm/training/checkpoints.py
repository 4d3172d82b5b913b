"""Checkpoints in the object store, committed as shards are: the manifest last, with digests.

A checkpoint is a folder of the store. It is whole if and only if its manifest is there and every
file has the size that the manifest says; its bytes are compared with their digests when it is read.
A kill while one is written leaves a folder without a manifest, which nobody reads and the next
commit removes. Older checkpoints are removed after a newer one is whole, never before.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from synthvlm.errors import DataCorrupt, NotFound
from synthvlm.storage import FileEntry, Store, file_digest
from synthvlm.storage.digests import sealed, unsealed
from synthvlm.storage.manifest import MANIFEST
from synthvlm.training.processes import Processes

KIND = "checkpoints"
"""First part of the path of every checkpoint."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, order=True)
class Position:
    """How far a training has got; later positions are greater.

    Attributes:
        stage: Number of the stage, from 0.
        step: Steps of it that are done.
    """

    stage: int
    step: int

    @property
    def folder(self) -> str:
        """Name of its checkpoint."""
        return f"stage-{self.stage}-step-{self.step:08d}"


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint.

    Attributes:
        position: How far the training had got.
        path: Its folder in the store.
        files: Its files, by name.
    """

    position: Position
    path: str
    files: tuple[FileEntry, ...]


class Checkpoints:
    """The checkpoints of one training.

    Args:
        store: Where they lie.
        key: Hexadecimal digits that name the training: those of its model's key.
        kept: Newest ones that stay.
    """

    def __init__(self, store: Store, key: str, kept: int) -> None:
        self._store = store
        self._kept = kept
        self.path = f"{KIND}/{key}"

    def last(self) -> Checkpoint | None:
        """The last whole one; None if there is none.

        One that is damaged or incomplete is passed over with a warning.
        """
        sizes = self._store.sizes(self.path)
        for path in sorted({name.rpartition("/")[0] for name in _manifests(sizes)}, reverse=True):
            try:
                found = self._read(path)
            except DataCorrupt as error:
                _log.warning("checkpoint_passed_over", path=path, reason=error.message)
                continue
            if all(sizes.get(f"{path}/{one.name}") == one.size for one in found.files):
                return found
            _log.warning("checkpoint_passed_over", path=path, reason="a file is missing")
        return None

    def download(self, checkpoint: Checkpoint, folder: Path) -> None:
        """Copies a checkpoint's files into ``folder``.

        Raises:
            DataCorrupt: A file is not the one that was committed.
        """
        for entry in checkpoint.files:
            local = folder / entry.name
            local.parent.mkdir(parents=True, exist_ok=True)
            self._store.download(f"{checkpoint.path}/{entry.name}", local)
            if file_digest(local) != entry.sha256:
                raise DataCorrupt(
                    f"{checkpoint.path}/{entry.name} in {self._store.uri} is damaged",
                    {"digest": entry.sha256},
                )

    def load(self, folder: Path) -> Checkpoint | None:
        """Copies the last checkpoint whose every byte is right into ``folder``, and returns it.

        Those that turn out to be damaged are removed: what they held is computed again.
        """
        while (found := self.last()) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            try:
                self.download(found, folder)
            except (DataCorrupt, NotFound) as error:
                _log.warning("checkpoint_removed", path=found.path, reason=error.message)
                self._remove(found.path)
                continue
            return found
        return None

    def restore(self, folder: Path, processes: Processes) -> Checkpoint | None:
        """As ``load``, by all processes: each machine gets a copy of the same checkpoint."""
        found: Checkpoint | None = processes.from_first(
            self.load(folder) if processes.is_first else None
        )
        if found is not None and processes.is_first_here and not processes.is_first:
            shutil.rmtree(folder, ignore_errors=True)
            self.download(found, folder)
        processes.wait()
        return found

    def commit(self, position: Position, folder: Path, processes: Processes) -> None:
        """Commits a checkpoint that the processes have written to ``folder``, and prunes.

        Called by all processes. Each machine's first one stores what lies on its machine; the first
        of all writes the manifest once everything is stored.
        """
        path = f"{self.path}/{position.folder}"
        if processes.is_first:
            # What an attempt left that was killed here, or was damaged since.
            self._remove(path)
        processes.wait()
        stored = self._upload(path, folder) if processes.is_first_here else []
        entries = [entry for some in processes.from_all(stored) for entry in some]
        if processes.is_first:
            content = {
                "stage": position.stage,
                "step": position.step,
                "files": [one.model_dump(exclude={"records"}) for one in entries],
            }
            self._store.write(f"{path}/{MANIFEST}", sealed(content))
            self._prune(path)
        processes.wait()

    def forget(self) -> None:
        """Removes all of them: the training is over, and its model is committed."""
        self._remove(self.path)

    def _upload(self, path: str, folder: Path) -> list[FileEntry]:
        entries = []
        for file in sorted(one for one in folder.rglob("*") if one.is_file()):
            name = file.relative_to(folder).as_posix()
            self._store.upload(f"{path}/{name}", file)
            entries.append(FileEntry(name=name, sha256=file_digest(file), size=file.stat().st_size))
        return entries

    def _prune(self, newest: str) -> None:
        """Keeps the newest whole ones, and nothing that is not whole."""
        names = self._store.list(self.path)
        whole = sorted(name.rpartition("/")[0] for name in _manifests(names))
        kept = {newest, *whole[-self._kept :]}
        folders = {"/".join(name.split("/")[:3]) for name in names}
        for path in sorted(folders - kept):
            self._remove(path)

    def _remove(self, path: str) -> None:
        # The manifest first: what is not removed completely is not whole.
        names = self._store.list(path)
        self._store.delete(sorted(names, key=lambda name: not name.endswith(f"/{MANIFEST}")))

    def _read(self, path: str) -> Checkpoint:
        try:
            content = unsealed(self._store.read(f"{path}/{MANIFEST}"))
            return _checkpoint(path, content)
        except (KeyError, TypeError, ValueError) as error:
            raise DataCorrupt(f"the manifest of {path} in {self._store.uri} is damaged") from error


def _manifests(names: Mapping[str, int] | list[str]) -> list[str]:
    return [name for name in names if name.endswith(f"/{MANIFEST}")]


def _checkpoint(path: str, content: Mapping[str, Any]) -> Checkpoint:
    position = Position(int(content["stage"]), int(content["step"]))
    if path.rpartition("/")[2] != position.folder:
        raise ValueError("it is another checkpoint's")
    files = tuple(FileEntry.model_validate(one) for one in content["files"])
    return Checkpoint(position, path, files)
