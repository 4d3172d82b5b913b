"""The results of a run, as far as it came: the record for its report, and the JSON for programs."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from synthvlm.alignment.v1 import alignment_pb2
from synthvlm.caption.v1 import caption_pb2
from synthvlm.dataset.v1 import dataset_pb2
from synthvlm.generation.v1 import generation_pb2
from synthvlm.report.outcome import ArmOutcome, PoolShard
from synthvlm.report.record import RunRecord, RunShard, StageTiming, VersionRecord
from synthvlm.storage import ShardRef, Store, open_shard
from synthvlm.storage.protos import counts_by_rule, ref_from_proto
from synthvlm_pipelines.events import State
from synthvlm_pipelines.nothing_left import parsed
from synthvlm_pipelines.state import RunState, StageProgress

M = TypeVar("M", bound=Message)

_MADE = {"images": "generate", "scores": "score"}
"""What is made once, and the stage that makes it."""


class RunResults:
    """The results of a run's stages; an empty message stands for that of a stage without one."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self.imported = _only(state, "import", caption_pb2.ImportResult)
        self.curated = parsed(state, "curate", caption_pb2.CurateResult)
        self.generated = parsed(state, "generate", generation_pb2.GenerateResult)
        self.scored = parsed(state, "score", alignment_pb2.ScoreResult)
        self.selected = _only(state, "select", dataset_pb2.SelectResult)
        self.version = _only(state, "assemble", dataset_pb2.VersionSummary)
        self.model = _job(state, "train")
        self.evaluation = _job(state, "evaluate")

    def counts(self) -> dict[str, int]:
        """How many records each stage of the run made."""
        counts = {
            ("import", "read"): self.imported.read,
            ("import", "quarantined"): sum(one.records for one in self.imported.quarantined),
            ("curate", "kept"): sum(result.kept for result in self.curated),
            ("generate", "generated"): sum(result.generated for result in self.generated),
            ("score", "scored"): sum(result.scored for result in self.scored),
            ("select", "selected"): self.selected.selected,
        }
        stages = self._state.stages
        return {noun: count for (stage, noun), count in counts.items() if stage in stages}

    def made(self) -> dict[str, int]:
        """How many images and scores this run has made itself."""
        return {noun: stage.made for noun, stage in self._makers().items()}

    def reused(self) -> dict[str, int]:
        """How many images and scores it found made: by itself, stopped, or by any other run."""
        return {noun: stage.resumed + stage.reused for noun, stage in self._makers().items()}

    def shards(self) -> list[RunShard]:
        """What the run made of each pool shard, once all three stages have."""
        return [
            RunShard(
                caption_set=ref_from_proto(curated.caption_set),
                image_set=ref_from_proto(generated.image_set),
                score_set=ref_from_proto(scored.score_set),
            )
            for curated, generated, scored in zip(
                self.curated, self.generated, self.scored, strict=True
            )
        ]

    def failed(self) -> dict[str, int]:
        """Records on which generation or scoring failed, by reason."""
        counts: dict[str, int] = {}
        of_generation = [result.failed for result in self.generated]
        for failed in [*of_generation, *(result.failed for result in self.scored)]:
            for reason, records in counts_by_rule(failed).items():
                counts[reason] = counts.get(reason, 0) + records
        return counts

    def truncated(self, store: Store) -> int:
        """Images whose caption is longer than the text encoders' window."""
        shards = [ref_from_proto(result.image_set) for result in self.generated]
        return sum(
            open_shard(store, ref).manifest.counts.get("truncated_prompts", 0) for ref in shards
        )

    def version_record(self) -> VersionRecord | None:
        """The dataset version; None if there is none."""
        return _version(self.version)

    def record(
        self, profile: str, configuration: dict[str, Any], started: datetime, finished: datetime
    ) -> RunRecord:
        """The record from which the report is made."""
        imported, version = self.imported, self.version_record()
        if version is None:
            raise ValueError("a run without a dataset version has no record")
        has_quarantine = imported.HasField("quarantine")
        return RunRecord(
            name=version.name,
            profile=profile,
            started=started,
            finished=finished,
            stages=self._timings(),
            read=imported.read,
            quarantined=counts_by_rule(imported.quarantined),
            quarantine=ref_from_proto(imported.quarantine) if has_quarantine else None,
            pool=[ref_from_proto(ref) for ref in imported.shards],
            shards=self.shards(),
            selection=ref_from_proto(self.selected.selection),
            version=version,
            model=self.model,
            evaluation=self.evaluation,
            configuration=configuration,
        )

    def summary(self, report: Path | None, seconds: float) -> dict[str, Any]:
        """What ``--json`` prints; ``report`` is null when there is none."""
        return {
            "dataset": self.version.name,
            "version": self.version.version,
            "digest": self.version.digest,
            "counts": self.counts(),
            "made": self.made(),
            "reused": self.reused(),
            "model": _shown(self.model),
            "evaluation": _shown(self.evaluation),
            "report": None if report is None else str(report),
            "seconds": round(seconds, 3),
        }

    def pool(self) -> list[PoolShard]:
        """What there is of each pool shard: made by this run, or found by it."""
        found = next(iter(self._state.results("find")), {}).get("pool", [])
        if found:
            pool = [PoolShard.model_validate(one) for one in found]
        else:
            pool = [
                PoolShard(
                    caption_set=ref_from_proto(curated.caption_set),
                    image_set=ref_from_proto(generated.image_set),
                )
                for curated, generated in zip(self.curated, self.generated, strict=True)
            ]
        scores = [ref_from_proto(result.score_set) for result in self.scored]
        if not scores:
            return pool
        return [
            one.model_copy(update={"score_set": score})
            for one, score in zip(pool, scores, strict=True)
        ]

    def arms(self) -> list[ArmOutcome]:
        """The arms of an ablation, as far as each came; none of another run."""
        items = next(iter(self._state.results("find")), {}).get("arms", [])
        compared = next(iter(self._state.results("compare")), {})
        headlines = compared.get("headlines", [[]] * len(items))
        comparisons = [None, *compared.get("comparisons", [None] * (len(items) - 1))]
        return (
            [
                _arm(self._state, number, json.loads(item)["arm"], lines, comparison)
                for number, (item, lines, comparison) in enumerate(
                    zip(items, headlines, comparisons, strict=True)
                )
            ]
            if items
            else []
        )

    def _makers(self) -> dict[str, StageProgress]:
        stages = self._state.stages
        return {noun: stages[stage] for noun, stage in _MADE.items() if stage in stages}

    def _timings(self) -> list[StageTiming]:
        clock = self._state.clock()
        return [
            StageTiming(
                stage=stage.name,
                seconds=stage.seconds(clock),
                done=stage.done,
                resumed=stage.resumed + stage.reused,
            )
            for stage in self._state.stages.values()
        ]


def _only(state: RunState, stage: str, kind: type[M]) -> M:
    """The result of a stage that runs once."""
    return next(iter(parsed(state, stage, kind)), kind())


def _arm(
    state: RunState, number: int, name: str, headlines: list[str], comparison: Any
) -> ArmOutcome:
    def result(stage: str) -> dict[str, Any]:
        event = state.stages[stage].latest.get(number)
        return event.result if event is not None and event.state is State.FINISHED else {}

    version = json_format.ParseDict(result("assemble"), dataset_pb2.VersionSummary())
    selected = json_format.ParseDict(result("select"), dataset_pb2.SelectResult())
    return ArmOutcome(
        name=name,
        selection=ref_from_proto(selected.selection) if selected.HasField("selection") else None,
        version=_version(version),
        model=_ref(result("train")),
        evaluation=_ref(result("evaluate")),
        headlines=headlines,
        comparison=_ref(comparison or {}),
    )


def _version(version: dataset_pb2.VersionSummary) -> VersionRecord | None:
    if not version.name:
        return None
    return VersionRecord(
        name=version.name,
        version=version.version,
        digest=version.digest,
        pairs=version.pairs,
        bytes=version.bytes,
        path=version.path,
    )


def _ref(result: Mapping[str, Any]) -> ShardRef | None:
    return ShardRef(result["path"], result["digest"], int(result["records"])) if result else None


def _job(state: RunState, stage: str) -> ShardRef | None:
    """What a job committed; None where it has not, or the run has no such job."""
    return _ref(next(iter(state.results(stage)), {}))


def _shown(ref: ShardRef | None) -> dict[str, str] | None:
    return None if ref is None else {"path": ref.path, "digest": ref.digest}
