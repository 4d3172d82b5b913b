"""The bearer token for a Kubeflow Pipelines server, and getting a new one when it has run out."""

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from synthvlm.errors import PreconditionFailed

SERVICE_ACCOUNT_VARIABLE = "KF_PIPELINES_SA_TOKEN_PATH"
"""Names the token's file in notebooks of Kubeflow; the same variable as KFP's own client reads."""

SERVICE_ACCOUNT_FILE = Path("/var/run/secrets/kubeflow/pipelines/token")
"""Where Kubeflow mounts it otherwise."""

_COMMAND_SECONDS = 60


class Token:
    """A token that runs out.

    Args:
        read: Reads or makes the current one.
    """

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read
        self._value = ""

    def value(self) -> str:
        """The token; read at the first use."""
        return self._value or self.renewed()

    def renewed(self) -> str:
        """Reads the token anew.

        Raises:
            PreconditionFailed: It cannot be read.
        """
        value = self._read()
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise PreconditionFailed(
                "the token for the pipelines server is empty, or not one line of ASCII text "
                "without spaces"
            )
        self._value = value
        return value

    def redacted(self, text: str) -> str:
        """``text`` without the token."""
        return text.replace(self._value, "…") if self._value else text

    def __repr__(self) -> str:
        return "Token(…)"


def chosen_token(file: Path | None, command: str | None, *, inside: bool) -> Token | None:
    """The token that the options name, else the ServiceAccount's; None if there is neither.

    Args:
        file: A file that somebody keeps fresh.
        command: Prints a token, like ``gcloud auth print-access-token``; it is not run by a shell.
        inside: Whether it is for a server of this cluster: no other gets the ServiceAccount's.
    """
    if command is not None:
        return Token(lambda: _printed(command))
    if file is not None:
        return Token(lambda: _content(file))
    if not inside:
        return None
    mounted = Path(os.environ.get(SERVICE_ACCOUNT_VARIABLE) or SERVICE_ACCOUNT_FILE)
    return Token(lambda: _content(mounted)) if mounted.exists() else None


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise PreconditionFailed(f"the token file {file} cannot be read: {reason}") from error


def _printed(command: str) -> str:
    """What the command prints. Neither that nor its arguments are ever shown."""
    name = command.split(maxsplit=1)[0] if command.strip() else ""
    try:
        words = shlex.split(command)
        result = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMMAND_SECONDS,
            check=True,
        )
        return result.stdout.decode().strip()
    except subprocess.CalledProcessError as error:
        raise PreconditionFailed(
            f"the token command {name} ended with status {error.returncode}; run it by hand to see "
            f"why"
        ) from None
    except subprocess.TimeoutExpired:
        raise PreconditionFailed(
            f"the token command {name} did not end within {_COMMAND_SECONDS} seconds"
        ) from None
    except (OSError, IndexError, ValueError) as error:
        raise PreconditionFailed(f"the token command {name!r} cannot be run: {error}") from None
