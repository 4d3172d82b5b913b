"""How a command ends when it cannot do what it was asked: one line on stderr and a status."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthvlm.errors import DomainError, InvalidInput
from synthvlm.local.errors import ProcessFailed

USAGE_STATUS = 2
"""Exit status when what was asked is wrong by itself."""

FAILURE_STATUS = 1
"""Exit status when what was asked is right but could not be done."""


class CommandError(Exception):
    """A command failed.

    Attributes:
        message: One line for the user.
        status: Exit status.
        log: Where more is to be found.
        tail: The last lines of that log, when they say why.
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
        """What is written to stderr."""
        line = f"synthvlm: {self.message}"
        if self.log is not None:
            line += f" (log: {self.log})"
        return f"{line}\n{self.tail}".rstrip()


class WrongUsageError(CommandError):
    """What was asked is wrong by itself: a missing file, a bad name, options that exclude."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=USAGE_STATUS)


def command_error(error: DomainError) -> CommandError:
    """What a command tells of an error of the domain."""
    if isinstance(error, ProcessFailed):
        return CommandError(error.message, log=error.log, tail=error.tail)
    status = USAGE_STATUS if isinstance(error, InvalidInput) else FAILURE_STATUS
    return CommandError(error.message, status=status)


@contextmanager
def blaming(option: str) -> Iterator[None]:
    """Names the option whose value is refused within the context.

    Raises:
        WrongUsageError: It was.
    """
    try:
        yield
    except InvalidInput as error:
        raise WrongUsageError(f"{option}: {error.message}") from error
