"""Local files that are replaced whole: a reader finds the old one or the new one, never a part."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomically_replaced(path: Path) -> Iterator[Path]:
    """Yields a path to write to; when the block ends without an error, that file becomes ``path``.

    The new file lies in a folder of its own beside ``path`` until then, so that two who write at
    once do not meet, and an error leaves nothing behind.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        fresh = Path(folder) / path.name
        yield fresh
        fresh.replace(path)


def write_atomically(path: Path, text: str) -> Path:
    """Creates or replaces ``path`` with ``text`` in UTF-8; returns ``path``."""
    with atomically_replaced(path) as fresh:
        fresh.write_text(text, encoding="utf-8")
    return path
