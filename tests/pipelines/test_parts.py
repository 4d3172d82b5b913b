"""The parts of a run that are pipelines of their own, as ``kfp.local`` runs them."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from synthvlm import __version__
from synthvlm.errors import InvalidInput, NotFound, PreconditionFailed
from synthvlm.report.outcome import Outcome, PoolShard
from synthvlm.storage import ShardRef, file_uri, open_shard, open_store, parse_location
from synthvlm.storage.protos import ref_from_proto
from synthvlm_pipelines.components.assemble import assemble
from synthvlm_pipelines.components.compare import compare
from synthvlm_pipelines.components.evaluate import evaluate
from synthvlm_pipelines.components.find_arms import find_arms
from synthvlm_pipelines.components.find_version import find_version
from synthvlm_pipelines.components.reselect import reselect
from synthvlm_pipelines.components.train import train
from synthvlm_pipelines.earlier_run import MAX_ARMS, arm_items, pool_of
from synthvlm_pipelines.ending import EndedRun, end_run
from synthvlm_pipelines.events import PROGRESS_FILE
from synthvlm_pipelines.records import RunFolder
from tests.evaluation.records import commit_evaluation, mostly, scene_answers
from tests.pipelines.conftest import launched, number, ref


def made(kind: str, number: int) -> ShardRef:
    return ref_from_proto(ref(kind, number))


def pool(scored: bool) -> list[PoolShard]:
    return [
        PoolShard(
            caption_set=made("captions", n),
            image_set=made("images", n),
            score_set=made("old-scores", n) if scored else None,
        )
        for n in range(2)
    ]


def earlier(store_uri: str, shards: Sequence[PoolShard], state: str = "succeeded") -> None:
    """Leaves the outcome of a run called ``earlier``."""
    content = {
        "run": "earlier",
        "pipeline": "synthesis-run",
        "state": state,
        "finished": datetime.now(UTC).isoformat(),
        "stages": [],
        "pool": [one.model_dump(mode="json") for one in shards],
    }
    open_store(parse_location(store_uri)).write(
        "reports/earlier/outcome.json", json.dumps(content).encode()
    )


def outcome_of(folder: Path) -> Outcome:
    return Outcome.model_validate_json(
        (folder / "store" / "reports" / "later" / "outcome.json").read_bytes()
    )


def common(folder: Path) -> dict[str, str]:
    return {
        "run_name": "later",
        "store_uri": file_uri(folder / "store"),
        "from_run": "earlier",
        "code_version": __version__,
    }


def test_images_of_an_earlier_run_are_scored_and_selected_anew(tmp_path: Path, recorder) -> None:
    arguments = {
        **common(tmp_path),
        "alignment_address": recorder.address,
        "dataset_address": recorder.address,
        "score_request": '{"model_digest": "sha256:a"}',
        "select_request": '{"rule": {"top_k": "3"}}',
    }
    earlier(arguments["store_uri"], pool(scored=False))
    answer = launched(tmp_path, arguments, "--pipeline", "rescoring-run")
    assert answer.status == 0, answer.stderr + answer.stdout
    scored = sorted(recorder.requests["score"], key=lambda one: number(one.caption_set))
    assert [(one.caption_set.path, one.image_set.path) for one in scored] == [
        ("captions/0", "images/0"),
        ("captions/1", "images/1"),
    ]
    (selected,) = recorder.requests["select"]
    assert [one.score_set.path for one in selected.shards] == ["scores/0", "scores/1"]
    assert [one.caption_set.path for one in selected.shards] == ["captions/0", "captions/1"]
    assert {"generate", "assemble"}.isdisjoint(recorder.requests)
    outcome = outcome_of(tmp_path)
    assert (outcome.pipeline, outcome.state) == ("rescoring-run", "succeeded")
    assert [one.stage for one in outcome.stages] == ["find", "score", "select"]
    assert [one.score_set for one in outcome.pool] == [made("scores", 0), made("scores", 1)]
    assert outcome.selection == made("selection", 0)
    assert json.loads(answer.stdout.splitlines()[-1]) == outcome.model_dump(mode="json")


def arm(name: str, top_k: int) -> str:
    return json.dumps(
        {
            "name": name,
            "select_request": {"rule": {"top_k": str(top_k)}},
            "assemble_request": {"name": name, "store": {"uri": "memory://arms"}},
            "train_request": {"profile": "no-such-profile", "store": "memory://arms"},
            "evaluate_request": {},
        }
    )


def test_an_ablation_works_on_every_arm_and_tells_which_failed(tmp_path: Path, recorder) -> None:
    arguments = {
        **common(tmp_path),
        "dataset_address": recorder.address,
        "arms": [arm("large", 8), arm("small", 2)],
    }
    earlier(arguments["store_uri"], pool(scored=True))
    answer = launched(tmp_path, arguments, "--pipeline", "ablation-run")
    assert answer.status == 1
    selected = sorted(recorder.requests["select"], key=lambda one: -one.rule.top_k)
    assert [one.rule.top_k for one in selected] == [8, 2]
    for one in selected:
        assert [shard.score_set.path for shard in one.shards] == ["old-scores/0", "old-scores/1"]
    assert {one.name for one in recorder.requests["assemble"]} == {"large", "small"}
    outcome = outcome_of(tmp_path)
    assert outcome.failure is not None
    assert (outcome.failure.stage, outcome.failure.shards) == ("train", 2)
    assert "no-such-profile" in outcome.failure.reason
    assert [one.name for one in outcome.arms] == ["large", "small"]
    assert all(one.selection and one.version and not one.model for one in outcome.arms)
    page = (tmp_path / "store" / outcome.report).read_text()
    assert "large@1" in page
    assert "small@1" in page


def test_the_arms_of_an_ablation_are_compared_with_the_first(
    tmp_path: Path, recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROGRESS_FILE, str(tmp_path / "progress.jsonl"))
    place = common(tmp_path)
    from_run = place.pop("from_run")
    store = open_store(parse_location(place["store_uri"]))
    earlier(place["store_uri"], pool(scored=True))
    right = {"large": mostly(0.3, 1), "small": mostly(0.8, 2)}
    evaluations = {
        name: commit_evaluation(store, name, scene_answers(answers))
        for name, answers in right.items()
    }
    arms = [arm("large", 8), arm("small", 2)]
    items = find_arms.python_func(from_run=from_run, arms=arms, **place)
    for item, (name, evaluation) in zip(items, evaluations.items(), strict=True):
        of = {"item": item["item"], **place}
        address = {"address": recorder.address}
        request = item["select_request"]
        selected = reselect.python_func(request=request, from_run=from_run, **address, **of)
        request = item["assemble_request"]
        version = assemble.python_func(request=request, selected=selected, **address, **of)
        model = {"path": f"models/{name}", "digest": "sha256:m", "records": 1}
        shard = asdict(evaluation)
        monkeypatch.setattr("synthvlm_pipelines.jobs.train", lambda *_, it=model: it)
        monkeypatch.setattr("synthvlm_pipelines.jobs.evaluate", lambda *_, it=shard: it)
        trained = train.python_func(request="{}", version=version, **of)
        evaluate.python_func(request="{}", model=trained, **of)
    evaluated = [json.dumps(asdict(one)) for one in evaluations.values()]
    compare.python_func(evaluated=evaluated, **place)
    stages = ("find", "select", "assemble", "train", "evaluate", "compare")
    run = EndedRun("ablation-run", requests={}, more_stages=stages)
    outcome = end_run(RunFolder(place["store_uri"], "later"), run)
    assert outcome.state == "succeeded"
    large, small = outcome.arms
    assert (large.name, small.name) == ("large", "small")
    assert [one.evaluation for one in outcome.arms] == list(evaluations.values())
    assert large.comparison is None
    assert small.comparison is not None
    comparison = open_shard(store, small.comparison).manifest
    assert comparison.inputs["first"] == evaluations["large"].digest
    page = store.read(outcome.report).decode()
    assert large.headlines[0] in page
    assert outcome.version is None  # each arm has its own


def test_a_version_is_looked_up_by_its_name(
    tmp_path: Path, recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROGRESS_FILE, str(tmp_path / "progress.jsonl"))
    place = common(tmp_path)
    del place["from_run"]
    found = find_version.python_func(address=recorder.address, version="demo@3", **place)
    assert json.loads(found) == {"name": "demo", "version": 3, "path": "datasets/x"}
    (kept,) = RunFolder(place["store_uri"], "later").records()
    assert (kept.event.stage, kept.event.state) == ("find", "finished")


def test_a_pool_is_that_of_a_run_that_succeeded(tmp_path: Path) -> None:
    uri = file_uri(tmp_path)
    with pytest.raises(NotFound, match="no run earlier has ended"):
        pool_of(uri, "earlier")
    earlier(uri, pool(scored=False))
    assert pool_of(uri, "earlier") == pool(scored=False)
    with pytest.raises(PreconditionFailed, match="made no pool of scored images"):
        pool_of(uri, "earlier", with_scores=True)
    earlier(uri, pool(scored=True), state="failed")
    with pytest.raises(PreconditionFailed, match="go on with it first"):
        pool_of(uri, "earlier")


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ([arm("one", 1)], f"has 2 to {MAX_ARMS} arms, not 1"),
        ([arm("one", 1)] * 2, "two arms have the same name"),
        ([arm("one", 1), "{}"], "this is not an arm"),
        ([arm(f"a{n}", 1) for n in range(MAX_ARMS + 1)], f"not {MAX_ARMS + 1}"),
    ],
)
def test_arms_that_make_no_sense_are_refused(arms: list[str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        arm_items(arms)
