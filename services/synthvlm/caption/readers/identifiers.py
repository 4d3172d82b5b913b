"""Identifiers of records: any scalar, as text."""

import math
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from synthvlm.caption.readers.notices import Notices
from synthvlm.caption.readers.texts import is_unicode

MAX_ID_CHARACTERS = 256
"""Longest identifier."""


def read_identifier(value: Any, line: int, notices: Notices) -> tuple[str | None, bool]:
    """The identifier that a value is, and whether it is an integer; None: it is none.

    A caption is worth more than its identifier: one that cannot be used is left out and noticed.

    Args:
        value: What the record has in the place of its identifier.
        line: Line or record number, for the notice.
        notices: Gets what is left out.
    """
    scalar = _scalar(value)
    shown = None if scalar is None else str(scalar)
    if shown is not None and len(shown) <= MAX_ID_CHARACTERS and is_unicode(shown):
        return shown or None, isinstance(scalar, int)
    if not _is_gap(value):
        notices.add(
            "ids_left_out",
            f"some identifiers are left out: they are lists, objects, longer than "
            f"{MAX_ID_CHARACTERS} characters or not valid Unicode (the first in record {line})",
            1,
        )
    return None, False


def _scalar(value: Any) -> str | int | None:
    """A scalar as an integer where it is one, else as text; None: it is not a scalar.

    Whole floats are integers: pandas makes floats of a column of integers with a gap.
    """
    match value:
        case bool():
            return str(value).lower()
        case str() | int():
            return value
        case float() | Decimal() if math.isfinite(value):
            return int(value) if value == int(value) else str(value)
        case date() | time() | timedelta() | UUID():
            return str(value)
        case _:
            return None


def _is_gap(value: Any) -> bool:
    return value is None or (isinstance(value, float | Decimal) and math.isnan(value))
