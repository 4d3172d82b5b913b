"""What is learnt from: the pairs of a dataset version, and files of LLaVA's instruction data.

Both give any sample by its number, so that the order of samples is free, and both can be handed to
the worker processes of a loader.
"""

import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import structlog
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch.utils.data import Dataset

from synthvlm.errors import DataCorrupt, InvalidInput, NotFound, PreconditionFailed
from synthvlm.storage import (
    ShardRef,
    Store,
    open_shard,
    open_store,
    parse_location,
    verified_image,
)
from synthvlm.storage.manifest import read_manifest
from synthvlm.storage.schemas import PAIRS, PAIRS_FILE
from synthvlm.training.conversation import IMAGE, MaskMismatch, Sample, Turn
from synthvlm.training.encoder import EncodedSample, Encoder

_log = structlog.get_logger(__name__)

WORKER_START = "forkserver"
"""How the worker processes of a loader are to be started: not by a fork of a process that has used
a store."""

_PROMPT = f"{IMAGE}\nDescribe the image."
_COLUMNS = pa.schema(
    [PAIRS.field(name) for name in ("image_id", "text", "shard", "offset", "size", "sha256")]
)
_VERSION_KIND = "dataset"


class Samples(Protocol):
    """Samples that can be had by their number."""

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Letters of each sample's text, for grouping samples by length."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


@dataclass(frozen=True)
class VersionLocation:
    """Where a dataset version is.

    Attributes:
        store: URI of the store: ``file:///folder``, ``s3://bucket/prefix``…
        path: The version's folder in it, as ``datasets show`` tells it.
        digest: The digest that it must have; empty: whichever it has.
    """

    store: str
    path: str
    digest: str = ""


class VersionPairs:
    """The pairs of a dataset version, read one by one from its tars.

    The index is held in memory: about 300 bytes a pair. Every picture's digest is checked.

    Args:
        location: The version.

    Raises:
        NotFound: There is no such version.
        InvalidInput: It is a shard of another kind.
        DataCorrupt: Its manifest or index is damaged, or it has another digest.
    """

    has_images = True

    def __init__(self, location: VersionLocation) -> None:
        self.location = location
        store = self._open()
        manifest = read_manifest(store, location.path)
        if manifest.kind != _VERSION_KIND:
            raise InvalidInput(
                f"{location.path} in {store.uri} has {manifest.kind}, not a dataset version"
            )
        self.digest = location.digest or manifest.digest
        version = open_shard(store, ShardRef(location.path, self.digest, manifest.records))
        self._index = version.table(PAIRS_FILE, _COLUMNS).combine_chunks()
        self._store: Store | None = store
        self._process = os.getpid()

    def __len__(self) -> int:
        return int(self._index.num_rows)

    def __getitem__(self, index: int) -> Sample:
        """The picture, and the caption as the answer to a request for one.

        Raises:
            DataCorrupt: The picture is not the one that was assembled.
            PreconditionFailed: This process is a fork of the one that opened the version.
        """
        row = self._index.slice(index, 1).to_pylist()[0]
        data = verified_image(self._opened(), f"{self.location.path}/{row['shard']}", row)
        turns = [Turn("user", _PROMPT), Turn("assistant", row["text"])]
        return Sample(opened(data, row["image_id"]), turns, row["image_id"])

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Letters of each caption."""
        return np.asarray(pc.utf8_length(self._index["text"]), np.int64)

    @property
    def captions(self) -> list[str]:
        """The captions, in order."""
        captions: list[str] = self._index["text"].to_pylist()
        return captions

    def _open(self) -> Store:
        return open_store(parse_location(self.location.store))

    def _opened(self) -> Store:
        if self._store is None:
            self._store, self._process = self._open(), os.getpid()
        if self._process != os.getpid():
            # The store's threads are not there, and it would wait for them without end.
            raise PreconditionFailed(
                f"a store that was opened before a fork cannot be read after it; start loaders' "
                f"workers with multiprocessing_context={WORKER_START!r}"
            )
        return self._store

    def __getstate__(self) -> dict[str, Any]:
        # A store's connections belong to the process that opened them.
        return {**self.__dict__, "_store": None}


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")

    sender: Literal["human", "gpt"] = Field(alias="from")
    value: str


class _Record(BaseModel):
    """A record of LLaVA's instruction data; other keys are left alone."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: str = ""
    image: str | None = None
    conversations: list[_Message] = Field(min_length=1)


class LlavaRecords:
    """Instruction data in LLaVA's JSON: of one file, the records with pictures or those without.

    Every record is checked when the file is opened, not in the middle of a run. Records are kept as
    JSON and read anew each time, which costs a fraction of the memory of Python's objects.

    Args:
        file: A JSON list of records with ``conversations``, and ``image`` where they have one.
        images: The folder that the records' pictures are below, to have the records with pictures;
            None for those without.

    Raises:
        NotFound: The file, or a picture, does not exist.
        InvalidInput: The file is not LLaVA's JSON, a picture's path leaves its folder, or no record
            is of the wanted sort.
    """

    def __init__(self, file: Path, images: Path | None) -> None:
        self.has_images = images is not None
        self._images = images
        records = [
            (number, record)
            for number, record in enumerate(_records(file))
            if (record.image is not None) == self.has_images
        ]
        if not records:
            sort = "with" if self.has_images else "without"
            raise InvalidInput(f"{file} has no records {sort} pictures")
        for number, record in records:
            if images is not None and record.image is not None:
                _require_below(images, record.image, f"record {number} of {file}")
        lines = [record.model_dump_json(by_alias=True).encode() for _, record in records]
        self._numbers = np.array([number for number, _ in records], np.int64)
        self._ends = np.cumsum([len(line) for line in lines], dtype=np.int64)
        self._lines = b"".join(lines)
        self._letters = np.array(
            [sum(len(message.value) for message in record.conversations) for _, record in records],
            np.int64,
        )

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> Sample:
        """A record.

        Raises:
            DataCorrupt: Its picture cannot be read.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        start = int(self._ends[index - 1]) if index else 0
        record = _Record.model_validate_json(self._lines[start : int(self._ends[index])])
        name = record.id or str(self._numbers[index])
        image = None
        if self._images is not None and record.image is not None:
            image = opened((self._images / record.image).read_bytes(), name)
        turns = [
            Turn("user" if message.sender == "human" else "assistant", message.value)
            for message in record.conversations
        ]
        return Sample(image, turns, name)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Letters of each conversation."""
        return self._letters


class EncodedSamples(Dataset[EncodedSample | MaskMismatch]):
    """Samples in tokens, for a loader.

    A sample whose mask does not fit is logged, and given as the error that it is: the collator
    counts it. Nothing else is forgiven.
    """

    def __init__(self, samples: Samples, encoder: Encoder) -> None:
        self.samples = samples
        self.encoder = encoder

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> EncodedSample | MaskMismatch:
        try:
            return self.encoder.encode(self.samples[index])
        except MaskMismatch as mismatch:
            _log.warning("mask_mismatch", kind=mismatch.kind, problem=mismatch.message)
            return mismatch


def opened(data: bytes, name: str) -> Image.Image:
    """A decoded picture.

    Raises:
        DataCorrupt: The bytes are not a picture.
    """
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataCorrupt(f"the picture of sample {name} cannot be read: {error}") from error
    return image


def _records(file: Path) -> Iterator[_Record]:
    try:
        records: Sequence[Any] = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise NotFound(f"the instruction file {file} does not exist") from error
    except ValueError as error:
        raise InvalidInput(f"{file} is not JSON: {error}") from error
    if not isinstance(records, list):
        raise InvalidInput(f"{file} is not a list of records with 'conversations'")
    for number, record in enumerate(records):
        try:
            yield _Record.model_validate(record)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise InvalidInput(f"record {number} of {file}: {place}: {first['msg']}") from error


def _require_below(folder: Path, name: str, record: str) -> None:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InvalidInput(f"{record}: the picture {name!r} is not below {folder}")
    if not path.is_file():
        raise NotFound(f"{record}: there is no picture {name!r} below {folder}")
