"""A caption file: its format by its name, and its bytes, decompressed."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from synthvlm.caption.locations import Blob, Locations
from synthvlm.caption.readers.compression import (
    CHUNK,
    Compression,
    DamagedError,
    decompressed,
)
from synthvlm.caption.readers.notices import Notices
from synthvlm.errors import FieldViolation, InvalidInput
from synthvlm.progress import Reporter
from synthvlm.storage.location import shown

_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")

BOMB_FREE_BYTES = 64 << 20
BOMB_RATIO = 250
"""Once a compressed file has given more than the first, it may not have more than the second times
its own size: real captions shrink to a third or a tenth."""


MAX_FILES = 1000
"""Files of an import, at most, those of folders included."""


class Format(StrEnum):
    """Formats of caption files."""

    JSON = "json"
    JSON_LINES = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    TEXT = "txt"


FORMATS = {f".{name.value}": name for name in Format} | {".ndjson": Format.JSON_LINES}
"""Formats by extension."""
COMPRESSIONS = {".gz": Compression.GZIP, ".zst": Compression.ZSTD}
"""Compressions by extension."""


@dataclass(frozen=True)
class CaptionFile:
    """A caption file.

    Attributes:
        blob: The file.
        field: Path of the request's field that names it.
        format: Its format.
        compression: How it is compressed; None: it is not.
    """

    blob: Blob
    field: str
    format: Format
    compression: Compression | None

    @property
    def name(self) -> str:
        """Its name without folders."""
        return self.blob.name

    def digest(self, reporter: Reporter) -> str:
        """``sha256:`` digest of the file as it lies there, compressed or not."""
        digest = hashlib.sha256()
        with closing(self.blob.open()) as file:
            while chunk := file.read(CHUNK):
                reporter.check()
                digest.update(chunk)
        return f"sha256:{digest.hexdigest()}"

    def expansion_limit(self) -> int:
        """Bytes that the file may expand to, by decompression or decoding."""
        return max(BOMB_FREE_BYTES, self.blob.size() * BOMB_RATIO)

    def too_expansive(self) -> InvalidInput:
        """The error that says that the file expands to more than its limit."""
        return self.unusable(
            f"expands to more than {BOMB_RATIO} times its size, which captions do not do; "
            f"decompress it or write it as text yourself if it is right"
        )

    def chunks(self, notices: Notices) -> Iterator[bytes]:
        """The decompressed bytes in pieces.

        Raises:
            InvalidInput: The file is damaged or cut off, or a decompression bomb.
        """
        with closing(self.blob.open()) as file:
            if self.compression is None:
                yield from iter(lambda: file.read(CHUNK), b"")
                return
            limit, size = self.expansion_limit(), 0
            try:
                for piece in decompressed(file, self.compression, lambda: _note_rest(notices)):
                    size += len(piece)
                    if size > limit:
                        raise self.too_expansive()
                    yield piece
            except DamagedError as error:
                # What is missing behind the break cannot be counted, so nothing of it is used.
                problem = str(error)
                if problem.startswith(":"):
                    raise self.unusable(f"cannot be decompressed{problem}") from error
                raise self.unusable(
                    f"is damaged or cut off {problem}; fetch or compress it again"
                ) from error

    def text_chunks(self, notices: Notices) -> Iterator[bytes]:
        """As ``chunks``, without a byte order mark, and every line end with a line feed.

        The pieces are large, save the last: many small ones would be costly to put together.

        Raises:
            InvalidInput: As ``chunks``, or the file is UTF-16 or empty.
        """
        chunks = _joined(self.chunks(notices))
        head = next(chunks, b"")
        if not head:
            raise self.unusable("is empty")
        if _is_utf16(head):
            raise self.unusable("is UTF-16; convert it to UTF-8")
        head = head.removeprefix(_UTF8_BOM)
        if b"\r" not in head or b"\n" in head:
            yield head
            yield from chunks
            return
        notices.add(
            "lines_end_with_cr",
            "its lines end with a carriage return alone, as on old Macs, and are read so",
        )
        for chunk in itertools.chain([head], chunks):
            yield chunk.replace(b"\r", b"\n")

    def unusable(self, problem: str) -> InvalidInput:
        """The error that says why nothing can be read from the file."""
        message = f"{self.name} {problem}"
        return InvalidInput(message, [FieldViolation(self.field, message)])


def _note_rest(notices: Notices) -> None:
    notices.add(
        "bytes_after_gzip",
        "something other than gzip follows the compressed data; it is passed over, as zcat does",
    )


def _is_utf16(head: bytes) -> bool:
    """Whether a text says that it is UTF-16, or has a zero in most of every other byte only."""
    zeros = sorted((head[0::2].count(0), head[1::2].count(0)))
    return head.startswith(_UTF16_BOMS) or (zeros[0] * 8 < zeros[1] and zeros[1] * 4 > len(head))


def _joined(chunks: Iterator[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        if size >= CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def find_caption_file(
    reference: str, locations: Locations, field: str = "file", form: Format | None = None
) -> CaptionFile:
    """Finds a caption file.

    Args:
        reference: An absolute path or the URL of an object.
        locations: Where it may lie.
        field: Path of the request's field that names it.
        form: Its format; None: as its extension says.

    Raises:
        InvalidInput: The service may not read it, or its extension says no known format.
        NotFound: It does not exist.
    """
    blob = locations.find(reference, field)
    path = PurePosixPath(blob.name)
    compression = COMPRESSIONS.get(path.suffix.lower())
    if compression is not None:
        path = path.with_suffix("")
    kind = form or FORMATS.get(path.suffix.lower())
    if kind is None:
        problem = (
            f"{blob.name} does not have the extension of a caption file; there are "
            f"{', '.join(sorted(FORMATS))}, each also with {' or '.join(COMPRESSIONS)}; or say "
            f"what it is (--format)"
        )
        raise _rejected(field, problem)
    return CaptionFile(blob, field, kind, compression)


def find_caption_files(
    references: Sequence[str], locations: Locations, form: Format | None = None
) -> list[CaptionFile]:
    """Finds caption files, and those of folders.

    Args:
        references: As ``find_caption_file`` takes them; one that ends in ``/`` stands for every
            caption file below it, in the order of their names, as they are now.
        locations: Where they may lie.
        form: Their format; None: as their extensions say.

    Raises:
        InvalidInput: As ``find_caption_file``; or a folder has no caption file, or there are too
            many in all.
        NotFound: One does not exist.
    """
    files: list[CaptionFile] = []
    for number, reference in enumerate(references):
        field = f"files[{number}]"
        names = [reference]
        if reference.endswith("/"):
            names = [one for one in locations.below(reference, field) if _is_caption_file(one)]
            if not names:
                raise _rejected(field, f"the folder {shown(reference)} has no caption files")
        if len(files) + len(names) > MAX_FILES:
            raise _rejected(field, f"there are more than {MAX_FILES:,} caption files")
        files += [find_caption_file(name, locations, field, form) for name in names]
    return files


def _is_caption_file(reference: str) -> bool:
    name = PurePosixPath(reference)
    if name.suffix.lower() in COMPRESSIONS:
        name = name.with_suffix("")
    return name.suffix.lower() in FORMATS


def _rejected(field: str, problem: str) -> InvalidInput:
    return InvalidInput(problem, [FieldViolation(field, problem)])
