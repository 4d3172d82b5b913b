"""References to committed shards."""

import re
from dataclasses import dataclass

PATH_PATTERN = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
"""Pattern of a path below a store's root."""


@dataclass(frozen=True)
class ShardRef:
    """A committed shard: where it is, and what it must contain.

    Attributes:
        path: Folder below the store's root.
        digest: Digest of the shard's manifest, which lists the digests of its files.
        records: Records in the shard.
    """

    path: str
    digest: str
    records: int


def is_safe_path(path: str) -> bool:
    """Whether ``path`` stays below the root it is relative to."""
    return (
        len(path) <= 512
        and PATH_PATTERN.fullmatch(path) is not None
        and not {".", ".."}.intersection(path.split("/"))
    )
