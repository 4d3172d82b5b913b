"""The names that stand for caption files, and what the options say of their layout."""

import gzip
import io
import os
import sys
from pathlib import Path

import pytest
import zstandard

from synthvlm.cli.caption_files import expanded, file_layout, recipe_column
from synthvlm.cli.failures import WrongUsageError
from synthvlm.cli.inputs import caption_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jsonl", "a.txt", "c.csv.gz", "picture.jpg", "deep/d.parquet", "x[1].txt"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a red circle\n")
    return tmp_path / "in"


def names(files: list[str], folder: Path) -> list[str]:
    return [str(Path(file).relative_to(folder)) for file in files]


def test_a_folder_stands_for_its_caption_files(folder: Path) -> None:
    found = caption_files([str(folder)])
    assert names(found, folder) == ["a.txt", "b.jsonl", "c.csv.gz", "deep/d.parquet", "x[1].txt"]


def test_a_glob_stands_for_what_it_matches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert names(caption_files(["*.[jt]*"]), folder) == [
        "a.txt",
        "b.jsonl",
        "picture.jpg",
        "x[1].txt",
    ]
    assert names(caption_files(["**/*.parquet"]), folder) == ["deep/d.parquet"]
    # A file of that very name comes first.
    assert names(caption_files(["x[1].txt", "a.txt"]), folder) == ["x[1].txt", "a.txt"]
    assert caption_files(["s3://bucket/*.json"]) == ["s3://bucket/*.json"]


def test_no_more_files_than_an_import_takes(tmp_path: Path) -> None:
    for number in range(1001):
        (tmp_path / f"{number}.txt").write_text("a")
    with pytest.raises(WrongUsageError, match="1,001 caption files; at most 1,000"):
        caption_files([str(tmp_path)])


@pytest.mark.parametrize(
    ("data", "extension"),
    [
        (b'{"caption": "a"}\n', ".json"),
        (b"\xef\xbb\xbf [", ".json"),
        (b"PAR1...", ".parquet"),
        (b"id\tcaption\n1\ta\n", ".tsv"),
        (b'"id","TEXT"\n1,a\n', ".csv"),
        (b"image|comment\n", ".csv"),
        (b"caption\na dog\n", ".csv"),
        (b"a dog, a cat\na text, a caption\n", ".txt"),
        (gzip.compress(b'{"caption": "a"}', mtime=0), ".json.gz"),
        (zstandard.compress(b"a dog"), ".txt.zst"),
    ],
)
def test_standard_input(monkeypatch: pytest.MonkeyPatch, data: bytes, extension: str) -> None:
    data += b"" if extension.endswith((".gz", ".zst")) else b"x" * 100_000
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    (file,) = caption_files(["-"])
    assert Path(file).name == f"captions{extension}"
    assert Path(file).read_bytes() == data
    assert Path(file).parent.stat().st_mode & 0o077 == 0


def test_standard_input_that_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(WrongUsageError, match="standard input is empty"):
        list(expanded("-"))


def test_a_pipe_is_read(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, b"a dog\n")
    os.close(write)
    (file,) = caption_files([f"/dev/fd/{read}"])
    os.close(read)
    assert Path(file).read_bytes() == b"a dog\n"


def test_the_layout() -> None:
    layout = file_layout("ndjson", None, "tab", "id, caption")
    assert (layout.format, layout.delimiter, list(layout.columns)) == (
        "jsonl",
        "\t",
        ["id", "caption"],
    )
    assert not layout.HasField("id_column")
    assert file_layout(None, "none", None, None).id_column == ""
    assert file_layout(None, "none", None, None).HasField("id_column")
    assert file_layout(None, "key", ";", None).id_column == "key"
    for wrong in ("||", "a", "é", '"'):
        with pytest.raises(WrongUsageError, match="--delimiter"):
            file_layout(None, None, wrong, None)


def test_the_text_column_of_a_recipe() -> None:
    assert recipe_column("text_keys: content\nprocess: []") == "content"
    assert recipe_column("text_keys: [content]") == "content"
    for other in ("paper-rules", "process: []", "text_keys: [a, b]", "text_keys: 3", "{", "a: *b"):
        assert recipe_column(other) == ""
