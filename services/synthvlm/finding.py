"""What a check found, and how to mend it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        state: ``ok``, ``warning`` (works, but not well; or could not be told), or ``missing``
            (needed, but absent).
        what: What was checked.
        found: What is there.
        mend: What to do about it; empty if nothing.
    """

    state: Literal["ok", "warning", "missing"]
    what: str
    found: str
    mend: str = ""
