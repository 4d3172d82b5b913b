"""How a long-running command reports to a program: one JSON object per line on stdout.

Each finished item is an object, and the result is the last one; logs and errors go to stderr. Exit
status as for the services: 0 success, 2 invalid input or settings, 1 any other failure.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from synthvlm.errors import DomainError, InvalidInput, NotFound
from synthvlm.serving.lifecycle import FAILURE_EXIT, USAGE_EXIT


def tell(content: dict[str, Any]) -> None:
    """Writes one object."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def run(work: Callable[[], dict[str, Any]]) -> int:
    """Runs ``work`` and writes its result, or why it failed; returns the exit status."""
    try:
        tell(work())
    except (InvalidInput, NotFound) as error:
        return _failed(error.message, USAGE_EXIT)
    except DomainError as error:
        return _failed(error.message, FAILURE_EXIT)
    return 0


def _failed(message: str, status: int) -> int:
    sys.stderr.write(f"{' '.join(message.split())}\n")
    return status
