"""How a command ends when it cannot do what it was asked: one line on stderr and a status."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthvlm.errors import DomainError, InvalidInput
from synthvlm.local.errors import ProcessFailed

USAGE_STATUS = 2
"""Exit status for wrong usage or input."""

FAILURE_STATUS = 1
"""Exit status when a valid request could not be carried out."""


class CommandError(Exception):
    """A command failed.

    Attributes:
        message: One line for the user.
        log: Where to find more.
        tail: The last lines of that log, if they explain the failure.
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

    def text(self) -> str:
        """The text for stderr."""
        line = f"synthvlm: {self.message}"
        if self.log is not None:
            line += f" (log: {self.log})"
        return f"{line}\n{self.tail}".rstrip()


class WrongUsageError(CommandError):
    """Wrong usage: a missing file, a bad name, options that exclude each other."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=USAGE_STATUS)


def command_error(error: DomainError) -> CommandError:
    """The failure of a command because of a domain error."""
    if isinstance(error, ProcessFailed):
        return CommandError(error.message, log=error.log, tail=error.tail)
    status = USAGE_STATUS if isinstance(error, InvalidInput) else FAILURE_STATUS
    return CommandError(error.message, status=status)


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
