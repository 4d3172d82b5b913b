"""A full disk is noticed, whichever library meets it."""

import errno
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import inspect

from synthvlm.cli.failures import CommandError, blaming_disk, command_error, full_disk
from synthvlm.dataset.migrations import MIGRATIONS
from synthvlm.disk_space import full_disk_text, is_disk_full, says_disk_is_full
from synthvlm.errors import OutOfSpace, Unavailable
from synthvlm.local.errors import ProcessFailed
from synthvlm.sql.database import open_database
from synthvlm.sql.settings import DatabaseSettings
from synthvlm.storage import file_location, open_store

ADVICE = "free some and run the same command again: it resumes where this one stopped"


@pytest.fixture
def full(small_disk) -> Path:
    """A folder on a disk of which not a byte is free."""
    place: Path = small_disk(64).path / "home"
    place.mkdir()
    with pytest.raises(OSError, match="No space left"), (place / "ballast").open("wb") as file:
        while True:
            file.write(b"x" * 4096)
            file.flush()
    return place


def test_whoever_meets_it(full: Path) -> None:
    def plain() -> None:
        (full / "a").write_bytes(b"x" * 10_000)

    def parquet() -> None:
        table = pa.table({"text": [str(number) * 99 for number in range(9999)]})
        pq.write_table(table, full / "a.parquet", compression="none")

    def folder() -> None:
        (full / "d" / "b").mkdir(parents=True)
        (full / "d" / "b" / "x").write_bytes(b"x" * 10_000)

    for write in (plain, parquet, folder):
        with pytest.raises(OSError, match="space") as raised:
            write()
        assert is_disk_full(raised.value), write
    store = open_store(file_location(full / "store"))
    for act in (
        lambda: store.write("a", b"x" * 10_000),
        lambda: store.write_if_absent("b/c", b"x" * 10_000),
    ):
        with pytest.raises(OutOfSpace, match=f"no space left on the disk of {full}"):
            act()
    with pytest.raises(OutOfSpace, match="no space left"):
        open_database(DatabaseSettings(database=f"sqlite:///{full}/c.sqlite"), MIGRATIONS)


def test_other_errors_are_not_it() -> None:
    for error in (OSError(errno.EACCES, "Permission denied"), ValueError("full"), KeyError("disk")):
        assert not is_disk_full(error)
    assert is_disk_full(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert says_disk_is_full("sqlite3.OperationalError: database or disk is full")


def test_the_command_says_which_disk_and_what_to_do(full: Path, tmp_path: Path) -> None:
    error = ProcessFailed("the dataset service ended with status 1", full / "x.log", "  stopped")
    told = command_error(error).text()
    assert told.startswith(
        f"synthvlm: no space left on the disk of {full} (0 B of 64 KiB are free)"
    )
    assert told.endswith(ADVICE)
    with pytest.raises(CommandError, match=ADVICE), blaming_disk(full):
        (full / "a").write_bytes(b"x" * 10_000)
    assert command_error(OutOfSpace(full_disk_text(full))).text().endswith(ADVICE)
    # A disk with room, and a process that says nothing of it, have another trouble.
    assert full_disk(tmp_path, "Traceback") is None
    assert full_disk(tmp_path, "OSError: [Errno 28] No space left on device") is not None
    assert command_error(Unavailable("no", 1.0)).text() == "synthvlm: no"
    with pytest.raises(PermissionError), blaming_disk(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.parametrize("kib", [4, 8, 12, 16, 20, 24, 32, 40, 48, 64])
def test_a_catalogue_that_found_no_room_is_made_later(small_disk, kib: int) -> None:
    disk = small_disk(kib)
    settings = DatabaseSettings(database=f"sqlite:///{disk.path}/c.sqlite")
    with suppress(OutOfSpace, OSError, Unavailable):  # SQLite also calls it "disk I/O error"
        open_database(settings, MIGRATIONS).close()
    disk.enlarge()
    database = open_database(settings, MIGRATIONS)
    with database.engine.connect() as connection:
        tables = set(inspect(connection).get_table_names())
    assert {"dataset", "version", "image_index", "alembic_version"} <= tables
    database.close()
