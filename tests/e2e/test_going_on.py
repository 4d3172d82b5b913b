"""A run that fails in each stage in turn, and goes on: nothing is made twice."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from synthvlm.report.outcome import Outcome
from synthvlm.report.record import Stage
from synthvlm_pipelines.components.assemble import assemble
from synthvlm_pipelines.components.curate import curate
from synthvlm_pipelines.components.evaluate import evaluate
from synthvlm_pipelines.components.generate import generate
from synthvlm_pipelines.components.import_captions import import_captions
from synthvlm_pipelines.components.score import score
from synthvlm_pipelines.components.select import select
from synthvlm_pipelines.components.train import train
from synthvlm_pipelines.connection import RUN_ID_VARIABLE, TOKEN_VARIABLE
from synthvlm_pipelines.ending import EndedRun, end_run
from synthvlm_pipelines.events import PROGRESS_FILE
from synthvlm_pipelines.records import RunFolder
from tests.e2e.place import Place

pytestmark = pytest.mark.e2e

RESUME = "synthvlm run --captions captions.jsonl --name faults"
MODEL = json.dumps({"path": "models/absent", "digest": "sha256:0", "records": 1})

FAULTS: dict[Stage, tuple[dict[str, Any], str]] = {
    "import": ({"files": ["/nowhere/absent.jsonl"]}, "absent.jsonl"),
    "curate": ({"recipe_yaml": "process: [{no_such_filter: {}}]"}, "no_such_filter"),
    "generate": ({"model_digest": f"sha256:{'0' * 64}"}, "model"),
    "score": ({"model_digest": f"sha256:{'0' * 64}"}, "model"),
    "select": ({"rule": {"top_k": "0"}}, "top_k"),
    "assemble": ({"name": "Not a name"}, "name"),
    "train": ({"profile": "no-such-profile"}, "no-such-profile"),
    "evaluate": ({"name": ""}, "name"),
}
"""What is wrong with the request of a stage, and what its reason names."""


class Attempt:
    """An execution of the steps of a run in this process, one of whose requests is wrong."""

    def __init__(self, arguments: Mapping[str, Any], wrong: Stage | None) -> None:
        self._arguments = arguments
        self._wrong = wrong
        self._common = {name: arguments[name] for name in ("code_version", "run_name", "store_uri")}

    def step(self, component: Any, stage: Stage, shard: int = 1, **inputs: Any) -> Any:
        """Runs a step; its request is wrong on the second shard, or where it runs once."""
        name = "import_captions" if stage == "import" else stage
        request = json.loads(self._arguments[f"{name}_request"])
        if stage == self._wrong and shard == 1:
            request |= FAULTS[stage][0]
        return component.python_func(request=json.dumps(request), **inputs, **self._common)

    def run(self) -> None:
        address = {
            word: self._arguments[f"{word}_address"]
            for word in ("caption", "generation", "alignment", "dataset")
        }
        digests = self._arguments["caption_file_digests"]
        items = self.step(
            import_captions, "import", address=address["caption"], caption_file_digests=digests
        )
        made: list[tuple[str, str, str]] = []
        for number, item in enumerate(items):
            of: dict[str, Any] = {"shard": number, "item": item}
            curated = self.step(curate, "curate", address=address["caption"], **of)
            of["curated"] = curated
            generated = self.step(generate, "generate", address=address["generation"], **of)
            of["generated"] = generated
            scored = self.step(score, "score", address=address["alignment"], **of)
            made.append((curated, generated, scored))
        lists = [list(one) for one in zip(*made, strict=True)]
        results: dict[str, Any] = dict(zip(("curated", "generated", "scored"), lists, strict=True))
        selected = self.step(select, "select", address=address["dataset"], **results)
        version = self.step(assemble, "assemble", address=address["dataset"], selected=selected)
        if self._wrong == "train":
            self.step(train, "train", version=version)
        self.step(evaluate, "evaluate", model=MODEL)


def test_what_a_failed_run_has_made_is_found_by_the_next(
    up: Place, undisturbed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROGRESS_FILE, str(tmp_path / "progress.jsonl"))
    token = json.loads(up.home.services_file.read_text()).get("token_file")
    if token is not None:
        monkeypatch.setenv(TOKEN_VARIABLE, token)
    arguments = json.loads((Path(undisturbed["report"]).parent / "arguments.json").read_text())
    store = {"store": arguments["store_uri"]}
    arguments |= {
        "run_name": "faults",
        "train_request": json.dumps(store),
        "evaluate_request": json.dumps({**store, "name": "faults"}),
        "resume_command": RESUME,
    }
    # Images that nobody has made yet, and a data set of their own.
    for name, change in (("generate", {"run_seed": "4711"}), ("assemble", {"name": "faults"})):
        request = json.loads(arguments[f"{name}_request"])
        arguments[f"{name}_request"] = json.dumps(request | change)
    folder = RunFolder(arguments["store_uri"], "faults")
    outcomes: list[Outcome] = []
    for stage, (_, named) in FAULTS.items():
        monkeypatch.setenv(RUN_ID_VARIABLE, f"until-{stage}")
        with pytest.raises(SystemExit):
            Attempt(arguments, stage).run()
        ended = EndedRun.of(arguments, attempt=f"until-{stage}", told="FAILED")
        outcome = end_run(folder, ended)
        outcomes.append(outcome)
        failure = outcome.failure
        assert failure is not None
        is_looped = stage in ("curate", "generate", "score")
        assert (failure.stage, failure.shards) == (stage, 2 if is_looped else 1)
        assert failure.shard == (1 if is_looped else 0)
        assert named in failure.reason
        page = (up.home.store / outcome.report).read_text()
        assert stage in page
        assert RESUME in page
    # All images and scores once, whichever attempt made them; the last ones have made none.
    assert [sum(one.made[noun] for one in outcomes) for noun in ("images", "scores")] == [24, 24]
    assert outcomes[-1].made == {"images": 0, "scores": 0}
    assert outcomes[-1].reused == {"images": 24, "scores": 24}
    assert len({one.version for one in outcomes[-2:]}) == 1
    assert outcomes[-1].version is not None
