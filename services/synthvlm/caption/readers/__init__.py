"""Readers of caption files: every format gives the same stream of records."""

from synthvlm.caption.readers.caption_file import (
    CaptionFile,
    Format,
    find_caption_file,
    find_caption_files,
)
from synthvlm.caption.readers.identifiers import MAX_ID_CHARACTERS
from synthvlm.caption.readers.layout import Layout
from synthvlm.caption.readers.notices import Notice, Notices
from synthvlm.caption.readers.reading import read_records
from synthvlm.caption.readers.records import (
    MAX_RECORD_BYTES,
    CaptionRecord,
    Record,
    Unreadable,
)
from synthvlm.caption.readers.texts import excerpt

__all__ = [
    "MAX_ID_CHARACTERS",
    "MAX_RECORD_BYTES",
    "CaptionFile",
    "CaptionRecord",
    "Format",
    "Layout",
    "Notice",
    "Notices",
    "Record",
    "Unreadable",
    "excerpt",
    "find_caption_file",
    "find_caption_files",
    "read_records",
]
