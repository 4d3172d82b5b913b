"""The commands that fill an index from what a store holds; what they enter, the services test."""

import subprocess
import sys
from pathlib import Path

import pytest

from synthvlm.storage import file_uri, open_store, parse_location
from tests.caption_sets import commit_caption_set
from tests.service_process import clean_environment


def call(word: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", f"synthvlm.{word}.reindex", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=clean_environment(), check=False
    )


@pytest.mark.parametrize("word", ["generation", "alignment"])
def test_every_root_of_a_service_is_read(word: str, tmp_path: Path) -> None:
    roots = [file_uri(tmp_path / name) for name in ("one", "two")]
    for root in roots:
        commit_caption_set(open_store(parse_location(root)), ["a caption without images"])
    database = tmp_path / "index.sqlite"
    options = [part for root in roots for part in ("--store-roots", root)]
    done = call(word, "--reuse.database", f"sqlite:///{database}", *options)
    assert (done.returncode, done.stdout) == (
        0,
        "".join(f"{root}: 0 entered\n" for root in roots),
    ), done.stderr
    assert database.exists()


def test_without_an_index_there_is_nothing_to_fill() -> None:
    done = call("generation", "--store-roots", "memory://store")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "reuse.database is not set: there is no index to fill\n"
