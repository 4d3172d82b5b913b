"""Writing for people and for programs: results to stdout, everything else to stderr."""

import json
import sys
from typing import Any

from rich.console import Console


def stderr_console() -> Console:
    """For progress and remarks."""
    return Console(stderr=True)


def stdout_console() -> Console:
    """For results that people read."""
    return Console()


def print_json(value: Any, *, indent: int | None = None) -> None:
    """Writes one JSON value to stdout, on one line unless ``indent`` is given."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=indent) + "\n")
    sys.stdout.flush()
