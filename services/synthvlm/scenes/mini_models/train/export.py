"""Puts trained weights in place while others may be reading the folder."""

import tempfile
from collections.abc import Callable
from pathlib import Path


def publish(write: Callable[[Path], None], target: Path) -> None:
    """Lets ``write`` fill a folder and moves its files into ``target``, each in one step."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as folder:
        fresh = Path(folder)
        write(fresh)
        for file in sorted(p for p in fresh.rglob("*") if p.is_file()):
            place = target / file.relative_to(fresh)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)
