"""What a set of weights consists of: its files with their digests, under a digest of its own."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from synthvlm.errors import DataCorrupt, InvalidInput
from synthvlm.storage import canonical_json, file_digest, is_safe_path, sha256_digest

KINDS = (".safetensors", ".json", ".txt", ".model")
"""Ends of the names of files that are taken: tensors, configurations and vocabularies (``.model``).
Pickles (``.bin``, ``.pt``, ``.ckpt``) run when they are read, as code does: they are not taken."""

LISTING = ".weights.json"
"""Name of the listing beside the files; hidden, so that it is no part of a model's own digest."""


@dataclass(frozen=True)
class WeightFile:
    """A file: its size, and SHA-256 or, for small files of a hub, the id of git's blob.

    Attributes:
        size: In bytes.
        digest: ``sha256:`` or ``git:`` and hexadecimal digits.
    """

    size: int
    digest: str

    def is_at(self, path: Path) -> bool:
        """Whether the file at ``path`` is this one."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        kind, _, digits = self.digest.partition(":")
        if kind == "git":
            data = path.read_bytes()
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False)
            return blob.hexdigest() == digits
        return file_digest(path) == self.digest


def is_wanted(path: str) -> bool:
    """Whether a file of that path is taken."""
    hidden = any(part.startswith(".") for part in PurePosixPath(path).parts)
    return is_safe_path(path) and not hidden and path.endswith(KINDS)


def listing_of(folder: Path, files: Mapping[str, WeightFile]) -> bytes:
    """The listing of files that lie in ``folder``, the same wherever they came from."""
    content = {
        path: {"size": file.size, "digest": file_digest(folder / path)}
        for path, file in files.items()
    }
    return canonical_json({"files": content})


def read_listing(data: bytes, digest: str) -> dict[str, WeightFile]:
    """The files of a listing.

    Args:
        data: As ``listing_of`` gave it.
        digest: That it must have, ``sha256:…``.

    Raises:
        DataCorrupt: It has another one.
        InvalidInput: It names a file of a kind that is not taken, or makes no sense.
    """
    if sha256_digest(data) != digest:
        raise DataCorrupt(
            f"the listing of the weights has the digest {sha256_digest(data)}, not {digest}"
        )
    try:
        files = {
            str(path): WeightFile(int(entry["size"]), str(entry["digest"]))
            for path, entry in json.loads(data)["files"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"the listing of the weights makes no sense: {error!r}") from error
    for path in files:
        if not is_wanted(path):
            raise InvalidInput(f"the listing names {path!r}; only {', '.join(KINDS)} are taken")
    return files
