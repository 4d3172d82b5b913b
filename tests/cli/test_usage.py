"""Wrong usage: status 2, one line on stderr, no traceback; and help, from the table of commands."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from synthvlm import __version__
from synthvlm.cli.__main__ import run
from synthvlm.cli.app import COMMANDS, Entry

HEAVY = {"grpc", "pyarrow", "obstore", "torch", "kfp", "kfp_server_api", "google.protobuf"}


def process(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The real command, for what a call in this process cannot show."""
    return subprocess.run(
        [sys.executable, "-m", "synthvlm.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "SYNTHVLM_HOME": str(cwd / "home"), "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "good.txt").write_text("a red circle\n")
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large.yaml").write_bytes(b"#" * 70_000)
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv("SYNTHVLM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


RUN = ["run", "--name", "x", "--captions"]

SUBMIT = ["submit", "--name", "x", "--captions"]
AT = ["--server", "http://127.0.0.1:1"]

WRONG: list[tuple[list[str], str]] = [
    ([*RUN, "absent.jsonl"], "the caption file absent.jsonl does not exist"),
    ([*RUN, "good.txt", "absent.jsonl"], "the caption file absent.jsonl does not exist"),
    ([*RUN, "folder"], "the folder folder has no caption files"),
    ([*RUN, "*.parquet"], "no caption file matches *.parquet"),
    ([*RUN, "good.txt", "--format", "xml"], "--format must be one of json, jsonl"),
    ([*RUN, "good.txt", "--delimiter", "||"], "--delimiter must be one character"),
    ([*RUN, "good.txt", "--max-set-aside", "2"], "--max-set-aside must be from 0 to 1"),
    ([*RUN, "empty.jsonl"], "the caption file empty.jsonl is empty"),
    ([*RUN, "/dev/null"], "/dev/null is not a regular file"),
    (["run", "--name", "x"], "at least one caption file"),
    (["run", "--captions", "good.txt"], "Missing option '--name'"),
    (
        ["run", "--captions", "good.txt", "--name", "Bad Name!"],
        "'Bad Name!' is not a valid",
    ),
    (["run", "--captions", "good.txt", "--name", "-x"], "is not a valid dataset name"),
    ([*RUN, "good.txt", "--within", "words:1"], "--within words:1: give a column"),
    ([*RUN, "good.txt", "--within", ":4"], "give a column"),
    ([*RUN, "good.txt", "--within", "words:"], "a number of quantiles from 2 to 1000"),
    ([*RUN, "good.txt", "--within", "cluster:1"], "a number of clusters from 2 to 100"),
    ([*RUN, "good.txt", "--within", "cluster:"], "a number of clusters from 2 to 100"),
    ([*RUN, "good.txt", "--within", "cluster:101"], "a number of clusters from 2 to 100"),
    (["run", "--captions", "good.txt", "--name", "x" * 65], "is not a valid dataset name"),
    ([*RUN, "good.txt", "--top-k", "1", "--top-fraction", "0.5"], "not both"),
    ([*RUN, "good.txt", "--top-k", "0"], "--top-k must be from 1"),
    ([*RUN, "good.txt", "--column", "\udcff"], "not valid UTF-8"),
    ([*RUN, "good.txt", "--top-fraction", "0"], "--top-fraction must be above 0"),
    ([*RUN, "good.txt", "--top-fraction", "1.5"], "--top-fraction must be above 0"),
    ([*RUN, "good.txt", "--top-fraction", "nan"], "--top-fraction must be above 0"),
    ([*RUN, "good.txt", "--repeat", "0"], "--repeat must be from 1 to 100"),
    ([*RUN, "good.txt", "--repeat", "many"], "Invalid value for '--repeat'"),
    ([*RUN, "good.txt", "--seed", "-1"], "--seed must be from 0"),
    ([*RUN, "good.txt", "--seed", str(2**63)], "--seed must be from 0"),
    ([*RUN, "good.txt", "--shard-size", "0"], "--shard-size must be from 1"),
    ([*RUN, "good.txt", "--profile", "huge"], "there is no profile 'huge'"),
    ([*RUN, "good.txt", "--profile", "list.yaml"], "must map each service's name"),
    ([*RUN, "good.txt", "--recipe", "absent.yaml"], "the recipe absent.yaml does not exist"),
    ([*RUN, "good.txt", "--recipe", "binary.yaml"], "is not UTF-8 text"),
    ([*RUN, "good.txt", "--recipe", "large.yaml"], "larger than 64 KiB"),
    ([*RUN, "good.txt", "--home", "good.txt"], "cannot be used"),
    ([*RUN, "good.txt", "--unknown"], "No such option: --unknown"),
    ([*SUBMIT, "absent.jsonl", *AT], "the caption file absent.jsonl does not exist"),
    ([*SUBMIT, "good.txt"], "give the URL of the pipelines server with --server"),
    ([*SUBMIT, "good.txt", *AT, "--target", "absent/"], "there is no file absent/"),
    ([*SUBMIT, "good.txt", *AT, "--target", "list.yaml"], "list.yaml is not YAML of objects"),
    ([*SUBMIT, "good.txt", *AT, "--reach", "caption"], "not of the form SERVICE=ADDRESS"),
    ([*SUBMIT, "good.txt", *AT, "--reach", "cook=x"], "not of the form SERVICE=ADDRESS"),
    ([*SUBMIT, "good.txt", *AT, "--every", "daily"], "--every 'daily' is not a schedule"),
    ([*SUBMIT, "good.txt", *AT, "--patience", "-1"], "--patience must be from 0"),
    (["submit", "--name", "Bad!", *AT, "--every", "never"], "is not a valid dataset name"),
    (["fly"], "No such command 'fly'"),
    ([*RUN, "good.txt", "--engine", "steam"], "--engine: give diffusers or triton, not 'steam'"),
    (["up", "--engine", "steam"], "--engine: give diffusers or triton, not 'steam'"),
    (["up", "--profile", "huge"], "there is no profile 'huge'"),
    (["datasets", "show"], "Missing argument"),
    (["datasets", "export", "x", "--format", "zip", "--to", "y"], "'--format'"),
    (["captions", "evaluate", "absent.txt"], "the caption file absent.txt does not exist"),
    (["captions", "evaluate", "good.txt", "--recipe", "no"], "the recipe no does not exist"),
    (["images", "show", "0" * 32, "--save", "folder"], "--save folder is a directory"),
    (["regenerate", "0" * 32, "--out", "good.txt/x.jpg"], "--out good.txt is not a folder"),
    (["capacity", "--steps", "0"], "--steps must be at least 1"),
    (["capacity", "--gpu", "Z9"], "no GPU is called 'Z9'; there are H100, A100"),
    (["capacity", "--price", "H100"], "'H100' is not of the form NAME=DOLLARS"),
    (["capacity", "--efficiency", "1.5"], "--efficiency must be above 0"),
    (["tune", "--captions", "good.txt"], "Missing option '--grid'"),
    (["tune", "--grid", "steps=2"], "at least one caption file"),
    (["tune", "--captions", "absent.txt", "--grid", "steps=2"], "absent.txt does not exist"),
    (["tune", "--captions", "good.txt", "--grid", "steps=x"], "steps must be from 1 to 500"),
    (["tune", "--captions", "good.txt", "--grid", "size=1"], "'size=1' is not of the form"),
    (["tune", "--captions", "good.txt", "--grid", "steps=2", "--sample", "1"], "--sample must be"),
    (["tune", "--captions", "good.txt", "--grid", "steps=2", "--metric", "x"], "'--metric'"),
    (["engines", "export"], "Missing option '--to'"),
    (["engines", "export", "--to", "good.txt"], "--to good.txt is not a folder"),
    (["engines", "export", "--to", "x", "--only", "vae"], "--only names a component"),
    (["engines", "export", "--to", "x", "--configuration", "sdxl"], "needs --only COMPONENT"),
    (
        ["engines", "export", "--to", "x", "--configuration", "sdxl", "--only", "lungs"],
        "--only must be one of text_encoder, vae",
    ),
    (["engines", "build", "--profile", "mini"], "the profile computes on the CPU"),
    (["engines", "job"], "Missing option '--gpu'"),
    (["engines", "job", "--gpu", "NVIDIA-L4"], "is on this machine"),
    (["engines", "job", "--gpu", "an L4", "--store", "s3://b"], "is not a value of the label"),
    (
        ["engines", "job", "--gpu", "NVIDIA-L4", "--store", "s3://b", "--profile", "mini"],
        "the profile computes on cpu",
    ),
    (
        ["engines", "job", "--gpu", "L4", "--store", "s3://b", "--namespace", "A"],
        "is not a valid name",
    ),
    (["generate"], "Missing argument 'PROMPT'"),
    (["generate", " "], "the prompt is empty"),
    (["generate", "x" * 16_385], "the prompt has 16385 bytes"),
    (["generate", "a star", "--count", "0"], "--count must be from 1 to 400"),
    (["generate", "a star", "--seed", "-1"], "--seed must be from 0"),
    (["generate", "a star", "--seed", str(2**63 - 7)], "--seed must be from 0"),
    (["generate", "a star", "--steps", "0"], "--steps must be from 1 to 500"),
    (["generate", "a star", "--guidance-scale", "0"], "--guidance-scale must be above 0"),
    (["generate", "a star", "--guidance-scale", "nan"], "--guidance-scale must be above 0"),
    (["generate", "a star", "--profile", "huge"], "there is no profile 'huge'"),
    (["generate", "a star", "--out", "good.txt"], "--out good.txt is not a folder"),
    (["scenes", "show", "--count", "0"], "--count must be from 1 to 400"),
    (["scenes", "show", "--out", "sheet.txt"], "the name must end in .png"),
    (["scenes", "show", "--out", "good.txt/sheet.png"], "is not a folder"),
    (["scenes", "captions", "--out", "folder"], "folder is a directory"),
    (["scenes", "captions", "--out", "x", "--flawed", "2"], "--flawed must be from 0 to 1"),
    (["scenes", "captions"], "Missing option '--out'"),
    (["scenes", "questions", "--seed", "-1"], "--seed must be from 0"),
]


@pytest.mark.parametrize(("arguments", "problem"), WRONG, ids=[" ".join(w)[:60] for w, _ in WRONG])
@pytest.mark.usefixtures("folder")
def test_wrong_usage_is_one_line_and_status_2(
    capfd: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    assert run(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("synthvlm: ")
    assert problem in line


def test_an_unreadable_file_is_wrong_usage(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = folder / "secret.txt"
    secret.write_text("a red circle\n")
    secret.chmod(0)
    if os.access(secret, os.R_OK):
        pytest.skip("this user can read everything")
    assert run([*RUN, "secret.txt"]) == 2
    assert "permission denied" in capsys.readouterr().err


def words_of_each_command() -> Iterator[list[str]]:
    """Of `synthvlm` alone, of its commands and groups, and of the commands in these."""
    yield []
    for entry in COMMANDS:
        loaded = entry.load()
        yield [entry.name]
        yield from ([entry.name, name] for name in getattr(loaded, "commands", {}))


@pytest.mark.parametrize("command", [*words_of_each_command()], ids=" ".join)
def test_every_command_has_help_with_an_example(
    capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert run([*command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    # The help of a group lists its commands, which have examples.
    assert "Example" in out or "Commands" in out


@pytest.mark.parametrize("entry", COMMANDS, ids=[entry.name for entry in COMMANDS])
def test_the_table_repeats_the_first_line_of_each_commands_help(entry: Entry) -> None:
    assert entry.load().help.partition("\n")[0] == entry.help


def test_a_command_without_the_packages_of_its_extra_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "synthvlm.cli.commands.submit.command", raising=False)
    for name in ("runs", "recurring", "following", "server"):
        monkeypatch.delitem(sys.modules, f"synthvlm.submission.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "kfp_server_api", None)
    assert run(["submit", "--help"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "`synthvlm submit` needs the package kfp_server_api, which is not installed" in line


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_table_imports_nothing_heavy(tmp_path: Path, option: str) -> None:
    code = (
        f"import sys; from synthvlm.cli.__main__ import run; run(['{option}']);"
        f"sys.exit(', '.join(sorted({HEAVY!r} & set(sys.modules))) or 0)"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert answer.returncode == 0


def test_the_version_is_shown(tmp_path: Path) -> None:
    answer = process("--version", cwd=tmp_path)
    assert (answer.returncode, answer.stdout) == (0, f"synthvlm {__version__}\n")


def test_the_process_ends_with_the_status_and_without_a_traceback(folder: Path) -> None:
    answer = process(*RUN, "absent.jsonl", cwd=folder)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == "synthvlm: the caption file absent.jsonl does not exist\n"


def test_no_command_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "Usage: synthvlm" in capsys.readouterr().out
