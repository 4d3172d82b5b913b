"""What the caller says of a file's layout, and the usual names of columns."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

TEXT_NAMES = ("caption", "text", "captions", "comment")
"""Where the text is when no column is named; the first that a record has."""

ID_NAMES = ("id", "sample_id", "image_id")
"""Where the optional identifier is when no column is named; the first that a record has."""


@dataclass(frozen=True)
class Layout:
    """How a file is laid out, as far as the caller says.

    Attributes:
        column: Name of the text column or key; empty: the usual names.
        id_column: Name of the identifier's column or key; None: the usual names; empty: there are
            no identifiers.
        delimiter: What stands between the columns of CSV and TSV; empty: what is usual.
        columns: Names of the columns of CSV and TSV without a header line; empty: it has one.
    """

    column: str = ""
    id_column: str | None = None
    delimiter: str = ""
    columns: tuple[str, ...] = ()

    @property
    def text_names(self) -> tuple[str, ...]:
        """Names that the text may have, the preferred one first."""
        return (self.column,) if self.column else TEXT_NAMES

    @property
    def id_names(self) -> tuple[str, ...]:
        """Names that the identifier may have, the preferred one first."""
        if self.id_column is None:
            return ID_NAMES
        return (self.id_column,) if self.id_column else ()

    def text_name(self, names: Collection[str]) -> str | None:
        """Which of a record's names is that of the text; None: none of them."""
        return _find(names, self.text_names, exact=bool(self.column))

    def id_name(self, names: Collection[str]) -> str | None:
        """Which of a record's names is that of the identifier; None: none of them."""
        return _find(names, self.id_names, exact=self.id_column is not None)


def _find(names: Collection[str], wanted: Sequence[str], *, exact: bool) -> str | None:
    if wanted and wanted[0] in names:
        return wanted[0]
    for name in wanted[1:]:
        if name in names:
            return name
    if exact or not wanted:
        return None
    lower = {name.lower(): name for name in names}
    return next((lower[name] for name in wanted if name in lower), None)


def one_of(names: Sequence[str]) -> str:
    """Names as a sentence lists them: ``caption, text or captions``."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
