"""A shard exists once its manifest does; a crash before that loses nothing that was finished."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthvlm.errors import DataCorrupt, NotFound
from synthvlm.storage import Commit, ShardKey, ShardRef, file_location, open_shard, open_store
from synthvlm.storage.manifest import MANIFEST

KEY = ShardKey("scores", {"image_set": "sha256:1"}, {"steps": 20}, "sha256:2")


@pytest.fixture
def store(tmp_path: Path):
    return open_store(file_location(tmp_path / "store"))


def test_nothing_is_found_before_the_manifest(store):
    commit = Commit(store, KEY)
    commit.write_part(0, b"batch")
    assert commit.find() is None


def test_a_finished_shard_is_found_by_its_key_and_reads_back(store):
    ref = Commit(store, KEY).finish({"a.bin": b"one"}, 3, {"dropped": 1}, {"a.bin": 3}, {"x": [1]})
    assert Commit(store, KEY).find() == ref
    shard = open_shard(store, ref)
    assert shard.read("a.bin") == b"one"
    assert shard.manifest.counts == {"dropped": 1}
    assert shard.manifest.file("a.bin").records == 3
    assert shard.manifest.details == {"x": [1]}


def test_files_from_disk_and_from_memory_give_the_same_shard(store, tmp_path):
    local = tmp_path / "a.bin"
    local.write_bytes(b"one")
    other = open_store(file_location(tmp_path / "other"))
    assert Commit(store, KEY).finish({"a.bin": b"one"}, 1) == Commit(other, KEY).finish(
        {"a.bin": local}, 1
    )


def test_parts_survive_until_the_commit_and_not_longer(store):
    Commit(store, KEY).write_part(7, b"batch")
    later = Commit(store, KEY)
    assert later.read_part(7) == b"batch"
    assert later.read_part(8) is None
    later.finish({"a.bin": b"one"}, 1)
    assert store.list(f"{KEY.path}/parts") == []


def test_parts_that_a_kill_left_behind_a_commit_are_forgotten(store):
    commit = Commit(store, KEY)
    ref = commit.finish({"a.bin": b"one"}, 1)
    commit.write_part(0, b"batch")
    assert Commit(store, KEY).find() == ref
    assert store.list(f"{KEY.path}/parts") == []


def test_a_torn_part_counts_as_absent(store):
    commit = Commit(store, KEY)
    commit.write_part(0, b"a whole batch")
    path = f"{KEY.path}/parts/000000"
    store.write(path, store.read(path)[:-1])
    assert commit.read_part(0) is None


def test_a_part_with_a_flipped_byte_counts_as_absent(store):
    commit = Commit(store, KEY)
    commit.write_part(0, b"a whole batch")
    path = f"{KEY.path}/parts/000000"
    data = store.read(path)
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        store.write(path, bytes(changed))
        assert commit.read_part(0) is None


def test_committing_the_same_again_is_fine_and_committing_other_bytes_is_refused(store):
    ref = Commit(store, KEY).finish({"a.bin": b"one"}, 1)
    assert Commit(store, KEY).finish({"a.bin": b"one"}, 1) == ref
    with pytest.raises(DataCorrupt, match="contents different"):
        Commit(store, KEY).finish({"a.bin": b"two"}, 1)
    assert open_shard(store, ref).read("a.bin") == b"one"


def test_a_shard_that_lost_a_file_is_made_again(store):
    ref = Commit(store, KEY).finish({"a.bin": b"one"}, 1)
    store.delete([f"{ref.path}/a.bin"])
    assert Commit(store, KEY).find() is None
    assert Commit(store, KEY).finish({"a.bin": b"one"}, 1) == ref
    assert Commit(store, KEY).find() == ref


def test_changed_bytes_and_changed_manifests_are_noticed(store):
    ref = Commit(store, KEY).finish({"a.bin": b"one"}, 1)
    store.write(f"{ref.path}/a.bin", b"two")
    with pytest.raises(DataCorrupt, match=r"a\.bin"):
        open_shard(store, ref).read("a.bin")
    store.write(f"{ref.path}/{MANIFEST}", b"{}")
    with pytest.raises(DataCorrupt):
        open_shard(store, ref)
    with pytest.raises(DataCorrupt, match="damaged"):
        Commit(store, KEY).find()


def test_an_unknown_shard_is_not_found(store):
    with pytest.raises(NotFound, match="no committed shard"):
        open_shard(store, ShardRef("scores/none", "sha256:0", 0))


@given(
    st.dictionaries(st.sampled_from("abc"), st.text()),
    st.dictionaries(st.sampled_from("abc"), st.text()),
)
def test_keys_are_equal_exactly_when_what_they_stand_for_is(left, right):
    paths = [ShardKey("scores", {}, value).path for value in (left, right)]
    assert (paths[0] == paths[1]) == (left == right)
