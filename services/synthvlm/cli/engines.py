"""TensorRT engines from the command line: the process that makes them, and what a store has."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthvlm.cli.failures import FAILURE_STATUS, USAGE_STATUS, CommandError
from synthvlm.errors import NotFound
from synthvlm.local.parent_death import leashed
from synthvlm.profiles import setting
from synthvlm.storage import Manifest, Store
from synthvlm.storage.manifest import MANIFEST, read_manifest

KIND = "engines"
"""The kind of shard that a set of engines is."""

_LINES = 4  # of its last words, when a process ends without a reason


@dataclass(frozen=True)
class EngineSet:
    """A set of engines in a store.

    Attributes:
        path: Its folder below the store's root.
        manifest: Its manifest.
    """

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
        """What programs are told."""
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
            yield EngineSet(folder, read_manifest(store.read(path), folder))


def engine_set(store: Store, beginning: str) -> EngineSet:
    """The one set of engines whose id begins so.

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


def run_builder(
    room: str, arguments: Sequence[str], heard: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Runs what exports components or builds engines, as a process of its own.

    Args:
        room: Its room in the generation service: ``onnx`` or ``tensorrt``.
        arguments: Its command line.
        heard: Told of every component when it is done.

    Returns:
        Its result.

    Raises:
        CommandError: It failed; the message is its reason.
    """
    command = leashed([sys.executable, "-m", f"synthvlm.generation.{room}", *arguments])
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            result = _follow(process, heard)
        except BaseException:
            process.terminate()
            raise
        status = process.wait()
        if status == 0 and result is not None:
            return result
        errors.seek(0)
        lines = errors.read().splitlines()
    if status in (USAGE_STATUS, FAILURE_STATUS) and lines and not lines[0].startswith("Traceback"):
        raise CommandError(lines[-1], status=status)
    raise CommandError(f"the process ended with status {status}", tail="\n".join(lines[-_LINES:]))


def _follow(
    process: "subprocess.Popen[str]", heard: Callable[[dict[str, Any]], None]
) -> dict[str, Any] | None:
    """The last message, which is the result; components are told of as they come."""
    result = None
    for line in process.stdout or ():
        content: dict[str, Any] = json.loads(line)
        if "component" in content:
            heard(content)
        else:
            result = content
    return result


def store_uri(option: str | None, section: dict[str, Any], home: Path) -> str:
    """Where engines are kept: as asked for, else as the profile says, else the home's store."""
    named = option or setting(section, "tensorrt", "store")
    return str(named) if named else f"file://{home}"
