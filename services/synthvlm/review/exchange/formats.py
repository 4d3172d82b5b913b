"""The formats in which a file of verdicts may come."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from synthvlm.review.exchange.entries import VerdictFile
from synthvlm.review.exchange.label_studio import from_tasks
from synthvlm.review.exchange.tables import from_csv, from_parquet


class Format(StrEnum):
    """How a file holds verdicts."""

    CSV = "csv"
    PARQUET = "parquet"
    LABEL_STUDIO = "label_studio"


_READERS: Final[Mapping[Format, Callable[[bytes], VerdictFile]]] = {
    Format.CSV: from_csv,
    Format.PARQUET: from_parquet,
    Format.LABEL_STUDIO: from_tasks,
}


def read_verdicts_file(form: Format, content: bytes) -> VerdictFile:
    """Reads a file of verdicts.

    Raises:
        InvalidInput: It is not one of this format, or too large.
    """
    return _READERS[form](content)
