"""Exports, moved homes and read-only homes by the command line, with a home made without models."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas
import pytest

from synthvlm.cli.__main__ import run
from synthvlm.cli.commands.datasets.reindexing import reindexed
from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.dataset.best import SelectionRule
from synthvlm.dataset.selection import select
from synthvlm.local.home import Home
from synthvlm.local.lock import HomeLock
from synthvlm.local.processes import silent
from synthvlm.local.services import own_services
from synthvlm.progress import SILENT
from synthvlm.storage import file_location, open_store
from tests.dataset.shards import Scored, chain_of, image_id, run_of

EXPORT = ["datasets", "export", "shapes", "--format"]


def publish(home: Home, top_k: int) -> None:
    store = open_store(file_location(home.store))
    selection = select(store, run_of(store, captions=60), SelectionRule(top_k=top_k), SILENT).ref
    assemble(store, AssemblyRequest(selection, "shapes", 12, {"k": top_k}), SILENT)
    reindexed(home)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose name would be markup, with one version of 40 pairs."""
    place = Home(tmp_path_factory.mktemp("exports") / "y[/b]")
    place.prepare()
    publish(place, 40)
    return place


@pytest.fixture
def home(published: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The home of all tests that change nothing in it."""
    monkeypatch.setenv("SYNTHVLM_HOME", str(published.root))
    monkeypatch.chdir(tmp_path)
    return published


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The same for one test alone."""
    place = Home(tmp_path / "y[/b]")
    place.prepare()
    publish(place, 40)
    monkeypatch.setenv("SYNTHVLM_HOME", str(place.root))
    monkeypatch.chdir(tmp_path)
    return place


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.rstrip().replace("\n", " | ")


def test_an_export_appears_whole_and_the_same_again_mends_it(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "out #[bold]%"
    command = [*EXPORT, "parquet", "--to", str(to)]
    assert run(command) == 0
    assert f"40 pairs in {to}" in said(capsys)
    assert not (tmp_path / "out #[bold]%.partial").exists()
    assert len(pandas.read_parquet(to / "data")) == 40
    whole = files_of(to)
    assert run(command) == 0
    assert files_of(to) == whole
    data = next(name for name in whole if name.endswith(".parquet"))
    (to / data).write_bytes(b"damaged")
    assert run(command) == 0
    assert files_of(to) == whole
    capsys.readouterr()
    # Another export does not get into its place.
    assert run([*EXPORT, "llava", "--to", str(to)]) == 1
    assert "holds an export of shapes@" in said(capsys)
    assert files_of(to) == whole
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    assert run([*EXPORT, "llava", "--to", str(tmp_path / "full")]) == 2
    assert "exists already; give a new or an empty folder" in said(capsys)


@pytest.mark.parametrize(
    ("form", "full_at"), [("llava", (8, 16, 44)), ("parquet", (44,)), ("webdataset", (44,))]
)
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(
    home: Home,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    small_disk: Callable[[int], Any],
    form: str,
    full_at: Sequence[int],
) -> None:
    """The smallest disk has room for next to nothing."""
    expected = tmp_path / "expected"
    assert run([*EXPORT, form, "--to", str(expected)]) == 0
    capsys.readouterr()
    disk = small_disk(full_at[0])
    to = disk.path / "out"
    command = [*EXPORT, form, "--to", str(to)]
    for kib in full_at:
        disk.enlarge(kib)
        assert run(command) == 1
        message = said(capsys)
        assert message.startswith(
            f"synthvlm: no space left on the disk of {to}; free 1 MiB and run "
        )
        assert "the same command again" in message
        assert " | " not in message
        assert not to.exists()
    disk.enlarge()
    assert run(command) == 0
    assert files_of(to) == files_of(expected)
    assert [path.name for path in disk.path.iterdir()] == ["out"]


def test_a_full_disk_of_temporary_files_is_the_one_that_is_named(
    own_home: Home,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    small_disk: Callable[[int], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = small_disk(8)
    monkeypatch.setenv("TMPDIR", str(disk.path))
    command = [*EXPORT, "parquet", "--to", str(tmp_path / "out")]
    assert run(command) == 1
    message = said(capsys)
    assert message.startswith(f"synthvlm: no space left on the disk of {disk.path} (")
    assert "for temporary files (TMPDIR); free some and run the same command again" in message
    monkeypatch.delenv("TMPDIR")
    assert run(command) == 0


def test_an_unfinished_export_in_place_is_nobody_elses_to_empty(
    home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    to = tmp_path / "out"
    assert run([*EXPORT, "llava", "--to", str(to)]) == 0
    record = json.loads((to / "__synthvlm__/export.json").read_text())
    (to / "__synthvlm__/export.json").write_text(json.dumps({**record, "complete": False}))
    (to / "mine.txt").write_text("mine")
    before = files_of(to)
    assert run([*EXPORT, "parquet", "--to", str(to)]) == 1
    assert "choose an empty folder" in said(capsys)
    assert files_of(to) == before


def test_the_rest_of_another_version_is_replaced(
    own_home: Home, tmp_path: Path, small_disk: Callable[[int], Any]
) -> None:
    disk = small_disk(44)
    command = [*EXPORT, "llava", "--to", str(disk.path / "out")]
    assert run(command) == 1
    publish(own_home, 50)
    disk.enlarge()
    assert run(command) == 0
    record = json.loads((disk.path / "out/__synthvlm__/export.json").read_text())
    assert (record["pairs"], record["complete"]) == (50, True)
    assert len(list((disk.path / "out/images").rglob("*.jpg"))) == 50


def test_a_mounted_disk_is_exported_to_in_place(
    home: Home, small_disk: Callable[[int], Any]
) -> None:
    disk = small_disk(44)
    command = [*EXPORT, "webdataset", "--to", str(disk.path)]
    assert run(command) == 1
    disk.enlarge()
    assert run(command) == 0
    assert json.loads((disk.path / "__synthvlm__/export.json").read_text())["complete"]


def test_a_moved_home_is_read_and_reindexed(
    own_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = tmp_path / "moved"
    own_home.root.rename(moved)
    at = ["--home", str(moved)]
    assert run(["datasets", "show", "shapes", *at]) == 0
    assert f"stored at  file://{moved}/store/dataset/" in capsys.readouterr().out
    assert run([*EXPORT, "parquet", "--to", str(tmp_path / "out"), *at]) == 0
    image = pandas.read_parquet(tmp_path / "out" / "data")["image_id"][0]
    assert run(["images", "show", image, *at, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["image_id"], shown["truncated"]) == (image, False)
    for file in moved.glob("catalogue*"):
        file.unlink()
    assert run(["datasets", "reindex", *at, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"home": str(moved), "versions": 1, "indexes": 1}
    assert run(["datasets", "list", *at]) == 0
    assert "shapes" in capsys.readouterr().out
    assert run(["datasets", "reindex", "--home", str(tmp_path / "nowhere")]) == 2
    assert "is not a home" in said(capsys)


def test_a_read_only_home_is_read(
    own_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed = tmp_path / "sealed"
    sealed.mkdir()
    mount = ["mount", "--bind", str(own_home.root), str(sealed)]
    if not shutil.which("mount") or subprocess.run(mount, check=False).returncode:
        pytest.skip("file systems may not be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(sealed)], check=True)
        before = files_of(own_home.root)
        at = ["--home", str(sealed)]
        for command in (
            ["datasets", "list"],
            ["datasets", "show", "shapes"],
            ["datasets", "diff", "shapes@1", "shapes@1"],
            [*EXPORT, "parquet", "--to", str(tmp_path / "out")],
        ):
            assert run([*command, *at]) == 0, said(capsys)
        image = pandas.read_parquet(tmp_path / "out" / "data")["image_id"][0]
        assert run(["images", "show", image, *at]) == 0
        assert run(["run", "--name", "x", "--captions", __file__, *at]) == 2
        assert "cannot be used" in said(capsys)
        assert files_of(own_home.root) == before
    finally:
        subprocess.run(["umount", "-l", str(sealed)], check=False)


def test_an_ascii_terminal_shows_what_it_can(own_home: Home, tmp_path: Path) -> None:
    text = "一个大红圆, a large red circle <image> 🦊"
    store = open_store(file_location(own_home.store))
    chains = [chain_of(store, [Scored(text, 0, 0.9, 0.9)])]
    selection = select(store, chains, SelectionRule(top_k=1), SILENT).ref
    assemble(store, AssemblyRequest(selection, "fox", 12), SILENT)
    reindexed(own_home)
    lock = HomeLock(own_home, "up")
    assert lock.take()
    with lock, own_services(own_home, "mini", "up", silent, words=["dataset"]):
        for command, expected in (
            (["images", "show", image_id(text, 0)], r"caption     \u4e00\u4e2a"),
            (["images", "show", image_id(text, 0), "--json"], r"\u4e00\u4e2a"),
            (["datasets", "show", "fox"], "fox@1 1 pairs"),
            (["datasets", "list"], "fox"),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "synthvlm.cli", *command],
                env={**os.environ, "PYTHONIOENCODING": "ascii"},
                capture_output=True,
                check=False,
            )
            assert (done.returncode, done.stderr) == (0, b"")
            assert expected in done.stdout.decode("ascii")
            if "--json" in command:
                assert json.loads(done.stdout)["caption"] == text


def _hold(folder: Path, ready: Any) -> None:
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    ready.wait()
    ready.wait()


def test_two_exports_to_one_place_do_not_meet(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out.partial").mkdir()
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(2)
    other = context.Process(target=_hold, args=(tmp_path / "out.partial", ready))
    other.start()
    ready.wait()
    assert run([*EXPORT, "llava", "--to", str(tmp_path / "out")]) == 1
    assert "is under way" in said(capsys)
    ready.wait()
    other.join()
    assert run([*EXPORT, "llava", "--to", str(tmp_path / "out")]) == 0
