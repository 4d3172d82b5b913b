"""When a call is retried: after retryable errors, within a total time."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from synthvlm.client.timing import Deadline
from synthvlm.errors import RetryableError

R = TypeVar("R")


@dataclass(frozen=True)
class RetryPolicy:
    """How long to retry ``QueueFull`` and ``Unavailable``.

    Attributes:
        total_seconds: A call is retried for this long after its first failure (for shard calls: the
            first since its last progress), then the last error is raised; 0: no retries.
        longest_wait: Maximum seconds between two attempts.
    """

    total_seconds: float = 60.0
    longest_wait: float = 20.0


class Window:
    """The period in which a call may be retried: the policy's, limited by the deadline."""

    def __init__(self, policy: RetryPolicy, deadline: Deadline) -> None:
        self._policy = policy
        self._deadline = deadline
        self._failing_since: float | None = None
        self._failures = 0
        self._furthest = -1

    def progressed(self, done: int) -> None:
        """Restarts the period if ``done`` records are more than ever before.

        A repeat first catches up. If that counted as progress, a shard with a batch that always
        crashes the service would be retried forever.
        """
        if done > self._furthest:
            self._furthest = done
            self._failing_since = None
            self._failures = 0

    def remaining(self) -> float:
        """Seconds left."""
        left = self._policy.total_seconds
        # Time before the first failure was work, however long without progress.
        if self._failing_since is not None:
            left -= time.monotonic() - self._failing_since
        limit = self._deadline.remaining()
        return left if limit is None else min(left, limit)

    def retried(self, attempt: Callable[[], R]) -> R:
        """Calls ``attempt``, retrying on ``RetryableError`` until the period ends."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(RetryableError),
            wait=self._wait,
            stop=self._stop,
            sleep=time.sleep,
            reraise=True,
        )
        return retrying(attempt)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """The service's advice, doubled with each failure, plus random jitter of up to a half.

        Without jitter, callers that were rejected together would return together.
        """
        if self._failing_since is None:
            self._failing_since = time.monotonic()
        error = state.outcome.exception() if state.outcome is not None else None
        advice = error.retry_after_seconds if isinstance(error, RetryableError) else 0.0
        patience = min(self._policy.longest_wait, advice * 2.0 ** min(self._failures, 6))
        self._failures += 1
        spread = random.uniform(1.0, 1.5)  # noqa: S311 - no secret depends on it
        return max(advice, patience) * spread

    def _stop(self, state: tenacity.RetryCallState) -> bool:
        return state.upcoming_sleep >= self.remaining()
