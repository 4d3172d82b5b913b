"""Writing for people and for programs: results to stdout, everything else to stderr.

All text for people goes through a ``Terminal``, which shows it as it is: brackets in a path or a
caption are no markup, and what would steer the terminal is shown as an escape.
"""

import json
import re
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

_KEPT = "\n\t\u200c\u200d"
"""Line ends, tabs, and joiners, which scripts and emoji need: they do no harm."""

# What JSON may contain as it is, but terminals act on or text is reordered by.
_OBEYED = re.compile("[\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


class Terminal(Console):
    """Where people read. Strings are shown literally; style is given with ``styled``."""

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Text from a string, wherever it stands: in a line, in a table's cell."""
        return super().render_str(printable(text), **options)

    def say(self, *pieces: str | Text) -> None:
        """Writes one line, however long it is: a path stays in one piece."""
        self.print(Text.assemble(*map(styled, pieces)), soft_wrap=True)


def styled(text: str | Text, style: str = "") -> Text:
    """A string in a style, for example ``bold``."""
    return text if isinstance(text, Text) else Text(printable(text), style)


def printable(text: str) -> str:
    """``text`` with all that does not print, except line ends and tabs, as escapes."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in _KEPT else ascii(one)[1:-1] for one in text)


def stderr_console() -> Terminal:
    """For progress and remarks."""
    return Terminal(stderr=True)


def stdout_console() -> Terminal:
    """For results that people read."""
    return Terminal()


def print_json(value: Any, *, indent: int | None = None) -> None:
    """Writes one JSON value to stdout, on one line unless ``indent`` is given."""
    is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(value, ensure_ascii=not is_unicode, indent=indent)
    sys.stdout.write(_OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")
    sys.stdout.flush()


def degrade_streams() -> None:
    """Lets stdout and stderr show what their encoding lacks as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
