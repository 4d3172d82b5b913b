"""One stream of records from any caption file."""

from collections import Counter
from collections.abc import Iterator

from synthvlm.caption.readers.caption_file import CaptionFile, Format
from synthvlm.caption.readers.delimited import delimited_records
from synthvlm.caption.readers.json_stream import json_records
from synthvlm.caption.readers.layout import Layout, one_of
from synthvlm.caption.readers.lines import json_line_records, text_records
from synthvlm.caption.readers.notices import Notices
from synthvlm.caption.readers.parquet import parquet_records
from synthvlm.caption.readers.records import CaptionRecord, Record, Unreadable
from synthvlm.caption.readers.suspicions import Suspicions


def read_records(file: CaptionFile, layout: Layout, notices: Notices) -> Iterator[Record]:
    """The records of a file in its order, in bounded memory, whatever its size.

    Args:
        file: The file.
        layout: What the caller says of its layout.
        notices: Gets what is worth knowing of the file; complete when the last record is read.

    Raises:
        InvalidInput: Nothing can be made of the file: it is empty, damaged, does not have the
            column, or has no readable record at all. What was yielded before is right all the same.
    """
    suspicions = Suspicions(file.format)
    captions = 0
    reasons: Counter[str] = Counter()
    first: Unreadable | None = None
    for record in _records(file, layout, notices):
        if isinstance(record, CaptionRecord):
            captions += 1
            suspicions.see(record.text)
        else:
            if first is None or first.reason == "empty_line":
                first = record
            reasons[record.reason] += 1
        yield record
    suspicions.tell(notices)
    if captions:
        return
    if first is None:
        raise file.unusable("holds no records")
    if set(reasons) <= {"missing_caption", "empty_line"}:
        shown = f"; the first record is {first.excerpt}" if first.excerpt else ""
        raise file.unusable(
            f"has no record with {one_of(layout.text_names)} in it{shown}; name the column or "
            f"key with the text (--column)"
        )
    raise file.unusable(
        f"holds no caption: of {reasons.total()} records none can be read "
        f"(the first, {first.line}, is {first.reason}: {first.excerpt})"
    )


def _records(file: CaptionFile, layout: Layout, notices: Notices) -> Iterator[Record]:
    match file.format:
        case Format.JSON:
            return json_records(file, layout, notices)
        case Format.JSON_LINES:
            return json_line_records(file.text_chunks(notices), layout, notices)
        case Format.CSV | Format.TSV:
            return delimited_records(file, layout, notices)
        case Format.PARQUET:
            return parquet_records(file, layout, notices)
        case Format.TEXT:
            return text_records(file.text_chunks(notices), notices)
