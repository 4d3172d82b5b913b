"""Parts of a shard, what failed in them, and locks of shards."""

import threading
from collections import Counter

import pyarrow as pa
import pytest

from synthvlm.errors import OperationCancelled
from synthvlm.progress import SILENT
from synthvlm.storage import Commit, ShardKey, file_uri, open_store
from synthvlm.storage.parts import failure_counts, failures_of, part_bytes, part_rows
from synthvlm.storage.shard_locks import ShardLocks

SCHEMA = pa.schema([pa.field("id", pa.string()), pa.field("reason", pa.string())])
ROWS = [{"id": "a", "reason": None}, {"id": "b", "reason": "blank"}]


class Gone:
    """A caller that has gone away."""

    def report(self, done, total, resumed=0):
        raise AssertionError

    def check(self):
        raise OperationCancelled("gone")


def test_a_part_gives_back_its_rows():
    part = part_bytes(ROWS, SCHEMA)
    assert part_rows(part) == ROWS
    assert part == part_bytes(list(ROWS), SCHEMA)


def test_failures_are_counted_among_other_counts():
    counts = failure_counts(Counter(not_finite=1, blank=2))
    assert list(counts) == ["failed:blank", "failed:not_finite"]
    assert failures_of({"truncated_prompts": 3, **counts}) == {"blank": 2, "not_finite": 1}


def test_one_call_at_a_shard_and_others_at_others(tmp_path):
    store = open_store(file_uri(tmp_path))
    locks = ShardLocks()
    one, other = (Commit(store, ShardKey("images", {"captions": c})) for c in "ab")
    with locks.hold(one, SILENT):
        with locks.hold(other, SILENT):
            pass
        with pytest.raises(OperationCancelled), locks.hold(one, Gone()):
            pass
        entered = threading.Event()

        def follow():
            with locks.hold(Commit(store, one.key), SILENT):
                entered.set()

        follower = threading.Thread(target=follow)
        follower.start()
        assert not entered.wait(0.2)
    assert entered.wait(30)
    follower.join()
