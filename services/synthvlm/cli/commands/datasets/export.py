"""Exporting a dataset version into a folder of the user's: whole, or to be gone on with."""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from synthvlm.cli.failures import CommandError, WrongUsageError, blaming_disk
from synthvlm.cli.terminal.output import stderr_console
from synthvlm.client import DatasetClient
from synthvlm.dataset.v1 import dataset_pb2
from synthvlm.disk_space import free_bytes
from synthvlm.errors import AlreadyExists, DataCorrupt, OutOfSpace
from synthvlm.local.clients import exporting_client
from synthvlm.local.home import Home
from synthvlm.storage import file_uri
from synthvlm.storage.v1 import shard_pb2

RECORD = Path("__synthvlm__") / "export.json"
"""What an export says of itself."""

_UNFINISHED = re.compile(r".+#\d+")
"""Files that a write left behind that was killed."""


def export_version(
    home: Home, request: dataset_pb2.ExportVersionRequest, to: Path
) -> dataset_pb2.ExportVersionResponse:
    """Exports into a folder beside ``to``, which becomes ``to`` when it is whole.

    After a full disk or a kill the folder stays, and the same again goes on with it. An export that
    is there already is read again, and mended where it is damaged.

    Args:
        home: The home that holds the version.
        request: What to export, without the destination.
        to: A folder that does not exist or is empty, or that holds the same export.

    Raises:
        WrongUsageError: ``to`` is a file or holds something else.
        CommandError: The disk is full, or somebody else exports to ``to`` at this time.
    """
    to = to.resolve()
    # What is beside a mount point lies on another disk, and cannot take its place.
    in_place = _record(to) is not None or to.is_mount()
    place = to if in_place else to.with_name(f"{to.name}.partial")
    if to.is_file() or _holds_other_files(to) or (not in_place and _holds_something(to)):
        raise WrongUsageError(f"--to {to} exists already; give a new or an empty folder")
    if place.is_file() or _holds_other_files(place):
        raise WrongUsageError(f"{place}, where the export is to grow, holds something else")
    with blaming_disk(to):
        place.mkdir(parents=True, exist_ok=True)
    with _locked(place, to), exporting_client(home, file_uri(place)) as client:
        try:
            answer = _export(client, request, place, may_restart=not in_place)
        except OutOfSpace as error:
            if error.metadata.get("folder") != str(place):  # of temporary files, or the home's
                raise
            raise _out_of_space(client, request, place, to) from error
        _remove_leftovers(place)
        if not in_place:
            place.replace(to)
    return answer


def _export(
    client: DatasetClient,
    request: dataset_pb2.ExportVersionRequest,
    place: Path,
    *,
    may_restart: bool,
) -> dataset_pb2.ExportVersionResponse:
    request.destination_uri = file_uri(place)
    with _progress() as progress:
        task = progress.add_task("pairs", total=None)

        def show(done: shard_pb2.ShardProgress) -> None:
            progress.update(task, completed=done.done, total=done.total or None)

        try:
            return client.export_version(request, on_progress=show)
        except (AlreadyExists, DataCorrupt):
            if not may_restart or _is_of(client, request, _record(place) or {}):
                raise
        # The rest of another export: of an earlier version, or asked for in another way.
        _empty(place)
        return client.export_version(request, on_progress=show)


def _is_of(
    client: DatasetClient, request: dataset_pb2.ExportVersionRequest, record: dict[str, Any]
) -> bool:
    """Whether an unfinished export is of what is asked for now, so that its trouble is its own."""
    version = client.get_version(dataset_pb2.GetVersionRequest(version=request.version))
    form = dataset_pb2.ExportFormat.Name(request.format).removeprefix("EXPORT_FORMAT_").lower()
    rule = dataset_pb2.ReservedWords.Name(request.reserved).removeprefix("RESERVED_WORDS_").lower()
    wanted = {"digest": version.summary.digest, "format": form, "reserved": rule}
    return wanted.items() <= record.items()


def _out_of_space(
    client: DatasetClient, request: dataset_pb2.ExportVersionRequest, place: Path, to: Path
) -> CommandError:
    """Says how much more room the export needs: about as much as the version has."""
    version = client.get_version(dataset_pb2.GetVersionRequest(version=request.version)).summary
    written = sum(file.stat().st_blocks * 512 for file in place.rglob("*") if file.is_file())
    files = version.pairs if request.format == dataset_pb2.EXPORT_FORMAT_LLAVA else 0
    needed = version.bytes + files * os.statvfs(place).f_bsize
    missing = max(0, needed - written - free_bytes(place))
    return CommandError(
        f"no space left on the disk of {to}; free {missing // 2**20 + 1:,} MiB and run the same "
        f"command again: it resumes where this one stopped ({place} holds what is there)"
    )


@contextmanager
def _locked(place: Path, to: Path) -> Iterator[None]:
    """Keeps a second export out of the folder; the kernel frees it when this process dies."""
    folder = os.open(place, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"another export to {to} is under way; wait for it") from None
        yield
    finally:
        os.close(folder)


def _record(folder: Path) -> dict[str, Any] | None:
    """What an export in the folder says of itself; None when there is none."""
    try:
        content = json.loads((folder / RECORD).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _holds_other_files(folder: Path) -> bool:
    """Whether there are files that no export wrote, not even one that had room for nothing."""
    if _record(folder) is not None:
        return False
    return any(
        not entry.is_dir() and not _UNFINISHED.fullmatch(entry.name) for entry in folder.rglob("*")
    )


def _remove_leftovers(folder: Path) -> None:
    for file in folder.rglob("*#*"):
        if _UNFINISHED.fullmatch(file.name):
            file.unlink()


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _progress() -> Progress:
    columns = (
        "[progress.description]{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = stderr_console()
    return Progress(*columns, console=console, disable=not console.is_terminal)
