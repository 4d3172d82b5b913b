"""Who else is on the machine cannot call the services of a home."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from synthvlm.caption.v1 import caption_pb2
from synthvlm.client import CaptionClient, connect
from synthvlm.client.retry import RetryPolicy
from synthvlm.errors import Unauthenticated
from synthvlm.local.home import Home
from synthvlm.local.launch import started
from synthvlm.local.processes import silent
from synthvlm.local.services import Services, as_services, attach, register
from synthvlm.local.sockets import listening
from synthvlm.storage.v1 import shard_pb2

NOBODY = 65_534
NO_RETRY = RetryPolicy(total_seconds=0)

AS_NOBODY = f"""
import os, socket, sys
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
with socket.socket(socket.AF_UNIX) as one:
    one.connect(sys.argv[1])
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def home() -> Iterator[Home]:
    """A home that everybody may look into, as one in a folder that is shared."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    home = Home(folder)
    home.prepare()
    yield home
    shutil.rmtree(folder)


def evaluate(services: Services, *, with_token: bool = True) -> int:
    channel = services.connect("caption") if with_token else connect(services.address("caption"))
    with CaptionClient(channel, NO_RETRY) as client:
        captions = [caption_pb2.Caption(text="a small red circle on a white background")]
        request = caption_pb2.EvaluateCaptionsRequest(captions=captions)
        return len(client.evaluate_captions(request).verdicts)


def evaluate_file(address: str, file: Path) -> None:
    with CaptionClient(connect(address), NO_RETRY) as client:
        list(client.evaluate_file(caption_pb2.EvaluateFileRequest(file=str(file))))


def test_sockets_lie_in_the_home_and_nobody_else_opens_them(home: Home) -> None:
    with (
        listening(home.state) as where,
        started(home, "mini", ["caption"], home.state, silent, where=where) as processes,
    ):
        services = as_services("mini", processes, where)
        path = home.state / "caption.sock"
        assert services.addresses == {"caption": f"unix:{path}"}
        assert mode(home.state) == 0o700
        assert evaluate(services) == 1
        register(home, "up", services)
        assert attach(home, ["caption"]) == services
        if os.geteuid() == 0:
            other = subprocess.run(
                [sys.executable, "-c", AS_NOBODY, str(path)], capture_output=True, check=False
            )
            assert b"PermissionError" in other.stderr


def test_on_tcp_a_token_is_wanted(home: Home, tmp_path: Path) -> None:
    """The reproduction: whoever reached the port read a file of mode 0600."""
    secret = tmp_path / "captions.txt"
    secret.write_text("a secret of the user\n")
    secret.chmod(0o600)
    with (
        listening(home.state, tcp=True) as where,
        started(home, "mini", ["caption"], home.state, silent, where=where) as processes,
    ):
        services = as_services("mini", processes, where)
        assert services.address("caption").startswith("127.0.0.1:")
        assert services.token_file == home.state / "token"
        assert mode(home.state / "token") == 0o600
        assert len((home.state / "token").read_text()) >= 43  # 32 bytes of chance
        assert evaluate(services) == 1
        with pytest.raises(Unauthenticated):
            evaluate(services, with_token=False)
        with pytest.raises(Unauthenticated):
            evaluate_file(services.address("caption"), secret)
        register(home, "up", services)
        assert attach(home, ["caption"]) == services
    assert not (home.state / "token").exists()


def test_each_start_makes_another_token(home: Home) -> None:
    tokens = set()
    for _ in range(3):
        with listening(home.state, tcp=True) as where:
            assert where.token_file is not None
            tokens.add(where.token_file.read_text())
    assert len(tokens) == 3


def test_a_token_is_not_written_through_a_link(home: Home, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("untouched")
    (home.state / "token").symlink_to(tmp_path / "x")
    with listening(home.state, tcp=True) as where:
        assert where.token_file is not None
        assert not where.token_file.is_symlink()
    assert (tmp_path / "x").read_text() == "untouched"


@pytest.mark.parametrize("name", ["x" * 120, "with blanks", "100%", "\u00e9"])
def test_where_the_home_takes_no_sockets_they_lie_elsewhere(home: Home, name: str) -> None:
    long = Home(home.root / name)
    long.prepare()
    with listening(long.state) as where:
        assert where.folder is not None
        assert where.folder != long.state
        assert mode(where.folder) == 0o700
        assert (long.state / "sockets").read_text() == str(where.folder)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(where.address("generation").removeprefix("unix:"))
    assert not where.folder.exists()
    assert not (long.state / "sockets").exists()


def test_what_a_kill_left_behind_goes_with_the_next_start(home: Home) -> None:
    long = Home(home.root / ("x" * 120))
    long.prepare()
    left = Path(tempfile.mkdtemp(prefix="synthvlm-", dir="/tmp"))
    (long.state / "sockets").write_text(str(left))
    with listening(long.state) as where:
        assert where.folder != left
    assert not left.exists()


def test_nothing_but_a_folder_of_sockets_is_removed(home: Home, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (home.state / "sockets").write_text(str(tmp_path / "mine"))
    with listening(home.state):
        assert (tmp_path / "mine").exists()


def test_a_folder_that_others_may_enter_is_not_used(home: Home) -> None:
    home.state.chmod(0o755)
    with listening(home.state) as where:
        assert where.folder != home.state
    home.prepare()
    assert mode(home.state) == 0o700


@pytest.mark.parametrize("resolved", [False, True])
def test_a_home_whose_store_lies_on_another_disk_takes_runs(
    home: Home, tmp_path: Path, resolved: bool
) -> None:
    """The reproduction: a link in the place of the store refused every run."""
    (tmp_path / "disk").mkdir()
    home.store.rmdir()
    home.store.symlink_to(tmp_path / "disk")
    home.prepare()
    file = tmp_path / "captions.txt"
    file.write_text("a small red circle on a white background\n")
    uri = (home.store.resolve() if resolved else home.store).as_uri()
    with (
        listening(home.state) as where,
        started(home, "mini", ["caption"], home.state, silent, where=where) as processes,
        CaptionClient(as_services("mini", processes, where).connect("caption"), NO_RETRY) as client,
    ):
        request = caption_pb2.ImportCaptionsRequest(
            store=shard_pb2.ShardStore(uri=uri), files=[str(file)]
        )
        assert client.import_captions(request).shards[0].records == 1
    assert list((tmp_path / "disk" / "pool").iterdir())
