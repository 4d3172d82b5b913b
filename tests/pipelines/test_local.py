"""The pipeline as ``kfp.local`` runs it: what it asks of the services, and how it fails."""

import json
from pathlib import Path

from synthvlm_pipelines.__main__ import main
from synthvlm_pipelines.events import State

LARGE_SEED = 2**63 - 1


def number(reference) -> int:
    return int(reference.path.rpartition("/")[2])


def test_arguments_that_cannot_be_read_are_told_in_a_line(tmp_path: Path, capsys) -> None:
    broken, wrong = tmp_path / "broken.json", tmp_path / "list.json"
    broken.write_text("{")
    wrong.write_text("[]")
    for file in (tmp_path / "absent.json", broken, wrong):
        assert main(["run", "--arguments", str(file), "--root", str(tmp_path)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert file.name in line


def test_a_run_asks_for_what_it_was_told(tmp_path: Path, recorder, run_pipeline) -> None:
    # Blanks, and the letters that kfp.local replaces by the interpreter's path.
    folder = tmp_path / "with python3 in it"
    answer = run_pipeline(
        folder,
        column="text",
        recipe_yaml="process:\n  - alphanumeric_filter:\n      min_ratio: 0.5\n",
        pool_shard_size=10,
        repeats=2,
        run_seed=str(LARGE_SEED),
        sampling_parameters=json.dumps({"steps": 4, "guidance_scale": 1.5}),
        image_format="IMAGE_FORMAT_PNG",
        generation_model_digest="sha256:g",
        score_parameters=json.dumps({"clip_weight": 0.25}),
        alignment_model_digest="sha256:a",
        dataset_shard_size=7,
        configuration='{"a": 1}',
    )
    assert answer.status == 0, answer.stderr + answer.stdout
    requests = recorder.requests
    (imported,) = requests["import"]
    assert imported.store.uri == f"file://{folder}/store"
    assert list(imported.files) == [f"{folder}/captions.jsonl"]
    assert (imported.column, imported.shard_size) == ("text", 10)
    assert sorted(number(r.pool) for r in requests["curate"]) == [0, 1, 2]
    assert all("min_ratio: 0.5" in r.recipe_yaml for r in requests["curate"])
    for request in requests["generate"]:
        assert (request.repeats, request.run_seed, request.format) == (2, LARGE_SEED, 2)
        assert (request.parameters.steps, request.parameters.guidance_scale) == (4, 1.5)
        assert request.model_digest == "sha256:g"
    for request in requests["score"]:
        assert number(request.caption_set) == number(request.image_set)
        assert request.parameters.clip_weight == 0.25
        assert request.model_digest == "sha256:a"
    (selected,) = requests["select"]
    chains = [
        (number(c.caption_set), number(c.image_set), number(c.score_set)) for c in selected.shards
    ]
    assert chains == [(0, 0, 0), (1, 1, 1), (2, 2, 2)]
    assert selected.rule.top_k == 3
    (assembled,) = requests["assemble"]
    assert (assembled.name, assembled.shard_size) == ("demo", 7)
    assert assembled.configuration_json == '{"a": 1}'

    finished = [event for event in answer.events if event.state is State.FINISHED]
    assert {(e.stage, e.shards) for e in finished} == {
        ("import", 1),
        *((stage, 3) for stage in ("curate", "generate", "score")),
        ("select", 1),
        ("assemble", 1),
    }
    curated = [event for event in answer.events if event.stage == "curate" and event.shard == 1]
    assert [e.state for e in curated] == ["started", "running", "running", "finished"]
    assert [e.done for e in curated] == [0, 5, 10, 10]
    assert curated[-1].result["caption_set"]["path"] == "captions/1"


def test_a_failure_names_stage_shard_and_reason(tmp_path: Path, recorder, run_pipeline) -> None:
    recorder.refuse = lambda request: (
        "another model\nis loaded"
        if request.DESCRIPTOR.name == "GenerateShardRequest" and number(request.caption_set) == 1
        else None
    )
    answer = run_pipeline(tmp_path)
    assert answer.status == 1
    (failed,) = [event for event in answer.events if event.state is State.FAILED]
    assert (failed.stage, failed.shard, failed.shards) == ("generate", 1, 3)
    assert (failed.code, failed.reason) == ("FAILED_PRECONDITION", "another model is loaded")
    (line,) = answer.stderr.splitlines()[-1:]
    assert line.startswith("synthvlm_pipelines: ")
    assert "select" not in recorder.requests


def test_no_usable_caption_is_a_failure_of_the_import(
    tmp_path: Path, recorder, run_pipeline
) -> None:
    recorder.shards = 0
    answer = run_pipeline(tmp_path)
    assert answer.status == 1
    failed = answer.events[-1]
    assert (failed.stage, failed.code) == ("import", "INVALID_ARGUMENT")


def test_a_step_of_another_version_refuses(tmp_path: Path, recorder, run_pipeline) -> None:
    answer = run_pipeline(tmp_path, code_version="0.0.0")
    assert answer.status == 1
    assert "the run was submitted for version 0.0.0" in answer.events[-1].reason
    assert recorder.requests == {}
