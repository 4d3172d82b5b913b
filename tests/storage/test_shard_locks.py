"""One call at a shard at a time."""

import threading

import pytest

from synthvlm.errors import OperationCancelled
from synthvlm.progress import SILENT
from synthvlm.storage import Commit, ShardKey, file_location, open_store
from synthvlm.storage.shard_locks import ShardLocks


class Gone:
    """A caller that has gone away."""

    def report(self, done, total, resumed=0, reused=0):
        raise AssertionError

    def check(self):
        raise OperationCancelled("gone")


def test_one_call_at_a_shard_and_others_at_others(tmp_path):
    store = open_store(file_location(tmp_path))
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
