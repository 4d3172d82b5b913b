"""The pipeline as ``kfp.local`` runs it: the requests that it sends, and how it fails."""

from pathlib import Path

from synthvlm.alignment.v1.alignment_pb2 import ScoreParameters, ScoreShardRequest
from synthvlm.caption.v1.caption_pb2 import CurateShardRequest, ImportCaptionsRequest
from synthvlm.dataset.v1.dataset_pb2 import AssembleRequest, SelectionRule, SelectRequest
from synthvlm.generation.v1.generation_pb2 import (
    GenerateShardRequest,
    ImageFormat,
    SamplingParameters,
)
from synthvlm.report.outcome import Failure, Outcome
from synthvlm_pipelines.__main__ import main
from synthvlm_pipelines.events import State
from synthvlm_pipelines.requests import StageRequests

LARGE_SEED = 2**63 - 1


def number(reference) -> int:
    return int(reference.path.rpartition("/")[2])


def test_unreadable_arguments_are_reported_in_one_line(tmp_path: Path, capsys) -> None:
    broken, wrong = tmp_path / "broken.json", tmp_path / "list.json"
    broken.write_text("{")
    wrong.write_text("[]")
    for file in (tmp_path / "absent.json", broken, wrong):
        assert main(["run", "--arguments", str(file), "--root", str(tmp_path)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert file.name in line


def test_a_run_sends_the_requests_it_was_given(tmp_path: Path, recorder, run_pipeline) -> None:
    # Spaces, and the letters that kfp.local replaces by the interpreter's path.
    folder = tmp_path / "with python3 in it"
    requests = StageRequests(
        import_captions=ImportCaptionsRequest(
            files=[f"{folder}/captions.jsonl"], column="text", shard_size=10
        ),
        curate=CurateShardRequest(
            recipe_yaml="# größer 汉字\nprocess:\n  - alphanumeric_filter:\n      min_ratio: 0.5\n"
        ),
        generate=GenerateShardRequest(
            repeats=2,
            run_seed=LARGE_SEED,
            parameters=SamplingParameters(steps=4, guidance_scale=1.5),
            format=ImageFormat.IMAGE_FORMAT_PNG,
            model_digest="sha256:g",
        ),
        score=ScoreShardRequest(
            parameters=ScoreParameters(clip_weight=0.0), model_digest="sha256:a"
        ),
        select=SelectRequest(rule=SelectionRule(top_k=3)),
        assemble=AssembleRequest(
            name="demo", shard_size=7, configuration_json='{"a": {"recipe": "x: \\"y\\"\\n"}}'
        ),
    )
    requests.set_store(f"file://{folder}/store")
    answer = run_pipeline(folder, requests)
    assert answer.status == 0, answer.stderr + answer.stdout
    received = recorder.requests
    assert received["import"] == [requests.import_captions]
    pool = sorted(number(request.pool) for request in received["curate"])
    assert pool == [0, 1, 2]
    for request in received["score"]:
        assert number(request.caption_set) == number(request.image_set)
    (selected,) = received["select"]
    chains = [
        (number(c.caption_set), number(c.image_set), number(c.score_set)) for c in selected.shards
    ]
    assert chains == [(0, 0, 0), (1, 1, 1), (2, 2, 2)]
    made = {
        "curate": ("pool",),
        "generate": ("caption_set",),
        "score": ("caption_set", "image_set"),
        "select": ("shards",),
        "assemble": ("selection",),
    }
    for stage, fields in made.items():
        for request in received[stage]:
            for field in fields:
                request.ClearField(field)
            assert request == getattr(requests, stage)

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
    report = tmp_path / "store" / "reports" / "a-run"
    outcome = Outcome.model_validate_json((report / "outcome.json").read_bytes())
    assert outcome.failure == Failure(
        stage="generate",
        shard=1,
        shards=3,
        code="FAILED_PRECONDITION",
        reason="another model is loaded",
    )
    assert outcome.resume == "synthvlm run --again"
    generated = next(stage for stage in outcome.stages if stage.stage == "generate")
    assert (generated.finished, generated.unfinished) == (2, [1])
    page = (report / "report.html").read_text()
    for told in ("generate", "2 of 3", "another model is loaded", "synthvlm run --again"):
        assert told in page


def test_a_wrong_request_is_a_failure_of_its_stage(tmp_path: Path, recorder, run_pipeline) -> None:
    recorder.shards = 1
    answer = run_pipeline(tmp_path, generate_request='{"parameters": {"stepz": 4}}')
    assert answer.status == 1
    (failed,) = [event for event in answer.events if event.state is State.FAILED]
    assert (failed.stage, failed.code) == ("generate", "INVALID_ARGUMENT")
    assert failed.reason.startswith("the JSON is not a valid GenerateShardRequest: ")
    assert '"stepz"' in failed.reason
    assert "generate failed on shard 0: the JSON is not a valid" in answer.stdout + answer.stderr
    assert "generate" not in recorder.requests


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
