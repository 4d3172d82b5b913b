"""Waiting for something to become true, with a generous limit instead of a fixed sleep."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

_LIMIT_SECONDS = 60.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_LIMIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


async def until_exists(path: Path) -> None:
    await until(path.exists)


def wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + _LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < limit, "the condition did not become true"
        time.sleep(0.01)
