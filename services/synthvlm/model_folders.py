"""Model folders: what a reference points to, and the digest that identifies the weights."""

import functools
import hashlib
from pathlib import Path

from synthvlm.errors import NotFound

BUNDLED = "bundled:"
"""Prefix of references to models that the package ships."""

_WEIGHTS = Path(__file__).parent / "scenes" / "weights"
_CHUNK = 1 << 20


def bundled_models() -> list[str]:
    """Names of the models that the package ships."""
    if not _WEIGHTS.is_dir():
        return []
    return sorted(folder.name for folder in _WEIGHTS.iterdir() if folder.is_dir())


def resolve_model(reference: str) -> Path:
    """The folder that a model reference names.

    Args:
        reference: ``bundled:NAME`` for a model of the package, else a folder.

    Raises:
        NotFound: There is no such folder; for a bundled model the message lists those there are.
    """
    if reference.startswith(BUNDLED):
        name = reference.removeprefix(BUNDLED)
        if name not in bundled_models():
            known = ", ".join(bundled_models()) or "none"
            raise NotFound(f"no bundled model is called {name!r}; bundled models: {known}")
        return _WEIGHTS / name
    folder = Path(reference)
    if not folder.is_dir():
        raise NotFound(
            f"the model folder {reference} does not exist; download the model's files into it, or "
            f"name another folder in the profile"
        )
    return folder


@functools.cache
def _file_digest(path: Path, size: int, modified_ns: int) -> str:
    del size, modified_ns  # part of the cache's key: a changed file is read again
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def model_digest(*folders: Path) -> str:
    """Digest of everything that determines what the models in ``folders`` compute.

    Hidden files and model cards (``*.md``, pictures) are ignored. The order of the folders counts,
    their location does not.

    Returns:
        ``sha256:`` and 64 hexadecimal digits.
    """
    total = hashlib.sha256()
    for position, folder in enumerate(folders):
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            hidden = any(part.startswith(".") for part in relative.parts)
            if hidden or not path.is_file() or path.suffix in {".md", ".png", ".svg", ".csv"}:
                continue
            stat = path.stat()
            content = _file_digest(path, stat.st_size, stat.st_mtime_ns)
            total.update(f"{position}\0{relative.as_posix()}\0{content}\n".encode())
    return f"sha256:{total.hexdigest()}"
