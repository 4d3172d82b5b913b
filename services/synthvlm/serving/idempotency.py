"""Answers by request id: a repeated call gets the first one's answer, and the work is done once."""

import asyncio
import hashlib
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar, cast

from google.protobuf.message import Message

from synthvlm.errors import FieldViolation, InvalidInput

P = TypeVar("P", bound=Message)

KEEP_SECONDS = 600.0
"""How long an answer is kept, as the protos say."""


@dataclass
class _Entry:
    request_digest: bytes
    answer: "asyncio.Future[Message]"
    expires: float
    size: int = 0


class AnswerCache:
    """Remembers answers for ten minutes, up to a number and a size; the oldest go first.

    An answer that is still being made is awaited by its repeats and never dropped. Errors are not
    remembered: a repeat after an error is a new attempt. Used on the event loop only.
    """

    def __init__(
        self,
        max_answers: int = 1_000,
        max_bytes: int = 128 * 2**20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_answers = max_answers
        self._max_bytes = max_bytes
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._bytes = 0

    async def once(self, request_id: str, request: Message, make: Callable[[], Awaitable[P]]) -> P:
        """The answer to ``request``, made by ``make`` unless it was made before.

        Args:
            request_id: The caller's id; empty: always make the answer.
            request: The whole request; its type stands for the method.
            make: Makes the answer.

        Raises:
            InvalidInput: The id was used for another request.
        """
        if not request_id:
            return await make()
        self._expire()
        key = (request.DESCRIPTOR.full_name, request_id)
        digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        while (entry := self._entries.get(key)) is not None:
            if entry.request_digest != digest:
                problem = "was used for another request in the last ten minutes"
                raise InvalidInput(f"request_id {problem}", [FieldViolation("request_id", problem)])
            answer = await self._answer_of(entry)
            if answer is not None:
                return cast("P", answer)
        return await self._make(key, digest, make)

    async def _answer_of(self, entry: _Entry) -> Message | None:
        """The entry's answer; None if the first call ended without one."""
        await asyncio.wait([entry.answer])
        failed = entry.answer.cancelled() or entry.answer.exception() is not None
        return None if failed else entry.answer.result()

    async def _make(
        self, key: tuple[str, str], digest: bytes, make: Callable[[], Awaitable[P]]
    ) -> P:
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        entry = _Entry(digest, future, expires=float("inf"))
        self._entries[key] = entry
        try:
            answer = await make()
        except BaseException:
            # The repeats that wait try for themselves; one of them becomes the first.
            del self._entries[key]
            future.cancel()
            raise
        entry.size = answer.ByteSize()
        entry.expires = self._clock() + KEEP_SECONDS
        self._entries.move_to_end(key)
        self._bytes += entry.size
        future.set_result(answer)
        self._shrink()
        return answer

    def _expire(self) -> None:
        now = self._clock()
        for key in [key for key, entry in self._entries.items() if entry.expires <= now]:
            self._drop(key)

    def _shrink(self) -> None:
        made = deque(key for key, entry in self._entries.items() if entry.answer.done())
        while made and (len(made) > self._max_answers or self._bytes > self._max_bytes):
            self._drop(made.popleft())

    def _drop(self, key: tuple[str, str]) -> None:
        self._bytes -= self._entries.pop(key).size
