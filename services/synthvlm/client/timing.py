"""The time limit of a call with all its attempts."""

import time


class Deadline:
    """A moment ``seconds`` from now; None: never."""

    def __init__(self, seconds: float | None) -> None:
        self._at = None if seconds is None else time.monotonic() + seconds

    def remaining(self) -> float | None:
        """Seconds left, at least 0; None: no limit."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())
