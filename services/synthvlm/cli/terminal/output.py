"""Writing for people and for programs: results to stdout, everything else to stderr.

Captions come from anywhere. What a terminal would obey instead of showing is written as an escape:
here, once, for everything that commands print.
"""

import json
import re
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

_JOINERS = "\u200c\u200d"
"""They print nothing and do no harm: scripts and emoji need them."""

# What JSON may hold as it is, but terminals obey or text is reordered by.
_OBEYED = re.compile("[\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def printable(text: str) -> str:
    """``text`` with every character that does not print, but for line ends, as an escape."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one == "\n" or one in _JOINERS else ascii(one)[1:-1]
        for one in text
    )


class _PrintableConsole(Console):
    """Prints strings as ``printable`` gives them; styles come from markup and objects alone."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The string as styled text."""
        return super().render_str(printable(text), **options)


def stderr_console() -> Console:
    """For progress and remarks."""
    return _PrintableConsole(stderr=True)


def stdout_console() -> Console:
    """For results that people read."""
    return _PrintableConsole()


def print_json(value: Any, *, indent: int | None = None) -> None:
    """Writes one JSON value to stdout, on one line unless ``indent`` is given."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    sys.stdout.write(_OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")
    sys.stdout.flush()
