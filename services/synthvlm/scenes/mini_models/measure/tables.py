"""Tables of the report on the bundled models."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table that prints as Markdown, with ``note`` in words below its title."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str = ""

    def __str__(self) -> str:
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        note = f"{self.note}\n\n" if self.note else ""
        return f"### {self.title}\n\n{note}{body}\n"


def percent(share: float) -> str:
    """A share for a table."""
    return f"{100 * share:.1f}%"
