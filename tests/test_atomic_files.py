"""Files that are replaced whole."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from synthvlm.atomic_files import atomically_replaced, write_atomically


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    assert write_atomically(file, "one") == file
    write_atomically(file, "zwei ü")
    assert file.read_text("utf-8") == "zwei ü"
    assert list(tmp_path.iterdir()) == [file]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_atomically(file, "old")
    with pytest.raises(KeyError), atomically_replaced(file) as fresh:
        fresh.write_text("half")
        raise KeyError("stop")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_readers_see_one_of_the_texts_while_many_write(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    texts = {str(n) * 10_000 for n in range(8)}
    write_atomically(file, "0" * 10_000)
    with ThreadPoolExecutor(8) as threads:
        writing = [threads.submit(write_atomically, file, text) for text in texts for _ in range(9)]
        while not all(one.done() for one in writing):
            assert file.read_text() in texts
    assert list(tmp_path.iterdir()) == [file]
