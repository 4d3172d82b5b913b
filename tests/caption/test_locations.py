"""Captions are read below the roots alone, whatever happens between the look and the use."""

import os
import threading
from pathlib import Path

import pytest

from synthvlm.caption.locations import Locations
from synthvlm.errors import DomainError, InvalidInput, PreconditionFailed


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A folder that may be read, with ``c.txt``, and a ``c.txt`` beside it."""
    allowed, secret = tmp_path / "allowed", tmp_path / "secret"
    for folder, text in ((allowed, "mine\n"), (secret, "secret\n")):
        folder.mkdir()
        (folder / "c.txt").write_text(text)
    return allowed, secret


def test_a_file_is_read_by_its_path_or_its_uri(folders: tuple[Path, Path]) -> None:
    allowed, _ = folders
    (allowed / "a b%20.txt").write_text("x")
    locations = Locations([str(allowed)])
    for reference in (f"{allowed}/c.txt", f"file://{allowed}/c.txt", f"{allowed}/../allowed/c.txt"):
        with locations.find(reference, "files[0]").open() as file:
            assert file.read() == b"mine\n"
    for reference in (f"{allowed}/a b%20.txt", f"file://{allowed}/a%20b%2520.txt"):
        assert locations.find(reference, "files[0]").size() == 1


def test_a_link_in_the_place_of_the_file_is_not_followed(folders: tuple[Path, Path]) -> None:
    allowed, secret = folders
    blob = Locations([str(allowed)]).find(f"{allowed}/c.txt", "files[0]")
    (allowed / "c.txt").unlink()
    (allowed / "c.txt").symlink_to(secret / "c.txt")
    for read in (blob.open, blob.size, blob.version):
        with pytest.raises(PreconditionFailed):
            read()


def test_a_link_in_the_place_of_its_folder_is_not_followed(folders: tuple[Path, Path]) -> None:
    allowed, secret = folders
    (allowed / "in").mkdir()
    (allowed / "in" / "c.txt").write_text("mine\n")
    blob = Locations([str(allowed)]).find(f"{allowed}/in/c.txt", "files[0]")
    (allowed / "in").rename(allowed / "moved")
    (allowed / "in").symlink_to(secret)
    with pytest.raises(PreconditionFailed, match="replaced"):
        blob.open()


def test_a_pipe_in_the_place_of_the_file_is_not_waited_for(folders: tuple[Path, Path]) -> None:
    allowed, _ = folders
    blob = Locations([str(allowed)]).find(f"{allowed}/c.txt", "files[0]")
    (allowed / "c.txt").unlink()
    os.mkfifo(allowed / "c.txt")
    with pytest.raises(PreconditionFailed, match="replaced"):
        blob.open()


def test_a_race_between_look_and_use_is_never_won(folders: tuple[Path, Path]) -> None:
    allowed, secret = folders
    locations = Locations([str(allowed)])
    (allowed / "in").mkdir()
    (allowed / "in" / "c.txt").write_text("mine\n")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (allowed / "in").rename(allowed / "aside")
            (allowed / "in").symlink_to(secret)
            (allowed / "in").unlink()
            (allowed / "aside").rename(allowed / "in")

    attacker = threading.Thread(target=swap)
    attacker.start()
    read = set()
    try:
        for _ in range(3000):
            try:
                with locations.find(f"{allowed}/in/c.txt", "files[0]").open() as file:
                    read.add(file.read())
            except DomainError:
                continue
    finally:
        stop.set()
        attacker.join()
    assert read <= {b"mine\n"}


@pytest.mark.parametrize(
    "reference",
    ["c.txt", "", "file://host/c.txt", "file:///a/%2e%2e/c.txt", "/a\0b", "file:///c.txt?x"],
)
def test_what_names_no_file_is_refused(reference: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Locations(["/"]).find(reference, "files[0]")
    assert caught.value.violations[0].field == "files[0]"
