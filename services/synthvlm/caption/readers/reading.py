"""One stream of records from any caption file."""

from collections import Counter
from collections.abc import Iterator

from synthvlm.caption.readers.caption_file import CaptionFile, Format
from synthvlm.caption.readers.delimited import delimited_records
from synthvlm.caption.readers.json_stream import json_records
from synthvlm.caption.readers.lines import json_line_records, text_records
from synthvlm.caption.readers.parquet import parquet_records
from synthvlm.caption.readers.records import CaptionRecord, Record, Unreadable


def read_records(file: CaptionFile, column: str) -> Iterator[Record]:
    """The records of a file in its order, in bounded memory, whatever its size.

    Args:
        file: The file.
        column: Name of the text column or key; empty: ``caption``, else ``text``. Plain text has
            none.

    Raises:
        InvalidInput: Nothing can be made of the file: it is empty, damaged, without the column, or
            has no readable record at all. What was yielded before is right all the same.
    """
    captions = 0
    reasons: Counter[str] = Counter()
    first: Unreadable | None = None
    for record in _records(file, column):
        if isinstance(record, CaptionRecord):
            captions += 1
        else:
            first = first or record
            reasons[record.reason] += 1
        yield record
    if captions:
        return
    if first is None:
        raise file.unusable("holds no records")
    if set(reasons) <= {"missing_caption", "empty_line"}:
        raise file.unusable(
            f"has no record with {column or 'caption or text'} in it; name the column with the text"
        )
    raise file.unusable(
        f"holds no caption: of {reasons.total()} records none can be read "
        f"(the first, {first.line}, is {first.reason})"
    )


def _records(file: CaptionFile, column: str) -> Iterator[Record]:
    match file.format:
        case Format.JSON:
            return json_records(file, column)
        case Format.JSON_LINES:
            return json_line_records(file.text_chunks(), column)
        case Format.CSV | Format.TSV:
            return delimited_records(file, column)
        case Format.PARQUET:
            return parquet_records(file, column)
        case Format.TEXT:
            return text_records(file.text_chunks())
