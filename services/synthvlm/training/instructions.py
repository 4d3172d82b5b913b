"""LLaVA's instruction data, from files of its JSON."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthvlm.errors import DataCorrupt, InvalidInput, NotFound
from synthvlm.training.conversation import Sample, Turn
from synthvlm.training.samples import opened

_BLANKS = re.compile(r"[ \t\r\n]*")


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

    Every record is checked when the file is opened, not in the middle of a run. In memory there is
    only where each record begins and ends: it is read from the file each time, by any process.

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
        self._file = file
        self._images = images
        chosen = []
        for number, (start, end, record) in enumerate(_records(file)):
            if (record.image is not None) != self.has_images:
                continue
            if images is not None and record.image is not None:
                _require_below(images, record.image, f"record {number} of {file}")
            letters = sum(len(message.value) for message in record.conversations)
            chosen.append((number, start, end, letters))
        if not chosen:
            sort = "with" if self.has_images else "without"
            raise InvalidInput(f"{file} has no records {sort} pictures")
        self._places = np.array(chosen, np.int64)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Sample:
        """A record.

        Raises:
            DataCorrupt: Its picture cannot be read, or the file has changed.
        """
        number, start, end = map(int, self._places[index, :3])
        with self._file.open("rb") as file:
            file.seek(start)
            try:
                record = _Record.model_validate_json(file.read(end - start))
            except ValidationError as error:
                raise DataCorrupt(f"{self._file} has changed since it was opened") from error
        name = record.id or str(number)
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
        return self._places[:, 3]


def _records(file: Path) -> Iterator[tuple[int, int, _Record]]:
    """Each record of a JSON list, with the bytes of the file at which it begins and ends."""
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"the instruction file {file} does not exist") from error
    for number, (start, end) in enumerate(_places(data, file)):
        try:
            yield start, end, _Record.model_validate_json(data[start:end])
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise InvalidInput(f"record {number} of {file}: {place}: {first['msg']}") from error


def _places(data: bytes, file: Path) -> Iterator[tuple[int, int]]:
    """Where each value of a JSON list begins and ends."""
    # One letter a byte: whatever the bytes mean, JSON's own marks are the same.
    text = data.decode("latin-1")
    decoder = json.JSONDecoder()
    at = _blanks_end(text, 0)
    if text[at : at + 1] != "[":
        raise InvalidInput(f"{file} is not a list of records with 'conversations'")
    at = _blanks_end(text, at + 1)
    while text[at : at + 1] != "]":
        try:
            _, end = decoder.raw_decode(text, at)
        except ValueError as error:
            raise InvalidInput(f"{file} is not JSON: {error}") from error
        yield at, end
        at = _blanks_end(text, end)
        if text[at : at + 1] == ",":
            at = _blanks_end(text, at + 1)
        elif text[at : at + 1] != "]":
            raise InvalidInput(f"{file} is not JSON: there is no comma after character {end}")


def _blanks_end(text: str, start: int) -> int:
    found = _BLANKS.match(text, start)
    return start if found is None else found.end()


def _require_below(folder: Path, name: str, record: str) -> None:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InvalidInput(f"{record}: the picture {name!r} is not below {folder}")
    if not path.is_file():
        raise NotFound(f"{record}: there is no picture {name!r} below {folder}")
