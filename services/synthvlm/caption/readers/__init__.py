"""Readers of caption files: every format gives the same stream of records."""

from synthvlm.caption.readers.caption_file import CaptionFile, find_caption_file
from synthvlm.caption.readers.reading import read_records
from synthvlm.caption.readers.records import (
    MAX_ID_CHARACTERS,
    MAX_RECORD_BYTES,
    CaptionRecord,
    Record,
    Unreadable,
    excerpt,
)

__all__ = [
    "MAX_ID_CHARACTERS",
    "MAX_RECORD_BYTES",
    "CaptionFile",
    "CaptionRecord",
    "Record",
    "Unreadable",
    "excerpt",
    "find_caption_file",
    "read_records",
]
