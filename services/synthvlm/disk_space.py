"""A full disk: how it is noticed, whoever met it, and what is said of it."""

import errno
import shutil
import tempfile
from pathlib import Path

_NUMBERS = (errno.ENOSPC, errno.EDQUOT)
_WORDS = (
    "no space left on",
    "no space left for",
    "disk quota exceeded",
    "database or disk is full",  # SQLite
    "no usable temporary directory",  # Python, where not a byte can be written
)


def says_disk_is_full(text: str) -> bool:
    """Whether a text, for example the end of a log, says that a disk is full."""
    lowered = text.lower()
    return any(words in lowered for words in _WORDS)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, of whatever library, says that nothing more can be written."""
    if isinstance(error, OSError) and error.errno in _NUMBERS:
        return True
    return says_disk_is_full(str(error))


def free_bytes(path: Path) -> int:
    """Bytes that are free where ``path`` lies or would lie."""
    return shutil.disk_usage(_existing(path)).free


def full_disk_text(path: Path) -> str:
    """Says that the disk of ``path`` is full, and how much of it is free."""
    free, total = free_bytes(path), shutil.disk_usage(_existing(path)).total
    return f"no space left on the disk of {path} ({_size(free)} of {_size(total)} are free)"


def full_temporary_folder_text() -> str:
    """Says that the disk of temporary files is full."""
    try:
        return full_disk_text(Path(tempfile.gettempdir())) + " for temporary files (TMPDIR)"
    except FileNotFoundError:
        return "no space left on any disk for temporary files (TMPDIR)"


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


def _size(number: int) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number //= 1024
    return f"{number:,} GiB"
