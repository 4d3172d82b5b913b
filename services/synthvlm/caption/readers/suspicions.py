"""Captions that look like something else: noticed before anybody pays for their images."""

import re
from collections import Counter

from synthvlm.caption.readers.caption_file import Format
from synthvlm.caption.readers.layout import TEXT_NAMES
from synthvlm.caption.readers.notices import Notices

_SEEN = 10_000
"""Captions of a file that are looked at."""

_SHARE = 0.5
"""Share of them beyond which a look is a suspicion."""

_TABLE_SHARE = 0.9
"""Share of lines with as many delimiters as the others beyond which a text looks like a table."""

_URL = re.compile(r"(?:https?|ftp|s3|gs)://\S+\s*\Z")
_FILE_NAME = re.compile(r"\S{1,256}\.(?:jpe?g|png|webp|gif|bmp|tiff?)(?:#\d+)?(?=[\s,;|]|\Z)", re.I)
_LIST = re.compile(r"\s*\[\s*(?:\"|').*(?:\"|')\s*\]\s*\Z", re.S)
_ONE_NUMBER = re.compile(r"\s*[+-]?\d+(?:[.,]\d+)?\s*\Z")
_DELIMITERS = ("\t", "|", ";", ",")

_MESSAGES = {
    "addresses_as_captions": "are addresses, not captions; name another column (--column)",
    "file_names_as_captions": (
        "begin with the name of an image file; if the file is a table, say so (--format csv or "
        "tsv, --columns), or name another column (--column)"
    ),
    "lists_as_captions": (
        "are lists written as text, and each is one caption with its brackets; write them as lists "
        "or one caption a record"
    ),
    "numbers_as_captions": "are numbers, not captions; name another column (--column)",
    "table_as_text": (
        "have the same number of columns: the file looks like a table but is read as plain text, "
        "each line a caption; say what it is (--format csv or tsv)"
    ),
}


class Suspicions:
    """Looks at the captions of one file.

    Args:
        form: The file's format.
    """

    def __init__(self, form: Format) -> None:
        self._is_text = form is Format.TEXT
        self._seen = 0
        self._looks: Counter[str] = Counter()
        self._columns: Counter[tuple[str, int]] = Counter()
        self._has_header = False

    def see(self, text: str) -> None:
        """Looks at the next caption; only so many of a file are looked at."""
        if self._seen == _SEEN:
            return
        if self._seen == 0 and self._is_text:
            self._has_header = _is_header(text)
        self._seen += 1
        if _FILE_NAME.match(text):
            self._looks["file_names_as_captions"] += 1
        elif _URL.match(text):
            self._looks["addresses_as_captions"] += 1
        elif _LIST.match(text):
            self._looks["lists_as_captions"] += 1
        elif _ONE_NUMBER.match(text):
            self._looks["numbers_as_captions"] += 1
        if self._is_text:
            self._columns.update((mark, text.count(mark)) for mark in _DELIMITERS if mark in text)

    def tell(self, notices: Notices) -> None:
        """Notes what more than half of the captions look like."""
        for kind, records in self._looks.items():
            if records > _SHARE * self._seen:
                self._note(notices, kind, records)
        same = [
            records
            for (mark, _), records in self._columns.items()
            if mark != "," and self._seen > 1
        ]
        if self._has_header:
            self._note(notices, "table_as_text", self._seen)
        elif same and max(same) > _TABLE_SHARE * self._seen:
            self._note(notices, "table_as_text", max(same))

    def _note(self, notices: Notices, kind: str, records: int) -> None:
        message = f"{records:,} of the first {self._seen:,} captions {_MESSAGES[kind]}"
        notices.add(kind, message, records)


def _is_header(line: str) -> bool:
    """Whether a line is made of names of columns, that of a text among them."""
    for mark in _DELIMITERS:
        names = [name.strip().strip('"').lower() for name in line.split(mark)]
        if len(names) > 1 and set(names) & set(TEXT_NAMES) and all(map(str.isidentifier, names)):
            return True
    return False
