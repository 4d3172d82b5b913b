"""Fetches weights into a folder: again and again the same bytes, or an error."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from synthvlm.disk_space import full_disk_text
from synthvlm.errors import DataCorrupt, InvalidInput, NotFound, OutOfSpace, PreconditionFailed
from synthvlm.progress import SILENT, Reporter
from synthvlm.storage import sha256_digest
from synthvlm.weights.listing import LISTING, WeightFile, listing_of
from synthvlm.weights.sources import Source

_PARTS = ".parts"


@dataclass(frozen=True)
class Fetched:
    """What was fetched.

    Attributes:
        digest: Of the listing, which pins the weights in an object store.
        files: How many there are.
        bytes: Of all of them.
        present: How many of the files were there before.
    """

    digest: str
    files: int
    bytes: int
    present: int


def fetch(
    source: Source,
    folder: Path,
    digest: str | None = None,
    only: Sequence[str] = (),
    reporter: Reporter = SILENT,
) -> Fetched:
    """Has the weights of ``source`` in ``folder``, and nothing else.

    Each file becomes visible once its digest is right, and the listing after the last one. An
    attempt that was interrupted is taken up where it stopped.

    Args:
        source: Where they come from.
        folder: Where to; made if it is not there.
        digest: That their listing must have; None: any.
        only: Patterns of the paths that are wanted, as a shell's; none: all.
        reporter: Is told how many files are done.

    Raises:
        NotFound: The source has no weights, or none that fit ``only``.
        InvalidInput: The folder holds files of something else.
        DataCorrupt: A file, or the listing, has another digest than it should.
        OutOfSpace: The disk has not enough room.
        PreconditionFailed: The folder cannot be written to.
        Unavailable: The source cannot be reached.
    """
    files = {
        path: file
        for path, file in sorted(source.files().items())
        if not only or any(fnmatchcase(path, pattern) for pattern in only)
    }
    if not any(path.endswith(".safetensors") for path in files):
        raise NotFound("there are no weights in the form of safetensors, the only one taken")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_others(folder, files)
        missing = {path: file for path, file in files.items() if not file.is_at(folder / path)}
        _need_room(folder, missing)
        present = len(files) - len(missing)
        reporter.report(present, len(files), resumed=present)
        for number, (path, file) in enumerate(missing.items(), present + 1):
            reporter.check()
            _fetch_one(source, folder, path, file)
            reporter.report(number, len(files), resumed=present)
        shutil.rmtree(folder / _PARTS, ignore_errors=True)
        listing = listing_of(folder, files)
        made = sha256_digest(listing)
        if digest not in (None, made):
            raise DataCorrupt(f"the weights have the digest {made}, not {digest}")
        (folder / LISTING).write_bytes(listing)
    except PermissionError as error:
        raise PreconditionFailed(f"{folder} cannot be written to: {error}") from error
    return Fetched(made, len(files), sum(file.size for file in files.values()), present)


def _fetch_one(source: Source, folder: Path, path: str, file: WeightFile) -> None:
    part = folder / _PARTS / path
    part.parent.mkdir(parents=True, exist_ok=True)
    source.download(path, file, part)
    if not file.is_at(part):
        # Kept, it would be taken for the beginning of the right one.
        part.unlink(missing_ok=True)
        raise DataCorrupt(f"{path} does not have the digest {file.digest} that its source gives")
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    part.replace(folder / path)


def _refuse_others(folder: Path, files: Mapping[str, WeightFile]) -> None:
    there = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    names = (path.relative_to(folder) for path in there)
    visible = (one for one in names if not any(part.startswith(".") for part in one.parts))
    others = sorted(one.as_posix() for one in visible if one.as_posix() not in files)
    if others:
        raise InvalidInput(
            f"{folder} holds {others[0]} ({len(others)} such files), which is not of these "
            f"weights: give a folder of its own"
        )


def _need_room(folder: Path, missing: Mapping[str, WeightFile]) -> None:
    begun = folder / _PARTS
    have = sum(part.stat().st_size for part in begun.rglob("*") if part.is_file())
    need = sum(file.size for file in missing.values()) - have
    if need > shutil.disk_usage(folder).free:
        raise OutOfSpace(
            f"{full_disk_text(folder)}; the weights need {need / 2**30:.1f} GiB",
            {"folder": str(folder)},
        )
