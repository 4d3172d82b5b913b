"""A manifest vouches for itself: no byte of it can change unnoticed."""

import pytest

from synthvlm.errors import DataCorrupt, NotFound
from synthvlm.storage import Commit, ShardKey, Store, open_store, parse_location
from synthvlm.storage.digests import canonical_json, sealed, sha256_digest, unsealed
from synthvlm.storage.manifest import MANIFEST, read_manifest

KEY = ShardKey("scores", {"image_set": "sha256:1"}, {"steps": 20, "guidance": 3.5}, "sha256:2")


@pytest.fixture
def store() -> Store:
    return open_store(parse_location("memory://manifests"))


def test_no_byte_can_change(store: Store) -> None:
    path = Commit(store, KEY).finish({"a.bin": b"one"}, 3, {"dropped": 1}).path
    data = store.read(f"{path}/{MANIFEST}")
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            store.write(f"{path}/{MANIFEST}", bytes(changed))
            with pytest.raises(DataCorrupt, match=f"{path}/{MANIFEST}"):
                read_manifest(store, path)
    for shorter in (b"", data[:-1], data + b" ", b" " + data):
        store.write(f"{path}/{MANIFEST}", shorter)
        with pytest.raises(DataCorrupt, match="delete it"):
            read_manifest(store, path)
    store.write(f"{path}/{MANIFEST}", data)
    assert read_manifest(store, path).key == KEY


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("records", 4),
        ("model_digest", "sha256:3"),
        ("configuration", {"steps": 21}),
        ("counts", {}),
    ],
)
def test_a_changed_field_is_noticed(store: Store, field: str, value: object) -> None:
    """The reproduction: such a change gave another dataset, with status 0."""
    commit = Commit(store, KEY)
    path = commit.finish({"a.bin": b"one"}, 3, {"dropped": 1}).path
    content = unsealed(store.read(f"{path}/{MANIFEST}"))
    stale = {**content, field: value, "digest": sha256_digest(canonical_json(content))}
    store.write(f"{path}/{MANIFEST}", canonical_json(stale))
    with pytest.raises(DataCorrupt, match="damaged"):
        commit.find()
    if field in ("model_digest", "configuration"):  # also with a digest that is right
        store.write(f"{path}/{MANIFEST}", sealed({**content, field: value}))
        with pytest.raises(DataCorrupt, match="another shard"):
            commit.find()
    store.delete([f"{path}/{MANIFEST}"])


def test_the_digest_of_a_shard_is_that_of_the_manifest_without_it(store: Store) -> None:
    ref = Commit(store, KEY).finish({"a.bin": b"one"}, 3, {"dropped": 1})
    content = unsealed(store.read(f"{ref.path}/{MANIFEST}"))
    assert sha256_digest(canonical_json(content)) == ref.digest
    with pytest.raises(NotFound):
        read_manifest(store, "scores/none")


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b"1", b'{"digest":1}', b"\xff", b"[" * 100_000]
)
def test_what_was_never_sealed_is_not_unsealed(data: bytes) -> None:
    with pytest.raises(ValueError):
        unsealed(data)
