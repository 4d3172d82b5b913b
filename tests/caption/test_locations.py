"""Captions are read below the roots alone, whatever happens between the look and the use."""

import os
import threading
from pathlib import Path

import pytest

from synthvlm.caption.locations import Locations
from synthvlm.caption.readers import find_caption_files
from synthvlm.caption.readers.caption_file import MAX_FILES
from synthvlm.errors import DomainError, InvalidInput, NotFound, PreconditionFailed
from synthvlm.storage import open_store, parse_location


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


def test_the_files_of_a_folder_are_found_by_its_path_and_its_uri(
    folders: tuple[Path, Path],
) -> None:
    allowed, _ = folders
    (allowed / "in" / "a b").mkdir(parents=True)
    (allowed / "in" / "a b" / "d.txt").write_text("deep\n")
    locations = Locations([str(allowed)])
    expected = [f"{allowed}/c.txt", f"{allowed}/in/a b/d.txt"]
    for reference in (f"{allowed}/", f"file://{allowed}/"):
        assert locations.below(reference, "files[0]") == expected
    assert locations.find(expected[1], "files[0]").size() == 5


def test_the_files_of_a_folder_of_a_store_are_found_below_it() -> None:
    # Each folder of memory is a store of its own: a file is written where it is listed, and read.
    for uri, name in (
        ("memory://folder/in", "a.txt"),
        ("memory://folder/in", "b-c/d_2.txt"),
        ("memory://folder/in/b-c", "d_2.txt"),
    ):
        open_store(parse_location(uri)).write(name, b"x\n")
    locations = Locations(["memory://folder/in"])
    found = locations.below("memory://folder/in/", "files[0]")
    assert [locations.find(one, "files[0]").name for one in found] == ["a.txt", "d_2.txt"]


def test_a_folder_elsewhere_is_not_listed(folders: tuple[Path, Path]) -> None:
    allowed, secret = folders
    locations = Locations([str(allowed), "memory://folder/in"])
    for reference in (f"{secret}/", f"file://{secret}/", "memory://folder/", f"{allowed}/../"):
        with pytest.raises(InvalidInput):
            locations.below(reference, "files[0]")
    with pytest.raises(NotFound):
        locations.below(f"{allowed}/absent/", "files[0]")


def test_a_link_in_a_folder_that_leads_out_of_it_is_not_read(folders: tuple[Path, Path]) -> None:
    allowed, secret = folders
    (allowed / "link.txt").symlink_to(secret / "c.txt")
    locations = Locations([str(allowed)])
    with pytest.raises(InvalidInput):
        find_caption_files([f"{allowed}/"], locations)


def test_a_folder_stands_for_its_caption_files_and_nothing_else(
    folders: tuple[Path, Path],
) -> None:
    allowed, _ = folders
    for name in ("a.jsonl.gz", "b.CSV", "README.md", "_SUCCESS"):
        (allowed / name).write_text("x")
    files = find_caption_files([f"{allowed}/"], Locations([str(allowed)]))
    assert [file.name for file in files] == ["a.jsonl.gz", "b.CSV", "c.txt"]
    (allowed / "empty").mkdir()
    with pytest.raises(InvalidInput, match="has no caption files"):
        find_caption_files([f"{allowed}/empty/"], Locations([str(allowed)]))


def test_folders_hold_no_more_files_than_an_import_reads(folders: tuple[Path, Path]) -> None:
    allowed, _ = folders
    for number in range(MAX_FILES):
        (allowed / f"{number:04}.txt").touch()
    with pytest.raises(InvalidInput, match="more than 1,000"):
        find_caption_files([f"{allowed}/"], Locations([str(allowed)]))
