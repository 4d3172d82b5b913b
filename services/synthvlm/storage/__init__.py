"""Object store, shards, manifests and the commit protocol: what every stage reads and writes."""

from synthvlm.storage.commit import Commit, ShardKey
from synthvlm.storage.digests import canonical_json, file_digest, sha256_digest
from synthvlm.storage.manifest import FileEntry, Manifest
from synthvlm.storage.refs import ShardRef, is_safe_path
from synthvlm.storage.shards import Shard, committed_shards, open_shard
from synthvlm.storage.store import Store, file_uri, open_store

__all__ = [
    "Commit",
    "FileEntry",
    "Manifest",
    "Shard",
    "ShardKey",
    "ShardRef",
    "Store",
    "canonical_json",
    "committed_shards",
    "file_digest",
    "file_uri",
    "is_safe_path",
    "open_shard",
    "open_store",
    "sha256_digest",
]
