"""Samples by their number: the pairs of a dataset version, and any samples in tokens.

The order of samples is free, and they can be handed to the worker processes of a loader.
"""

import io
import os
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import structlog
from PIL import Image
from torch.utils.data import Dataset

from synthvlm.errors import DataCorrupt, InvalidInput, PreconditionFailed
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
