"""Canonical JSON and SHA-256, the two halves of every identity in the system."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20
_SEAL = "digest"


def canonical_json(value: Any) -> bytes:
    """The one JSON text of ``value``: sorted keys, no spaces, UTF-8 (in the spirit of RFC 8785).

    Raises:
        ValueError: ``value`` contains NaN or an infinity, which JSON cannot represent.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def sha256_bytes(data: bytes) -> bytes:
    """The 32 bytes of SHA-256, for keys that are many."""
    return hashlib.sha256(data).digest()


def sha256_digest(data: bytes | memoryview) -> str:
    """``sha256:`` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def sealed(content: Mapping[str, Any]) -> bytes:
    """Canonical JSON of ``content`` with the digest of that JSON in it, as ``digest``."""
    return canonical_json({**content, _SEAL: sha256_digest(canonical_json(dict(content)))})


def unsealed(data: bytes) -> dict[str, Any]:
    """What ``sealed`` was given.

    Raises:
        ValueError: A byte differs from what ``sealed`` gave.
    """
    try:
        content = json.loads(data)
        del content[_SEAL]
        if sealed(content) == data:
            return dict(content)
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("there is no digest in it") from error
    raise ValueError("its digest is not that of its contents")


def file_digest(path: Path) -> str:
    """Digest of a file of any size, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"
