"""Finding a Triton server, and what its process gets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.triton import server

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    return path


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """The layout of the wheel, without the run bits that installers do not keep."""
    monkeypatch.setenv(server.VARIABLE, str(tmp_path / "server"))
    folder = tmp_path / "server" / "pytriton" / "tritonserver"
    touch(folder / "bin" / "tritonserver")
    touch(folder / "backends" / "python" / "libtriton_python.so")
    touch(folder / "python_backend_stubs" / PYTHON / "triton_python_backend_stub")
    return folder


def test_the_wheels_server_is_made_ready(wheel, tmp_path):
    files = server.find_server()
    folder = server.make_backends(files, tmp_path / "backends")
    server.make_backends(files, tmp_path / "backends")  # over the first
    names = {path.name for path in (folder / "python").iterdir()}
    assert names == {"libtriton_python.so", "triton_python_backend_stub"}
    assert os.access(folder / "python" / "triton_python_backend_stub", os.X_OK)
    assert os.access(files.program, os.X_OK)


def test_nvidias_own_layout_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv(server.VARIABLE, str(tmp_path))
    program = touch(tmp_path / "bin" / "tritonserver")
    stub = touch(tmp_path / "backends" / "python" / "triton_python_backend_stub")
    files = server.find_server()
    assert (files.program, files.stub) == (program, stub)


def test_what_is_missing_is_said(wheel, monkeypatch, tmp_path):
    (wheel / "python_backend_stubs" / PYTHON / "triton_python_backend_stub").unlink()
    with pytest.raises(PreconditionFailed, match=f"for Python {PYTHON}.*make triton-server"):
        server.find_server()
    monkeypatch.setenv(server.VARIABLE, str(tmp_path / "nothing"))
    with pytest.raises(PreconditionFailed, match=server.VARIABLE):
        server.find_server()


def test_the_models_process_sees_the_packages_of_this_one(wheel):
    found = server.environment(server.find_server(), {"LD_LIBRARY_PATH": "/theirs", "A": "b"})
    paths = found["PYTHONPATH"].split(os.pathsep)
    import synthvlm

    assert paths[0] == str(Path(synthvlm.__file__).parents[1])
    assert {path for path in sys.path if path} <= set(paths)
    assert found["LD_LIBRARY_PATH"].endswith(":/theirs")
    assert found["A"] == "b"


def test_leftovers_of_servers_that_are_gone_are_removed(monkeypatch, tmp_path):
    monkeypatch.setattr(server, "SHARED_MEMORY", tmp_path)
    gone = subprocess.Popen(["true"])
    gone.wait()
    for name in (f"synthvlm_triton_{gone.pid}_a", f"synthvlm_triton_{os.getpid()}_b", "other"):
        (tmp_path / name).touch()
    server.remove_leftovers()
    assert {path.name for path in tmp_path.iterdir()} == {
        f"synthvlm_triton_{os.getpid()}_b",
        "other",
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen", "unix:/tmp/x"], "a Triton server listens on host:port"),
        (["--set", "triton.handover=3"], "triton.handover must be 0"),
        (["--set", "triton.gpus=[]"], "triton.gpus"),
        (["--triton.endpoints", "nowhere"], "triton.endpoints"),
    ],
)
def test_wrong_settings_are_one_line(arguments, words):
    command = [sys.executable, "-m", "synthvlm.generation.triton", "--check", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
