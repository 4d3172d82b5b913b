"""Shared memory that a server on the same node writes pixels into, instead of sending them.

A slot holds the pixels of one image at a time. After an answer it is reused. After a call that was
cancelled or lost the server might still write into it, so it is set aside, and freed once the
server must have noticed.
"""

import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
import numpy.typing as npt
from tritonclient.utils import InferenceServerException

_ASIDE_SECONDS = 60.0
"""How long a slot is set aside: a server notices cancellation within a denoising step."""

_RPC_SECONDS = 5.0
_numbers = itertools.count()


class Slot:
    """A block of shared memory of ``size`` bytes; ``name`` is the same here and at the server."""

    def __init__(self, size: int) -> None:
        self.name = f"synthvlm_pixels_{os.getpid()}_{next(_numbers)}"
        self.size = size
        self._memory = SharedMemory(self.name, create=True, size=size)

    def read(self, shape: Sequence[int]) -> npt.NDArray[np.uint8]:
        """A copy of the pixels in it."""
        return np.ndarray(tuple(shape), np.uint8, buffer=self._memory.buf).copy()

    def destroy(self) -> None:
        """Frees the memory; a server that has it open keeps it until it is unregistered."""
        self._memory.close()
        self._memory.unlink()


class SharedOutputs:
    """The slots of one server; many threads may use them.

    Args:
        client: Triton's client of the server.
        size: Bytes of a slot.
    """

    def __init__(self, client: Any, size: int) -> None:
        self._client = client
        self._size = size
        self._free: list[Slot] = []
        self._aside: deque[tuple[float, Slot]] = deque()
        self._lock = threading.Lock()

    def take(self) -> Slot:
        """A slot that is registered with the server.

        Raises:
            InferenceServerException: The server does not answer, or cannot open the memory.
        """
        self._give_up_old()
        with self._lock:
            if self._free:
                return self._free.pop()
        slot = Slot(self._size)
        try:
            self._client.register_system_shared_memory(
                slot.name, slot.name, slot.size, client_timeout=_RPC_SECONDS
            )
        except InferenceServerException:
            slot.destroy()
            raise
        return slot

    def give_back(self, slot: Slot) -> None:
        """Returns a slot whose pixels have been read."""
        with self._lock:
            self._free.append(slot)

    def set_aside(self, slot: Slot) -> None:
        """Returns a slot that the server may still write into."""
        with self._lock:
            self._aside.append((time.monotonic(), slot))

    def forget(self) -> None:
        """Drops the free slots: the server may have restarted."""
        with self._lock:
            free, self._free = self._free, []
        for slot in free:
            self._give_up(slot)

    def close(self) -> None:
        """Frees all slots, after the last call."""
        self.forget()
        for _, slot in self._aside:
            slot.destroy()

    def _give_up_old(self) -> None:
        while True:
            with self._lock:
                if not self._aside or self._aside[0][0] > time.monotonic() - _ASIDE_SECONDS:
                    return
                _, slot = self._aside.popleft()
            self._give_up(slot)

    def _give_up(self, slot: Slot) -> None:
        with suppress(InferenceServerException):  # a server that is down has forgotten it anyway
            self._client.unregister_system_shared_memory(slot.name, client_timeout=_RPC_SECONDS)
        slot.destroy()
