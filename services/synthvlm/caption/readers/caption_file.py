"""A caption file: its format by its name, and its bytes, decompressed."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

import pyarrow as pa

from synthvlm.caption.locations import Blob, Locations
from synthvlm.errors import FieldViolation, InvalidInput
from synthvlm.progress import Reporter

_CHUNK = 1 << 18
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")

_BOMB_FREE_BYTES = 64 << 20
_BOMB_RATIO = 250
"""Once a compressed file has given more than the first, it may not have more than the second times
its own size: real captions shrink to a third or a tenth."""


class Format(StrEnum):
    """Formats of caption files."""

    JSON = "json"
    JSON_LINES = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    TEXT = "txt"


_FORMATS = {f".{name.value}": name for name in Format} | {".ndjson": Format.JSON_LINES}
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True)
class CaptionFile:
    """A caption file.

    Attributes:
        blob: The file.
        field: Path of the request's field that names it.
        format: Its format.
        compression: ``gzip``, ``zstd``, or None.
        source: Its name without folders and extensions.
    """

    blob: Blob
    field: str
    format: Format
    compression: str | None
    source: str

    @property
    def name(self) -> str:
        """Its name without folders."""
        return self.blob.name

    def digest(self, reporter: Reporter) -> str:
        """``sha256:`` digest of the file as it lies there, compressed or not."""
        digest = hashlib.sha256()
        with closing(self.blob.open()) as file:
            while chunk := file.read(_CHUNK):
                reporter.check()
                digest.update(chunk)
        return f"sha256:{digest.hexdigest()}"

    def chunks(self) -> Iterator[bytes]:
        """The decompressed bytes in pieces.

        Raises:
            InvalidInput: The file is damaged or cut off, or a decompression bomb.
        """
        with closing(self.blob.open()) as file:
            if self.compression is None:
                yield from iter(lambda: file.read(_CHUNK), b"")
                return
            limit = max(_BOMB_FREE_BYTES, self.blob.size() * _BOMB_RATIO)
            size = 0
            try:
                with pa.CompressedInputStream(pa.PythonFile(file, "r"), self.compression) as stream:
                    while chunk := stream.read(_CHUNK):
                        size += len(chunk)
                        if size > limit:
                            raise self.unusable(
                                f"is more than {_BOMB_RATIO} times as large decompressed, which no "
                                f"captions are; decompress it yourself if it is right"
                            )
                        yield chunk
            except OSError as error:
                # What is missing behind the break cannot be counted, so nothing of it is used.
                raise self.unusable(
                    f"is damaged or cut off after {size} decompressed bytes ({error}); fetch or "
                    f"compress it again"
                ) from error

    def text_chunks(self) -> Iterator[bytes]:
        """As ``chunks``, without a byte order mark.

        Raises:
            InvalidInput: As ``chunks``, or the file is UTF-16 or empty.
        """
        chunks = self.chunks()
        head = b""
        for chunk in chunks:
            head += chunk
            if len(head) >= len(_UTF8_BOM):
                break
        if not head:
            raise self.unusable("is empty")
        if head.startswith(_UTF16_BOMS):
            raise self.unusable("is UTF-16; convert it to UTF-8")
        yield head.removeprefix(_UTF8_BOM)
        yield from chunks

    def unusable(self, problem: str) -> InvalidInput:
        """The error that says why nothing can be read from the file."""
        message = f"{self.name} {problem}"
        return InvalidInput(message, [FieldViolation(self.field, message)])


def find_caption_file(reference: str, locations: Locations, field: str = "file") -> CaptionFile:
    """Finds a caption file.

    Args:
        reference: An absolute path or the URL of an object.
        locations: Where it may lie.
        field: Path of the request's field that names it.

    Raises:
        InvalidInput: The service may not read it, or its extension says no known format.
        NotFound: It does not exist.
    """
    blob = locations.find(reference, field)
    path = PurePosixPath(blob.name)
    compression = _COMPRESSIONS.get(path.suffix.lower())
    if compression is not None:
        path = path.with_suffix("")
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        problem = (
            f"{blob.name} has no extension of a caption file; there are "
            f"{', '.join(sorted(_FORMATS))}, each also with {' or '.join(_COMPRESSIONS)}"
        )
        raise InvalidInput(problem, [FieldViolation(field, problem)])
    return CaptionFile(blob, field, kind, compression, path.stem)
