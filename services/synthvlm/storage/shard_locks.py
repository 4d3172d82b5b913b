"""One attempt at a shard at a time, within a process.

Two calls for one shard produce the same bytes wherever they run. Side by side in one process they
would do the same work twice, so the second waits and then finds the shard committed.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

from synthvlm.progress import Reporter
from synthvlm.storage.commit import Commit

_POLL_SECONDS = 0.05


class _ShardLock:
    """A lock that a weak reference can hold."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


class ShardLocks:
    """A lock for each shard that is being worked on; for calls from many threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        # A lock lives as long as a call holds or awaits it.
        self._locks: WeakValueDictionary[tuple[str, str], _ShardLock] = WeakValueDictionary()

    @contextmanager
    def hold(self, commit: Commit, reporter: Reporter) -> Iterator[None]:
        """Holds the lock of the shard of ``commit``.

        Raises:
            OperationCancelled: The caller went away while waiting.
        """
        with self._guard:
            held = self._locks.setdefault((commit.store.uri, commit.path), _ShardLock())
        while not held.lock.acquire(timeout=_POLL_SECONDS):
            reporter.check()
        try:
            yield
        finally:
            held.lock.release()
