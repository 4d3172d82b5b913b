"""What captions hold is shown by the terminal, never obeyed."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from synthvlm.cli.terminal.output import print_json, printable, stdout_console
from synthvlm.dataset.v1 import dataset_pb2, dataset_pb2_grpc
from synthvlm.local.home import Home
from synthvlm.local.services import Running, Services, register

HOSTILE = "a\x1b]0;title\x07 \x1b[2J \x9b31m red\rover \u202egnp.exe \x08\x7f [bold]b[/] \u200d"
CLI = [sys.executable, "-m", "synthvlm.cli", "--home"]
OBEYED = {*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), "\u202e", "\u2066"} - {*"\n\t"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home whose dataset service knows one image, of a hostile caption."""

    class Hostile(dataset_pb2_grpc.DatasetServiceServicer):
        def GetImage(self, request, context):
            return dataset_pb2.GetImageResponse(
                image_id="0" * 32,
                caption_id=HOSTILE,
                caption=HOSTILE,
                generation_json=json.dumps({"note": HOSTILE}),
                versions=["shapes@1"],
            )

    server = grpc.server(futures.ThreadPoolExecutor(2))
    dataset_pb2_grpc.add_DatasetServiceServicer_to_server(Hostile(), server)
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    place = Home(tmp_path)
    place.prepare()
    register(place, "up", Services("mini", {"dataset": Running(f"127.0.0.1:{port}", os.getpid())}))
    yield place
    server.stop(None)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_image_is_shown_without_its_captions_escapes(home: Home, options: list[str]) -> None:
    """The reproduction: they were written to the terminal as they are."""
    shown = subprocess.run(
        [*CLI, str(home.root), "images", "show", "00000000", *options],
        capture_output=True,
        check=True,
    ).stdout.decode()
    assert not OBEYED & set(shown)
    assert "title" in shown
    if options:
        assert json.loads(shown)["caption"] == HOSTILE
    else:
        assert "[bold]b[/]" in shown


def test_an_error_is_told_without_escapes(tmp_path: Path) -> None:
    told = subprocess.run(
        [*CLI, str(tmp_path), "run", "--captions", "/none\x1b[2J", "--name", "shapes"],
        capture_output=True,
        check=False,
    )
    assert told.returncode == 2
    assert not OBEYED & set(told.stderr.decode())


@given(st.text())
def test_only_what_prints_is_printed(text: str) -> None:
    shown = printable(text)
    assert not OBEYED & set(shown)
    assert not any("\ud800" <= one <= "\udfff" for one in shown)
    if text.isprintable():
        assert shown == text


def test_cells_of_tables_are_printed_so_too(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("caption")
    table.add_row("\x1b[2J[bold]x[/]")
    stdout_console().print(table)
    assert "\\x1b[2J" in capsys.readouterr().out


@given(st.text(st.characters(exclude_categories=[])))
def test_json_keeps_its_value_and_is_not_obeyed(text: str) -> None:
    kept, sys.stdout = sys.stdout, io.StringIO()
    try:
        print_json({"caption": text})
        written = sys.stdout.getvalue()
    finally:
        sys.stdout = kept
    assert json.loads(written) == {"caption": text}
    assert not OBEYED & set(written)
    written.encode()
