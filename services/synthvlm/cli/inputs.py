"""Checking what a user asks for before anything is started, so that mistakes cost no time."""

import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from synthvlm.cli.caption_files import MAX_FILES, expanded
from synthvlm.cli.failures import WrongUsageError

if TYPE_CHECKING:
    from synthvlm.caption.v1.caption_pb2 import FileLayout

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_MAX_RECIPE_BYTES = 64 * 1024
_MAX_PROMPT_BYTES = 16_384
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")

MAX_SEED = 2**63 - 1
"""Largest seed."""

PAPER_RULES = "paper-rules"
"""The recipe that is known by its name."""


@dataclass(frozen=True)
class RunRequest:
    """What the user asked for, checked.

    Attributes:
        captions: Caption files, absolute paths or URLs.
        name: Name of the dataset.
        column: Text column; empty for the usual ones.
        recipe: YAML of the recipe, or ``paper-rules``.
        repeats: Images a caption.
        seed: Seed of the run.
        rule: The selection rule, in the form of the proto's JSON.
        shard_size: Captions a shard.
        layout: How the files are laid out, as far as the user says; None: as it shows.
        max_set_aside: Largest share of the records that may be set aside; None: the service's.
    """

    captions: list[str]
    name: str
    column: str
    recipe: str
    repeats: int
    seed: int
    rule: dict[str, float]
    shard_size: int
    layout: "FileLayout | None" = None
    max_set_aside: float | None = None


def caption_files(files: Sequence[str]) -> list[str]:
    """Caption files as services take them: absolute paths, and URLs as they are.

    Globs and folders stand for the files in them, ``-`` for standard input.

    Raises:
        WrongUsageError: One does not exist, is empty or cannot be read; or there are too many.
    """
    if not files:
        raise WrongUsageError("give at least one caption file with --captions")
    found = [file for name in files for file in expanded(name)]
    if len(found) > MAX_FILES:
        raise WrongUsageError(f"{len(found):,} caption files; at most {MAX_FILES:,} can be read")
    return [file if "://" in file else str(readable_file(file, "caption file")) for file in found]


def share(option: str, value: float | None) -> float | None:
    """A share from 0 to 1; None: not given.

    Raises:
        WrongUsageError: It is outside.
    """
    return None if value is None else part(option, value)


def readable_file(file: str, what: str) -> Path:
    """A local file that holds something.

    Args:
        file: As the user wrote it.
        what: What it is, for the message.

    Raises:
        WrongUsageError: It does not exist, is a directory, is empty or cannot be read.
    """
    path = Path(file).expanduser()
    if not path.exists():
        raise WrongUsageError(f"the {what} {file} does not exist")
    if path.is_dir():
        raise WrongUsageError(f"the {what} {file} is a directory; give a file")
    if not os.access(path, os.R_OK):
        raise WrongUsageError(f"the {what} {file} cannot be read: permission denied")
    if not path.is_file():
        raise WrongUsageError(f"the {what} {file} is no regular file")
    if path.stat().st_size == 0:
        raise WrongUsageError(f"the {what} {file} is empty")
    return path.resolve()


def dataset_name(name: str) -> str:
    """A dataset's name.

    Raises:
        WrongUsageError: It is no valid name.
    """
    if not _NAME.fullmatch(name):
        raise WrongUsageError(
            f"--name {name!r} is no dataset name; use 1 to 64 characters of a-z, 0-9 and -, "
            f"starting with a letter or digit"
        )
    return name


def recipe_text(recipe: str) -> str:
    """A recipe as the service takes it: its YAML, or the name of the paper's.

    Args:
        recipe: A file, or ``paper-rules``.

    Raises:
        WrongUsageError: There is no such file, or it is too large or no text.
    """
    if recipe == PAPER_RULES:
        return recipe
    data = readable_file(recipe, "recipe").read_bytes()
    if len(data) > _MAX_RECIPE_BYTES:
        raise WrongUsageError(f"the recipe {recipe} is larger than 64 KiB")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise WrongUsageError(f"the recipe {recipe} is no UTF-8 text") from error


def selection_rule(
    top_k: int | None, top_fraction: float | None, default: float
) -> dict[str, float]:
    """The selection rule, in the form of the proto's JSON.

    Raises:
        WrongUsageError: Both are given, or one is out of its range.
    """
    if top_k is not None and top_fraction is not None:
        raise WrongUsageError("give --top-k or --top-fraction, not both")
    if top_k is not None:
        if top_k < 1:
            raise WrongUsageError(f"--top-k must be at least 1, not {top_k}")
        return {"top_k": top_k}
    fraction = default if top_fraction is None else top_fraction
    if not 0 < fraction <= 1:
        raise WrongUsageError(f"--top-fraction must be above 0 and at most 1, not {fraction}")
    return {"top_fraction": fraction}


def in_range(option: str, value: int, least: int, most: int = MAX_SEED) -> int:
    """A number within its range.

    Raises:
        WrongUsageError: It is outside.
    """
    if not least <= value <= most:
        raise WrongUsageError(f"{option} must be from {least} to {most}, not {value}")
    return value


def prompt_text(prompt: str) -> str:
    """A prompt, as it is.

    Raises:
        WrongUsageError: It is empty, too long, or no Unicode text.
    """
    if not prompt.strip():
        raise WrongUsageError("the prompt is empty; say what the images shall show")
    try:
        size = len(prompt.encode())
    except UnicodeEncodeError as error:
        raise WrongUsageError("the prompt is no Unicode text") from error
    if size > _MAX_PROMPT_BYTES:
        raise WrongUsageError(f"the prompt has {size} bytes; {_MAX_PROMPT_BYTES} are allowed")
    return prompt


def part(option: str, value: float) -> float:
    """A part of a whole, from 0 to 1.

    Raises:
        WrongUsageError: It is outside.
    """
    if not 0 <= value <= 1:
        raise WrongUsageError(f"{option} must be from 0 to 1, not {value}")
    return value


def guidance_scale(value: float) -> float:
    """A guidance scale.

    Raises:
        WrongUsageError: It is out of its range.
    """
    if not 0 < value <= 50:
        raise WrongUsageError(f"--guidance-scale must be above 0 and at most 50, not {value}")
    return value


def output_file(option: str, path: Path) -> Path:
    """A file to write; one that is there is replaced.

    Raises:
        WrongUsageError: It is a directory, or lies below a file.
    """
    if path.is_dir():
        raise WrongUsageError(f"{option} {path} is a directory; give a file")
    output_folder(option, path.parent)
    return path


def picture_file(option: str, path: Path) -> Path:
    """An image file to write.

    Raises:
        WrongUsageError: As ``output_file``, or its name has no ending of an image format.
    """
    if path.suffix.lower() not in _PICTURES:
        raise WrongUsageError(f"{option} {path}: the name must end in {', '.join(_PICTURES)}")
    return output_file(option, path)


def output_folder(option: str, path: Path) -> Path:
    """A folder to write files into; it may not exist yet.

    Raises:
        WrongUsageError: It is a file, or lies below one.
    """
    if not next(p for p in (path, *path.absolute().parents) if p.exists()).is_dir():
        raise WrongUsageError(f"{option} {path} is no folder, and none can be made there")
    return path


def new_folder(parent: Path, text: str) -> Path:
    """A folder in ``parent``, named for ``text``, that does not exist yet."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:48].strip("-") or "images"
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(
        parent / candidate
        for candidate in itertools.chain([name], numbered)
        if not (parent / candidate).exists()
    )
