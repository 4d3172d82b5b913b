"""The protos, judged by the real buf and by what is built from them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from synthvlm import client
from tests.contracts.words import CONTRACTS, PROTO_PACKAGES, ROOT, declared


def buf(*arguments: str, folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [Path(sys.executable).with_name("buf"), *arguments],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the protos and of buf's settings."""
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    return tmp_path


def test_the_protos_are_linted_documented_and_formatted() -> None:
    for arguments in (["lint"], ["format", "--diff", "--exit-code"]):
        result = buf(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (
            "  // The caption, 1 to 16,384 bytes of UTF-8.\n  string prompt",
            "  string prompt",
            "Field",
        ),
        ("  // The profile and model that the service has loaded.\n  rpc", "  rpc", "RPC"),
    ],
)
def test_an_undocumented_field_or_method_fails_the_lint(
    sources: Path, old: str, new: str, rule: str
) -> None:
    path = sources / "protos/synthvlm/generation/v1/generation.proto"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    result = buf("lint", folder=sources)
    assert result.returncode != 0
    assert rule in result.stdout


def test_a_breaking_change_is_found(sources: Path) -> None:
    unchanged = buf("breaking", "--against", str(ROOT / "protos"), folder=sources)
    assert unchanged.returncode == 0, unchanged.stdout + unchanged.stderr
    path = sources / "protos/synthvlm/generation/v1/generation.proto"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("uint64 seed = 2;", "uint64 seed = 9;"), encoding="utf-8")
    changed = buf("breaking", "--against", str(ROOT / "protos"), folder=sources)
    assert changed.returncode != 0
    assert "seed" in changed.stdout


@pytest.mark.parametrize("word", PROTO_PACKAGES)
def test_a_package_has_one_file_under_one_name(word: str) -> None:
    folder = ROOT / "protos" / "synthvlm" / word / "v1"
    (path,) = folder.iterdir()
    assert path.stem == ("shard" if word == "storage" else word)
    assert f"package synthvlm.{word}.v1;" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("word", CONTRACTS)
def test_a_service_has_a_client_with_all_its_methods(word: str) -> None:
    service = declared(word)
    assert service.full_name == f"synthvlm.{word}.v1.{word.capitalize()}Service"
    name = f"{word.capitalize()}Client"
    methods = dir(getattr(client, name))
    for method in service.methods:
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in method.name)
        assert snake.lstrip("_") in methods, f"{name} has no {snake}"


@pytest.mark.parametrize("word", CONTRACTS)
def test_each_call_has_messages_of_its_own(word: str) -> None:
    for method in declared(word).methods:
        assert method.input_type.name == f"{method.name}Request"
        assert method.output_type.name == f"{method.name}Response"


@pytest.mark.parametrize("word", CONTRACTS)
def test_shard_calls_stream_progress_and_end_with_a_result(word: str) -> None:
    for method in declared(word).methods:
        if "store" in method.input_type.fields_by_name and method.server_streaming:
            names = [field.name for field in method.output_type.fields]
            assert names[0] == "progress", method.full_name
            assert len(names) == 2, method.full_name
