"""Local files that are replaced atomically: a reader sees the old file or the new one."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomically_replaced(path: Path) -> Iterator[Path]:
    """Yields a path to write to; when the block ends without an error, that file becomes ``path``.

    Until then the new file is in its own temporary folder beside ``path``, so that concurrent
    writers do not collide, and an error leaves nothing behind.
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
