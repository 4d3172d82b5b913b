"""Text reaches a terminal as it is, whatever it holds and whatever the terminal can show."""

import io
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from synthvlm.cli.terminal.output import Terminal, printable, styled

PATHS = [
    "y[/b]",
    "data[v2]",
    "out #[bold]%",
    "[link=x]a[/link]",
    ":smile:",
    "[red]",
    "[/]",
    "\\[x]",
]


def shown(*pieces: object, width: int = 40) -> str:
    out = io.StringIO()
    terminal = Terminal(file=out, width=width)
    for piece in pieces:
        if isinstance(piece, str):
            terminal.say(piece)
        else:
            terminal.print(piece)
    return out.getvalue()


@pytest.mark.parametrize("path", PATHS)
def test_markup_in_a_path_is_part_of_it(path: str) -> None:
    assert shown(f"report  /home/{path}/report.html") == f"report  /home/{path}/report.html\n"
    table = Table("path", box=None)
    table.add_row(path)
    assert path in shown(table)
    out = io.StringIO()
    Terminal(file=out, width=200).print(path)
    assert out.getvalue() == f"{path}\n"


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=60))
def test_any_text_is_shown_in_one_piece(text: str) -> None:
    assert shown(f"a {text} z", width=10) == f"a {text} z\n"


def test_what_would_steer_the_terminal_is_shown_as_an_escape() -> None:
    hostile = "a\x1b[31mred\x1b]0;title\x07\u202egnp.exe\x9b1m"
    assert shown(hostile) == "a\\x1b[31mred\\x1b]0;title\\x07\\u202egnp.exe\\x9b1m\n"
    table = Table("caption", box=None)
    table.add_row(hostile)
    assert "\x1b" not in shown(table, width=200)
    assert printable("tabs\tand\nlines, 中文 🦊") == "tabs\tand\nlines, 中文 🦊"
    assert styled(hostile, "bold").plain == printable(hostile)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_encoding_that_lacks_characters_is_no_reason_to_fail(encoding: str) -> None:
    script = (
        "from synthvlm.cli.terminal.output import *\n"
        "from rich.table import Table\n"
        "degrade_streams()\n"
        "t = Table('中文'); t.add_row('ein großer roter Kreis 🦊')\n"
        "stderr_console().print(t)\n"
        "stdout_console().say('中文 🦊')\n"
        "print_json({'caption': '中文 🦊'})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    said, content = done.stdout.decode(encoding).splitlines()
    assert said == ("中文 🦊" if encoding == "utf-8" else "\\u4e2d\\u6587 \\U0001f98a")
    assert json.loads(content) == {"caption": "中文 🦊"}
    done.stderr.decode(encoding)
