"""What a run's Workflow is estimated to hold, and what is refused."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from synthvlm.errors import InvalidInput
from synthvlm_pipelines.__main__ import main
from synthvlm_pipelines.settings import PipelineSettings
from synthvlm_pipelines.workflow_size import (
    ARGO_BYTES,
    ARGUMENT_BYTES,
    MARGIN,
    WorkflowSize,
    workflow_size,
)

GOLDEN = Path(__file__).parent / "golden"
LENGTHS = {
    "import_captions": 400,
    "curate": 3000,
    "generate": 500,
    "score": 400,
    "select": 200,
    "assemble": 4500,
    "train": 2500,
    "evaluate": 800,
}
"""Characters of the requests of a run of the profile 7b."""

ARGUMENTS = {f"{stage}_request": "x" * length for stage, length in LENGTHS.items()}


@cache
def compiled(name: str) -> list[dict[str, Any]]:
    return list(yaml.load_all((GOLDEN / f"{name}.yaml").read_text(), Loader=yaml.CSafeLoader))


def size_of(shards: int, name: str = "dataset-run") -> WorkflowSize:
    pipeline, platform = compiled(name)
    return workflow_size(pipeline, platform, ARGUMENTS, shards)


def test_every_execution_of_a_step_counts() -> None:
    # import, select, assemble, train, evaluate, report, and three steps a shard.
    assert [size_of(shards).steps for shards in (1, 10, 50)] == [9, 36, 156]
    assert size_of(3, "ablation-run").steps == 3 + 4 * 3


def test_a_step_takes_about_what_users_saw() -> None:
    """1.95 MiB of 56 tasks: 36.5 KB each."""
    assert 25_000 < size_of(50).status / MARGIN / size_of(50).steps < 50_000


def test_the_status_grows_with_the_shards_and_is_compressed() -> None:
    few, many = size_of(20), size_of(60)
    assert many.status > 2 * few.status
    assert few.stored < many.stored < many.status / 10
    assert few.specification == many.specification


def test_as_many_shards_as_pipelines_take_fit() -> None:
    size = size_of(PipelineSettings().most_shards)
    size.check()
    assert size.argument > 0.8 * ARGUMENT_BYTES  # so no fewer are allowed than can be
    for name in ("selection-run", "rescoring-run", "synthesis-run"):
        size_of(PipelineSettings().most_shards, name).check()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"argument": ARGUMENT_BYTES + 1}, "results of all shards, .* fewer, larger shards"),
        ({"specification": 2 << 20}, "etcd takes at most 1,536 KiB: give shorter arguments"),
        ({"stored": ARGO_BYTES + 1}, "Argo takes 1,024 KiB: use fewer, .*nodeStatusOffLoad"),
    ],
)
def test_each_limit_is_told_with_what_to_do(changed: dict[str, int], message: str) -> None:
    fitting = WorkflowSize(100_000, 900_000, 500_000, 50_000, 30)
    fitting.check()
    with pytest.raises(InvalidInput, match=message):
        replace(fitting, **changed).check()


def test_the_command_tells_the_size_and_refuses(tmp_path: Path, capsys) -> None:
    file = tmp_path / "arguments.json"
    file.write_text(json.dumps(ARGUMENTS))
    command = ["size", "--arguments", str(file), "--shards"]
    assert main([*command, "10"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 36
    assert main([*command, "400"]) == 2
    assert "use fewer, larger shards (--shard-size)" in capsys.readouterr().err
    assert main([*command, "1", "--pipeline", "no-run"]) == 2
    assert "give one of dataset-run, selection-run" in capsys.readouterr().err
