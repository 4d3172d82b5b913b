"""Object store, shards, manifests and the commit protocol: what every stage reads and writes."""

from synthvlm.storage.commit import Commit
from synthvlm.storage.digests import canonical_json, file_digest, sha256_digest
from synthvlm.storage.keys import ShardKey
from synthvlm.storage.location import (
    Location,
    Roots,
    file_location,
    file_uri,
    parse_location,
)
from synthvlm.storage.manifest import FileEntry, Manifest
from synthvlm.storage.refs import ShardRef, is_safe_path
from synthvlm.storage.shards import Shard, committed_shards, open_shard, verified_image
from synthvlm.storage.store import Store, open_store

__all__ = [
    "Commit",
    "FileEntry",
    "Location",
    "Manifest",
    "Roots",
    "Shard",
    "ShardKey",
    "ShardRef",
    "Store",
    "canonical_json",
    "committed_shards",
    "file_digest",
    "file_location",
    "file_uri",
    "is_safe_path",
    "open_shard",
    "open_store",
    "parse_location",
    "sha256_digest",
    "verified_image",
]
