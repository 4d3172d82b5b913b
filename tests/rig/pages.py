"""The commands of docs/operate, as a reader would type them."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.contracts.words import ROOT

PAGES = ROOT / "docs" / "operate"


@dataclass(frozen=True)
class Command:
    """A line of a page's shell block."""

    page: str
    line: str

    @property
    def program(self) -> str:
        return self.line.split()[0]

    @property
    def executed(self) -> str:
        """What it runs in a pod, after ``--``; empty: nothing."""
        return self.line.partition(" -- ")[2] if " exec " in self.line else ""


def commands(page: str) -> list[Command]:
    """All commands of a page, in order, each on one line."""
    text = (PAGES / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [Command(page, line.strip()) for line in lines if line.strip()]


def pages() -> list[str]:
    """Pages with commands."""
    names = [path.name for path in sorted(PAGES.glob("*.md"))]
    return [name for name in names if commands(name)]


def chart_in(folder: Path) -> None:
    """Makes ``folder`` a place where the pages' commands can be typed."""
    (folder / "token").write_text("a token")
    (folder / "password").write_text("a password")
    (folder / "s3.env").write_text("AWS_ACCESS_KEY_ID=id\nAWS_SECRET_ACCESS_KEY=key\n")
    (folder / "my.yaml").write_text("images: {registry: registry.example.com}\n")
