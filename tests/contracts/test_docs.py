"""The examples of docs/grpc.md run, print what it says, and leave no item call out."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contracts.chain import Made
from tests.contracts.words import ROOT, SERVICES, declared, methods

TEXT = (ROOT / "docs" / "grpc.md").read_text(encoding="utf-8")
CLIENT = ["python", "-m", "synthvlm.client.call"]


@dataclass(frozen=True)
class Example:
    """A command of the document, and what it prints."""

    command: str
    printed: str


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def examples() -> list[Example]:
    found = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            found.append(Example(command, printed))
    return found


def pattern(printed: str) -> str:
    return ".*".join(re.escape(piece) for piece in printed.split("…"))


def test_every_example_runs_and_prints_what_the_document_says(
    addresses: dict[str, str], dataset: Made, tmp_path: Path
) -> None:
    (image,) = added_images(addresses)
    environment = os.environ | {word.upper(): address for word, address in addresses.items()}
    environment |= {"IMAGE": image, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    assert [version.version for version in dataset.versions] == [1, 2]
    for example in examples():
        result = subprocess.run(
            ["bash", "-c", example.command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env=environment,
            cwd=tmp_path,
            timeout=300,
        )
        assert result.returncode == 0, f"{example.command}\n{result.stdout}"
        assert re.fullmatch(pattern(example.printed), result.stdout, re.DOTALL), (
            f"{example.command}\n{result.stdout[:4000]}"
        )


def added_images(addresses: Mapping[str, str]) -> list[str]:
    from synthvlm.client import DatasetClient, connect
    from synthvlm.dataset.v1 import dataset_pb2

    request = dataset_pb2.DiffVersionsRequest(**{"from": "shapes@1", "to": "shapes@2"})
    with connect(addresses["dataset"]) as channel:
        return list(DatasetClient(channel).diff_versions(request).added_image_ids)


def calls() -> dict[str, set[tuple[str, str]]]:
    """Requests by method, in both forms of the document: address and JSON."""
    found: dict[str, set[tuple[str, str]]] = {}
    for example in examples():
        words = shlex.split(example.command.removesuffix("|| true"))
        if words[:3] == CLIENT and len(words) > 5 and words[4] != "describe":
            found.setdefault(f"{words[3]} {words[4]}", set()).add((words[3], words[5]))
    return found


@pytest.mark.parametrize("word", SERVICES)
def test_every_item_call_has_an_example(word: str) -> None:
    shown = {name.partition(" ")[2] for name in calls() if name.startswith(f"${word.upper()} ")}
    assert shown >= {m.name for m in declared(word).methods if not m.server_streaming}


def test_each_example_is_shown_for_grpcurl_too() -> None:
    ours = calls()
    known = {f"{m.containing_service.full_name}/{m.name}" for m in methods()}
    shown: dict[str, set[str]] = {}
    for line in "".join(blocks("sh")).splitlines():
        words = shlex.split(line)
        if words[0] == "grpcurl" and "-d" in words:
            request, address, path = words[words.index("-d") + 1 :][:3]
            assert path in known or path == "grpc.health.v1.Health/Check"
            shown.setdefault(f"{address} {path.partition('/')[2]}", set()).add(request)
    assert set(shown) == set(ours)
    for name, requests in shown.items():
        for request in requests - {"@"}:
            assert request in {json for _, json in ours[name]}, name
