"""A caption file and a folder of images become one committed shard, every bad record accounted for.

The shard has the table of a dataset version and its images in one tar, so that campaigns read it as
they read a version. It is named by what is in it: pairs, quarantine and name.
"""

import hashlib
import io
import math
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from synthvlm.alignment.decoding import FORMATS, Unusable, decode
from synthvlm.caption.caption_ids import caption_id
from synthvlm.caption.locations import Locations
from synthvlm.caption.pool import RowFile
from synthvlm.caption.readers import (
    CaptionFile,
    Layout,
    Notice,
    Notices,
    Unreadable,
    excerpt,
)
from synthvlm.errors import FieldViolation, InvalidInput, NotFound, PreconditionFailed
from synthvlm.limits import MAX_PROMPT_BYTES
from synthvlm.progress import Reporter
from synthvlm.real_set.entries import RealEntry, read_entries
from synthvlm.storage import (
    Commit,
    ShardKey,
    ShardRef,
    Store,
    canonical_json,
    file_digest,
    sha256_digest,
)
from synthvlm.storage.schemas import (
    IMAGES_TAR,
    PAIRS,
    PAIRS_FILE,
    QUARANTINE,
    QUARANTINE_FILE,
)
from synthvlm.storage.tar import TarFile

KIND: Final = "real-set"
CODE_VERSION: Final = 1
"""Raised whenever this code makes another shard of the same input."""

MAX_IMAGE_BYTES: Final = 32 * 2**20
"""Most bytes of an image: as many as the review service shows."""

_EXTENSIONS: Final = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}


@dataclass(frozen=True)
class RealSetRequest:
    """What to import.

    Attributes:
        name: What the set is called.
        file: The captions with the paths of their images.
        images: The folder below which images may lie, and which paths are relative to.
        layout: What the caller says of the file's layout.
        image_column: Name of the column or key with the path.
    """

    name: str
    file: CaptionFile
    images: Path
    layout: Layout
    image_column: str


@dataclass(frozen=True)
class RealSet:
    """A committed real set.

    Attributes:
        ref: The shard: ``pairs.parquet``, ``images.tar`` and ``quarantine.parquet``.
        read: Records read.
        quarantined: Records quarantined, by reason.
        notices: What is worth knowing of the file.
        example: The first quarantined record, as ``file:line: reason: excerpt``; empty: none was.
        is_new: Whether it was not committed before.
    """

    ref: ShardRef
    read: int
    quarantined: dict[str, int]
    notices: list[Notice]
    example: str
    is_new: bool


def import_real_set(store: Store, request: RealSetRequest, reporter: Reporter) -> RealSet:
    """Imports real images with their captions, or finds them imported.

    Captions get the ids that an import of the same file as captions gives them: by those a campaign
    pairs images.

    Args:
        store: Where the shard is written.
        request: What to import.
        reporter: Told of the records read so far, and asked whether to go on.

    Raises:
        InvalidInput: The file cannot be used at all, or not one of its records can.
        NotFound: There is no such folder.
        PreconditionFailed: The file changed while it was read.
        OperationCancelled: The caller has gone.
    """
    folder = request.images.resolve()
    if not folder.is_dir():
        raise NotFound(f"the folder {request.images} does not exist")
    version = request.file.blob.version()
    with tempfile.TemporaryDirectory(prefix="synthvlm-real-set-") as place:
        work = _Import(request, folder, Path(place))
        notices = Notices(request.file.name)
        entries = read_entries(request.file, request.layout, request.image_column, notices)
        for entry in entries:
            reporter.check()
            work.add(entry)
            reporter.report(work.read, 0)
        if request.file.blob.version() != version:
            raise PreconditionFailed(f"{request.file.name} changed while it was read; try again")
        return work.commit(store, notices.all())


class _Import:
    """One attempt at an import.

    Attributes:
        read: Records so far.
    """

    def __init__(self, request: RealSetRequest, folder: Path, place: Path) -> None:
        self.read = 0
        self._name = request.name
        self._file = request.file.name
        self._folder = folder
        self._locations = Locations([str(folder)])
        self._paths = {name: place / name for name in (PAIRS_FILE, IMAGES_TAR, QUARANTINE_FILE)}
        self._pairs = RowFile(self._paths[PAIRS_FILE], PAIRS)
        self._tar = TarFile(self._paths[IMAGES_TAR])
        self._quarantine = RowFile(self._paths[QUARANTINE_FILE], QUARANTINE)
        self._captions: set[int] = set()
        self._reasons: Counter[str] = Counter()
        self._example = ""

    def add(self, entry: RealEntry | Unreadable) -> None:
        """Takes a good record in, and puts another in quarantine."""
        self.read += 1
        if isinstance(entry, Unreadable):
            self._set_aside(entry.line, entry.reason, entry.excerpt)
        elif reason := self._accept(entry):
            about_image = reason.startswith("image_")
            shown = entry.path if about_image else entry.caption.text
            self._set_aside(entry.caption.line, reason, excerpt(shown))

    def commit(self, store: Store, notices: list[Notice]) -> RealSet:
        """Commits what was taken in, or finds it committed.

        Raises:
            InvalidInput: That is nothing.
        """
        if not self._pairs.rows:
            problem = f"{self._file} has no record that can be used; the first is {self._example}"
            raise InvalidInput(problem, [FieldViolation("file", problem)])
        self._pairs.close()
        self._tar.close()
        self._quarantine.close()
        digests = {name: file_digest(path) for name, path in self._paths.items()}
        inputs = {"contents": sha256_digest(canonical_json(digests))}
        commit = Commit(
            store, ShardKey(KIND, inputs, {"name": self._name}, code_version=CODE_VERSION)
        )
        quarantined = dict(sorted(self._reasons.items()))
        found = commit.find()
        ref = found or commit.finish(
            files=self._paths,
            records=self._pairs.rows,
            counts=quarantined,
            file_records={
                PAIRS_FILE: self._pairs.rows,
                QUARANTINE_FILE: self._quarantine.rows,
            },
        )
        return RealSet(ref, self.read, quarantined, notices, self._example, found is None)

    def _accept(self, entry: RealEntry) -> str:
        """Takes a record in; empty, or why it cannot be."""
        text = entry.caption.text
        if not text.strip():
            return "empty_caption"
        if len(text.encode()) > MAX_PROMPT_BYTES:
            return "caption_too_long"
        caption = caption_id(text, entry.caption.id)
        if int(caption, 16) in self._captions:
            return "duplicate_caption"
        data = self._image(entry.path)
        if isinstance(data, str):
            return data
        image = decode(data)
        if isinstance(image, Unusable):
            return f"image_{image.reason}"
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            form = str(opened.format)
        digest = sha256_digest(data)
        content = canonical_json([caption, digest])
        image_id = hashlib.sha256(content).hexdigest()[:32]
        file = f"{image_id}.{_EXTENSIONS[form]}"
        offset, size = self._tar.add(file, data)
        # After the image: a caption whose image cannot be used may come again with another one.
        self._captions.add(int(caption, 16))
        values = {
            "shard": IMAGES_TAR,
            "caption_id": caption,
            "text": text,
            "source_id": entry.caption.id,
            "image_id": image_id,
            "repeat": 0,
            # Nothing scored it, and no seed made it.
            **dict.fromkeys(("clip_score", "ssim_score", "weighted_score"), math.nan),
            "seed": 0,
            "file": file,
            "media_type": f"image/{form.lower()}",
            "width": image.width,
            "height": image.height,
            "offset": offset,
            "size": size,
            "sha256": digest,
            "truncated": False,
            "generation": "",
        }
        self._pairs.add(tuple(values[name] for name in PAIRS.names))
        return ""

    def _image(self, path: str) -> bytes | str:
        """The bytes of an image, or why they cannot be had.

        A path is judged by the file that was opened, links followed: it must lie below the folder.
        """
        try:
            with self._locations.find(str(self._folder / path), "image").open() as file:
                data = file.read(MAX_IMAGE_BYTES + 1)
        except NotFound:
            return "image_not_found"
        except (PreconditionFailed, OSError):
            return "image_unreadable"
        except InvalidInput:
            return "image_not_a_file" if self._is_inside(path) else "image_outside_folder"
        return data if len(data) <= MAX_IMAGE_BYTES else "image_too_many_bytes"

    def _is_inside(self, path: str) -> bool:
        try:
            return (self._folder / path).resolve().is_relative_to(self._folder)
        except (OSError, RuntimeError, ValueError):
            return False  # links that lead in a circle, or not a path at all

    def _set_aside(self, line: int, reason: str, shown: str) -> None:
        self._reasons[reason] += 1
        self._quarantine.add((self._file, line, reason, shown))
        if not self._example:
            self._example = f"{self._file}:{line}: {reason}" + (f": {shown}" if shown else "")
