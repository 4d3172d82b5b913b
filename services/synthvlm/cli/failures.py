"""How a command ends when it cannot do what it was asked: one line on stderr and a status."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthvlm.disk_space import free_bytes, full_disk_text, is_disk_full, says_disk_is_full
from synthvlm.errors import DomainError, InvalidInput, OutOfSpace
from synthvlm.local.errors import ProcessFailed

USAGE_STATUS = 2
"""Exit status for wrong usage or input."""

FAILURE_STATUS = 1
"""Exit status when a valid request could not be carried out."""

FULL_DISK_ADVICE = "free some and run the same command again: it resumes where this one stopped"

INTERRUPT_STATUS = 130
"""Exit status after Ctrl-C, as in shells."""

_NEXT_TO_NOTHING = 64 * 1024
"""With so few bytes left neither a log nor a database can be written."""


class CommandError(Exception):
    """A command failed.

    Attributes:
        message: One line for the user.
        log: Where to find more.
        tail: The last lines of that log, if they explain the failure.
        report: The report of the run that failed.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = FAILURE_STATUS,
        log: Path | None = None,
        tail: str = "",
    ) -> None:
        super().__init__(message)
        self.message = " ".join(message.split())
        self.status = status
        self.log = log
        self.tail = tail
        self.report: Path | None = None

    def text(self) -> str:
        """The text for stderr."""
        line = f"synthvlm: {self.message}"
        places = {"report": self.report, "log": self.log}
        if told := ", ".join(f"{name}: {path}" for name, path in places.items() if path):
            line += f" ({told})"
        return f"{line}\n{self.tail}".rstrip()


class WrongUsageError(CommandError):
    """Wrong usage: a missing file, a bad name, options that exclude each other."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=USAGE_STATUS)


def command_error(error: DomainError) -> CommandError:
    """The failure of a command because of a domain error."""
    if isinstance(error, ProcessFailed):
        full = full_disk(error.log.parent, error.tail)
        return full or CommandError(error.message, log=error.log, tail=error.tail)
    if isinstance(error, OutOfSpace) or says_disk_is_full(error.message):
        return CommandError(f"{error.message}; {FULL_DISK_ADVICE}")
    status = USAGE_STATUS if isinstance(error, InvalidInput) else FAILURE_STATUS
    return CommandError(error.message, status=status)


def full_disk(folder: Path, told: str) -> CommandError | None:
    """What to tell when a process has failed because its disk is full; None when it is not.

    Args:
        folder: Where the process wrote: who has no space left often cannot even say so.
        told: What it said.
    """
    if says_disk_is_full(told) or free_bytes(folder) < _NEXT_TO_NOTHING:
        return CommandError(f"{full_disk_text(folder)}; {FULL_DISK_ADVICE}")
    return None


@contextmanager
def blaming_disk(place: Path) -> Iterator[None]:
    """Says of which disk it is that no space is left, when that stops the context.

    Raises:
        CommandError: It did.
    """
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise CommandError(f"{full_disk_text(place)}; {FULL_DISK_ADVICE}") from error


@contextmanager
def blaming(option: str) -> Iterator[None]:
    """Blames the option for values that are rejected within the context.

    Raises:
        WrongUsageError: A value was rejected.
    """
    try:
        yield
    except InvalidInput as error:
        raise WrongUsageError(f"{option}: {error.message}") from error
