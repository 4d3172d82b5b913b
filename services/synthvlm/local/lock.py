"""The lock of a home: one process at a time runs its services."""

import fcntl
import json
import os
from typing import Self, TextIO

from synthvlm.local.home import Home


class HomeLock:
    """Held by the one process that runs a home's services; the kernel frees it when it dies."""

    def __init__(self, home: Home, owner: str) -> None:
        self._path = home.lock_file
        self._owner = owner
        self._file: TextIO | None = None

    def take(self) -> bool:
        """Takes the lock, unless another process holds it."""
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        file.truncate(0)
        file.write(json.dumps({"owner": self._owner, "pid": os.getpid()}))
        file.flush()
        self._file = file
        return True

    def holder(self) -> tuple[str, int]:
        """The command that holds the lock, and its process."""
        text = self._path.read_text()
        if not text:  # it has the lock, and is about to write its name
            return "up", 0
        content = json.loads(text)
        return str(content["owner"]), int(content["pid"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
