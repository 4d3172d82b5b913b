"""Checking what a user asks for before anything is started, so that mistakes cost no time."""

import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path

from synthvlm.caption.v1.caption_pb2 import ImportCaptionsRequest
from synthvlm.cli.caption_files import MAX_FILES, expanded, file_layout, recipe_column
from synthvlm.cli.failures import WrongUsageError, blaming
from synthvlm.dataset.v1.dataset_pb2 import SelectionRule, Strata
from synthvlm.limits import MAX_PROMPT_BYTES, MAX_SEED
from synthvlm.local.words import ENGINES
from synthvlm.profiles import load_profile, profile_names

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_MAX_RECIPE_BYTES = 64 * 1024
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")

CLUSTER = "cluster"
"""What divides captions by clusters, in place of a column."""

DEFAULT_CLUSTERS = 16
"""Clusters unless their number is given."""

PAPER_RULES = "paper-rules"
"""The recipe that can be given by name."""


def caption_files(files: Sequence[str]) -> list[str]:
    """Caption files as services take them: absolute paths, and URLs as they are.

    Globs and folders stand for the files in them, ``-`` for standard input.

    Raises:
        WrongUsageError: One does not exist, is empty, cannot be read, or has a name that is not
            Unicode text; or there are too many.
    """
    if not files:
        raise WrongUsageError("give at least one caption file with --captions")
    known = [unicode_text("the caption file", name) for name in files]
    found = [file for name in known for file in expanded(name)]
    if len(found) > MAX_FILES:
        raise WrongUsageError(f"{len(found):,} caption files; at most {MAX_FILES:,} can be read")
    return [file if "://" in file else str(readable_file(file, "caption file")) for file in found]


def import_request(
    files: Sequence[str],
    *,
    recipe: str,
    column: str,
    id_column: str | None,
    form: str | None,
    delimiter: str | None,
    columns: str | None,
    max_set_aside: float | None,
) -> ImportCaptionsRequest:
    """What to import, from the options that ``run`` and ``tune`` have for caption files.

    Raises:
        WrongUsageError: A file cannot be read, or an option's value is not valid.
    """
    return ImportCaptionsRequest(
        files=caption_files(files),
        column=unicode_text("--column", column) or recipe_column(recipe),
        layout=file_layout(form, id_column, delimiter, columns),
        max_set_aside=share("--max-set-aside", max_set_aside),
    )


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
        raise WrongUsageError(f"the {what} {file} is not a regular file")
    if path.stat().st_size == 0:
        raise WrongUsageError(f"the {what} {file} is empty")
    return path.resolve()


def dataset_name(name: str) -> str:
    """A dataset's name.

    Raises:
        WrongUsageError: It is not a valid name.
    """
    if not _NAME.fullmatch(name):
        raise WrongUsageError(
            f"--name {name!r} is not a valid dataset name; use 1 to 64 characters of a-z, 0-9 "
            f"and -, starting with a letter or digit"
        )
    return name


def recipe_text(recipe: str) -> str:
    """A recipe as the service takes it: its YAML, or the name of the paper's.

    Args:
        recipe: A file, or ``paper-rules``.

    Raises:
        WrongUsageError: There is no such file, or it is too large or not text.
    """
    if recipe == PAPER_RULES:
        return recipe
    data = readable_file(recipe, "recipe").read_bytes()
    if len(data) > _MAX_RECIPE_BYTES:
        raise WrongUsageError(f"the recipe {recipe} is larger than 64 KiB")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise WrongUsageError(f"the recipe {recipe} is not UTF-8 text") from error


def profile_reference(profile: str) -> str:
    """The profile as services take it: a shipped name, or an absolute path.

    Raises:
        WrongUsageError: There is no such profile, or it is damaged.
    """
    with blaming("--profile"):
        load_profile(profile)
    return profile if profile in profile_names() else str(Path(profile).resolve())


def profile_recipe(profile: str) -> str:
    """The recipe that a profile curates by: ``paper-rules`` or a file.

    A run names it in its request, so that the version's manifest records it.
    """
    return str(load_profile(profile).section("caption").get("recipe", PAPER_RULES))


def engine_name(engine: str | None) -> str | None:
    """What synthesises the images; None: as the profile says.

    Raises:
        WrongUsageError: There is no such engine.
    """
    if engine is not None and engine not in ENGINES:
        raise WrongUsageError(f"--engine: give {' or '.join(ENGINES)}, not {engine!r}")
    return engine


def selection_rule(
    top_k: int | None, top_fraction: float | None, default: float, within: str | None = None
) -> SelectionRule:
    """The selection rule.

    Args:
        top_k: The limit as a number of captions.
        top_fraction: The limit as a fraction.
        default: The fraction if neither is given.
        within: The strata, as ``COLUMN``, ``COLUMN:QUANTILES``, ``cluster`` or ``cluster:NUMBER``.

    Raises:
        WrongUsageError: Both limits are given, or a value is wrong.
    """
    rule = _limit(top_k, top_fraction, default)
    if within is not None:
        rule.strata.CopyFrom(_strata(unicode_text("--within", within)))
    return rule


def _strata(within: str) -> Strata:
    column, _, parts = within.partition(":")
    number = int(parts) if parts.isdecimal() and len(parts) < 5 else 0
    if column == CLUSTER:
        if ":" in within and not 2 <= number <= 100:
            raise WrongUsageError(
                f"--within {within}: give a number of clusters from 2 to 100, as in {CLUSTER}:16"
            )
        return Strata(clusters=number or DEFAULT_CLUSTERS)
    if not 1 <= len(column) <= 64 or (":" in within and not 2 <= number <= 1000):
        raise WrongUsageError(
            f"--within {within}: give a column, as in words, or a column and a number of quantiles "
            f"from 2 to 1000, as in words:4, or {CLUSTER} and a number of clusters"
        )
    return Strata(column=column, quantiles=number)


def _limit(top_k: int | None, top_fraction: float | None, default: float) -> SelectionRule:
    if top_k is not None and top_fraction is not None:
        raise WrongUsageError("give --top-k or --top-fraction, not both")
    if top_k is not None:
        return SelectionRule(top_k=in_range("--top-k", top_k, 1))
    fraction = default if top_fraction is None else top_fraction
    if not 0 < fraction <= 1:
        raise WrongUsageError(f"--top-fraction must be above 0 and at most 1, not {fraction}")
    return SelectionRule(top_fraction=fraction)


def in_range(option: str, value: int, least: int, most: int = MAX_SEED) -> int:
    """A number within its range.

    Raises:
        WrongUsageError: It is outside.
    """
    if not least <= value <= most:
        raise WrongUsageError(f"{option} must be from {least} to {most}, not {value}")
    return value


def unicode_text(what: str, text: str) -> str:
    """A text, unchanged: a command line's arguments need not be Unicode.

    Raises:
        WrongUsageError: It is not valid UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise WrongUsageError(f"{what} {text!r} is not valid UTF-8") from error
    return text


def prompt_text(prompt: str) -> str:
    """A prompt, unchanged.

    Raises:
        WrongUsageError: It is empty, too long, or not Unicode text.
    """
    if not prompt.strip():
        raise WrongUsageError("the prompt is empty; say what the images should show")
    try:
        size = len(prompt.encode())
    except UnicodeEncodeError as error:
        raise WrongUsageError("the prompt is not Unicode text") from error
    if size > MAX_PROMPT_BYTES:
        raise WrongUsageError(f"the prompt has {size} bytes; the limit is {MAX_PROMPT_BYTES}")
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
    """A file to write; an existing one is replaced.

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
        WrongUsageError: As ``output_file``, or the extension is not that of an image format.
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
        raise WrongUsageError(f"{option} {path} is not a folder, and none can be made there")
    return path


def new_folder(parent: Path, text: str) -> Path:
    """A folder in ``parent``, named after ``text``, that does not exist yet."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:48].strip("-") or "images"
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(
        parent / candidate
        for candidate in itertools.chain([name], numbered)
        if not (parent / candidate).exists()
    )
