"""What a caption file says of real images: each caption with the path of its image.

The readers of caption files give one text a record, so the file is read twice side by side: once
for its captions and once for its paths. Both give records the same numbers, by which they are
joined.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from synthvlm.caption.readers import (
    CaptionFile,
    CaptionRecord,
    Format,
    Layout,
    Notices,
    Record,
    Unreadable,
    excerpt,
    read_records,
)
from synthvlm.errors import FieldViolation, InvalidInput


@dataclass(frozen=True, slots=True)
class RealEntry:
    """A caption and where its image is.

    Attributes:
        caption: The caption as its file holds it.
        path: Path of the image, as the file holds it.
    """

    caption: CaptionRecord
    path: str


def read_entries(
    file: CaptionFile, layout: Layout, image_column: str, notices: Notices
) -> Iterator[RealEntry | Unreadable]:
    """The records of a file in its order, in bounded memory.

    Args:
        file: JSON (LLaVA's included), JSON Lines, CSV, TSV or Parquet.
        layout: What the caller says of its layout.
        image_column: Name of the column or key with the path of the image.
        notices: Gets what is worth knowing of the file; complete when the last record is read.

    Raises:
        InvalidInput: Nothing can be made of the file, or it names no images; what was yielded
            before is right all the same.
    """
    if file.format is Format.TEXT:
        raise file.unusable("is plain text, which cannot name images; give JSON, CSV or Parquet")
    paths = _paths(file, layout, image_column)
    line, found = 0, list[Record]()
    for number, captions in groupby(read_records(file, layout, notices), _line):
        while line < number:
            line, found = next(paths, (number, []))
        for caption in captions:
            yield _entry(caption, found if line == number else [])
    for _ in paths:
        pass  # a file without any path is found out at its end


def _line(record: Record) -> int:
    return record.line


def _entry(caption: Record, paths: list[Record]) -> RealEntry | Unreadable:
    if isinstance(caption, Unreadable):
        return caption
    if len(paths) > 1:
        return Unreadable(caption.line, "several_images", excerpt(caption.text))
    for path in paths:
        # A record that is a text alone is read as both.
        if isinstance(path, CaptionRecord) and path.text.strip() and path.text != caption.text:
            return RealEntry(caption, path.text)
    return Unreadable(caption.line, "no_image_named", excerpt(caption.text))


def _paths(
    file: CaptionFile, layout: Layout, image_column: str
) -> Iterator[tuple[int, list[Record]]]:
    """The paths by number of record. What looks odd for captions is right for paths: no notices."""
    named = replace(layout, column=image_column, id_column="")
    try:
        for number, records in groupby(read_records(file, named, Notices(file.name)), _line):
            yield number, list(records)
    except InvalidInput as error:
        # The readers speak of the option for captions.
        problem = error.message.replace("--column", "--image-column")
        raise InvalidInput(problem, [FieldViolation("image_column", problem)]) from error
