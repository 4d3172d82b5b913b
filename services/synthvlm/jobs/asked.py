"""Where a job finds its request: in a file, or in the environment of its container."""

import os
from pathlib import Path

from synthvlm.errors import InvalidInput

REQUEST_VARIABLE = "SYNTHVLM_JOB_REQUEST"
"""Environment variable with the request as JSON; it counts where no file is named."""

REQUEST_HELP = f"JSON file with the request; without it, the request is in {REQUEST_VARIABLE}"
"""Help of the option ``--request``."""


def request_content(file: Path | None) -> bytes:
    """The request as JSON.

    Args:
        file: The file that it is in; None: it is in the environment.

    Raises:
        InvalidInput: The file cannot be read, or neither it nor the variable is given.
    """
    if file is None:
        content = os.environ.get(REQUEST_VARIABLE)
        if content is None:
            raise InvalidInput(
                f"there is no request: name a file by --request, or set {REQUEST_VARIABLE}"
            )
        return content.encode()
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"the request {file} cannot be read: {error.strerror}") from error


def request_name(file: Path | None) -> str:
    """What errors call the request."""
    return str(file or REQUEST_VARIABLE)
