"""What can go wrong with a process, and where to read why."""

from pathlib import Path

from synthvlm.errors import DomainError


class ProcessFailed(DomainError):
    """A process ended by itself, or did not become ready in time.

    Args:
        message: What happened.
        log: Where the process wrote why.
        tail: The last lines of the log, if they explain it.
    """

    code = "UNAVAILABLE"
    reason = "PROCESS_FAILED"

    def __init__(self, message: str, log: Path, tail: str = "") -> None:
        super().__init__(message)
        self.log = log
        self.tail = tail
