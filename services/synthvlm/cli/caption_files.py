"""Caption files as a user names them: paths, globs, folders, URLs and standard input."""

import atexit
import glob
import io
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from synthvlm.caption.v1.caption_pb2 import FileLayout
from synthvlm.cli.failures import WrongUsageError
from synthvlm.yaml_text import load_yaml

STANDARD_INPUT = "-"

MAX_FILES = 1000
"""Files of an import, at most."""

NO_IDS = "none"
"""What stands for no column of identifiers."""

_EXTENSIONS = ("json", "jsonl", "ndjson", "csv", "tsv", "parquet", "txt")
_COMPRESSIONS = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}
_TEXT_NAMES = {"caption", "text", "captions", "comment"}
_HEAD_BYTES = 1 << 16


def expanded(name: str) -> Iterator[str]:
    """The files that a name stands for: itself, or those of a glob or a folder, sorted.

    Standard input and named pipes are copied into a temporary file, because they can be read only
    once and only by this process.

    Raises:
        WrongUsageError: The name stands for no caption file.
    """
    path = Path(name).expanduser()
    if "://" in name:
        yield name
    elif name == STANDARD_INPUT:
        yield str(_copied(sys.stdin.buffer, "standard input"))
    elif path.is_dir():
        yield from _in_folder(path)
    elif path.exists() and stat.S_ISFIFO(path.stat().st_mode):
        with path.open("rb") as pipe:
            yield str(_copied(pipe, name))
    elif not path.exists() and glob.has_magic(str(path)):
        found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - may be absolute
        if not found:
            raise WrongUsageError(f"no caption file matches {name}")
        yield from (file for file in found if not Path(file).is_dir())
    else:
        yield name


def file_layout(
    form: str | None, id_column: str | None, delimiter: str | None, columns: str | None
) -> FileLayout:
    """What the options say of the layout of caption files.

    Raises:
        WrongUsageError: An option's value is not valid.
    """
    if form is not None and form not in _EXTENSIONS:
        raise WrongUsageError(f"--format must be one of {', '.join(_EXTENSIONS)}, not {form!r}")
    mark = {"tab": "\t", r"\t": "\t"}.get(delimiter or "", delimiter or "")
    if mark and (len(mark) > 1 or not mark.isascii() or mark.isalnum() or mark in '"\n\r\0'):
        raise WrongUsageError(
            f"--delimiter must be one character such as ; or |, or tab, not {delimiter!r}"
        )
    layout = FileLayout(
        format="jsonl" if form == "ndjson" else form or "",
        delimiter=mark,
        columns=[name.strip() for name in columns.split(",")] if columns else [],
    )
    if id_column is not None:
        layout.id_column = "" if id_column == NO_IDS else id_column
    return layout


def recipe_column(recipe: str) -> str:
    """The text column that a recipe's ``text_keys`` names; empty when it names none.

    What is wrong with a recipe is for the caption service to say.
    """
    try:
        content = load_yaml(recipe)
    except ValueError:
        return ""
    keys = content.get("text_keys") if isinstance(content, dict) else None
    if isinstance(keys, list) and len(keys) == 1:
        keys = keys[0]
    return keys if isinstance(keys, str) else ""


def _in_folder(folder: Path) -> list[str]:
    endings = tuple(
        f".{extension}{compression}"
        for extension in _EXTENSIONS
        for compression in ("", *_COMPRESSIONS.values())
    )
    found = sorted(
        str(path)
        for path in folder.rglob("*")
        if path.name.lower().endswith(endings) and path.is_file()
    )
    if not found:
        raise WrongUsageError(
            f"the folder {folder} has no caption files ({', '.join(_EXTENSIONS)}, plain or with "
            f"{' or '.join(_COMPRESSIONS.values())})"
        )
    return found


def _copied(stream: BinaryIO, name: str) -> Path:
    """Copies a stream into a file that is removed when this process ends."""
    if stream.isatty():
        raise WrongUsageError("standard input is a terminal; pipe captions into the command")
    folder = Path(tempfile.mkdtemp(prefix="synthvlm-captions-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    head = stream.read(_HEAD_BYTES)
    if not head:
        raise WrongUsageError(f"{name} is empty")
    path = folder / f"captions{_extension(head)}"
    with path.open("wb") as file:
        file.write(head)
        shutil.copyfileobj(stream, file)
    return path


def _extension(head: bytes) -> str:
    """The extension that fits what a stream begins with."""
    compression = next((end for magic, end in _COMPRESSIONS.items() if head.startswith(magic)), "")
    if compression == ".gz":
        head = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(head, _HEAD_BYTES)
    elif compression:
        import zstandard

        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(head)) as reader:
            head = reader.read(_HEAD_BYTES)
    return f".{_format(head)}{compression}"


def _format(head: bytes) -> str:
    if head.startswith(b"PAR1"):
        return "parquet"
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if text.startswith(("{", "[")):
        return "json"
    first = text.partition("\n")[0].lower()
    for form, marks in (("tsv", "\t"), ("csv", ",;|")):
        for mark in marks:
            names = {name.strip().strip('"') for name in first.split(mark)}
            if len(names) > 1 and names & _TEXT_NAMES:
                return form
    return "csv" if first.strip() in _TEXT_NAMES else "txt"
