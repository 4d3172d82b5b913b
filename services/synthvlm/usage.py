"""What work takes of a device, told from where it is measured to where it is written down.

The device is the GPU that a model runs on, or the CPU where the profile has no GPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from prometheus_client import Counter

_DEVICE_SECONDS = Counter(
    "synthvlm_device_seconds",
    "Seconds in which a device computed for this service's calls, waiting left out.",
)


@dataclass
class Usage:
    """What a piece of work has taken so far."""

    device_seconds: float = 0.0


_usage: ContextVar[Usage | None] = ContextVar("synthvlm_usage", default=None)
_run: ContextVar[str] = ContextVar("synthvlm_run", default="")


def used_device(seconds: float) -> None:
    """Counts time of a device for this process, and for the work that ``metered`` watches."""
    _DEVICE_SECONDS.inc(seconds)
    usage = _usage.get()
    if usage is not None:
        usage.device_seconds += seconds


@contextmanager
def metered() -> Iterator[Usage]:
    """What the block takes; work that it starts in other contexts is not seen."""
    usage = Usage()
    token = _usage.set(usage)
    try:
        yield usage
    finally:
        _usage.reset(token)


def work_for(run: str) -> None:
    """Says for which run this task works, as its caller names it."""
    _run.set(run)


def run_name() -> str:
    """The run that this task works for; empty where the caller named none."""
    return _run.get()
