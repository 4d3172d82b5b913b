"""What is told of a run when it has ended, however it ended: its page, and its outcome as JSON.

The exit step of a pipeline does this, and on one machine the command itself where that step could
not: where the pipeline's process, or a service, was killed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from synthvlm.errors import DomainError
from synthvlm.report.cost import device_use
from synthvlm.report.outcome import (
    ENDED_SILENTLY,
    NEVER_BEGAN,
    OUTCOME_FILE,
    DeviceUse,
    Failure,
    Outcome,
    StageOutcome,
)
from synthvlm.report.record import Prices, RunRecord, Stage, Verification
from synthvlm.report.render import render_outcome
from synthvlm.report.write import PAGE_FILE, store_record, store_report
from synthvlm.storage import ShardRef, open_shard
from synthvlm.storage.protos import ref_from_proto
from synthvlm_pipelines.earlier import counted
from synthvlm_pipelines.events import StageEvent, State
from synthvlm_pipelines.nothing_left import why_nothing_is_left
from synthvlm_pipelines.records import RunFolder, StageRecord
from synthvlm_pipelines.results import RunResults
from synthvlm_pipelines.state import RunState, every_stage

NO_PRICES = Prices()


@dataclass(frozen=True)
class EndedRun:
    """What the run was asked for.

    Attributes:
        pipeline: Name of the pipeline.
        requests: Its requests, by stage; those that are empty belong to no stage of this run.
        caption_file_digests: Digests of its caption files.
        profile: Name of its profile.
        prices: What it is charged for.
        resume: Command that goes on with it; empty if whoever started it gave none.
        attempt: Which execution of it has ended.
        told: What the pipeline's engine says of the end; empty for success.
        more_stages: Stages of the run whose requests are not known here.
    """

    pipeline: str
    requests: Mapping[str, str]
    caption_file_digests: Sequence[str] = ()
    profile: str = ""
    prices: Prices = NO_PRICES
    resume: str = ""
    attempt: str = ""
    told: str = ""
    more_stages: Sequence[str] = ()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The run's stages, in their order."""
        return tuple(
            stage
            for stage in every_stage()
            if self.requests.get(stage) or stage in self.more_stages
        )

    @classmethod
    def of(
        cls,
        arguments: Mapping[str, Any],
        *,
        attempt: str,
        told: str = "",
        pipeline: str = "",
        more_stages: Sequence[str] = (),
    ) -> "EndedRun":
        """The run of a pipeline with these arguments.

        Args:
            arguments: The pipeline's arguments, by name.
            attempt: As of the class.
            told: As of the class.
            pipeline: As of the class; by default the one whose last stage has a request.
            more_stages: As of the class.
        """
        requests: dict[str, str] = {
            stage: arguments.get(f"{'import_captions' if stage == 'import' else stage}_request", "")
            for stage in every_stage()
        }
        return cls(
            pipeline=pipeline or ("dataset-run" if requests["assemble"] else "selection-run"),
            requests=requests,
            caption_file_digests=arguments.get("caption_file_digests", []),
            profile=arguments.get("profile", ""),
            prices=Prices.of(json.loads(arguments.get("prices") or "{}")),
            resume=arguments.get("resume_command", ""),
            attempt=attempt,
            told=told,
            more_stages=more_stages,
        )


def end_run(folder: RunFolder, run: EndedRun) -> Outcome:
    """Writes the report and the outcome of a run into its folder.

    Raises:
        DomainError: The folder cannot be read or written.
    """
    records = counted(folder.records(), run.attempt, run.requests, run.caption_file_digests)
    state = replay(records, run.stages)
    results = RunResults(state)
    failure = failure_of(state, run.told)
    began = min((record.began for record in records), default=None)
    finished = datetime.now(UTC)
    used, problem = _used(folder, run)
    outcome = Outcome(
        run=folder.run_name,
        pipeline=run.pipeline,
        state="succeeded" if failure is None else "failed",
        failure=failure,
        resume=run.resume or _clone_advice(folder, run),
        started=None if began is None else datetime.fromtimestamp(began, UTC),
        finished=finished,
        stages=[_stage(state, name) for name in run.stages],
        counts=results.counts(),
        made=results.made(),
        reused=results.reused(),
        device_use=used,
        currency=run.prices.currency,
        pool=results.pool() if failure is None else [],
        arms=(arms := results.arms()),
        selection=None if arms else _selection(results),
        version=None if arms else results.version_record(),
        model=None if arms else results.model,
        evaluation=None if arms else results.evaluation,
        report=f"{folder.path}/{PAGE_FILE}",
        problem=problem,
    )
    outcome = _with_page(folder, outcome, run, results)
    content = outcome.model_dump_json(indent=2).encode()
    folder.store.write(f"{folder.path}/{OUTCOME_FILE}", content)
    return outcome


def replay(records: Sequence[StageRecord], stages: Sequence[Stage]) -> RunState:
    """Where a run stood when its last record was written."""
    moments: list[tuple[float, StageEvent]] = []
    for record in records:
        event = record.event
        begun = StageEvent(event.stage, State.STARTED, event.shard, event.shards)
        moments += [(record.began, begun), (record.at, event)]
    now = 0.0
    state = RunState(stages, lambda: now)
    for now, event in sorted(moments, key=lambda moment: moment[0]):  # noqa: B007 - the clock
        if event.stage in state.stages:
            state.apply(event)
    return state


def failure_of(state: RunState, told: str) -> Failure | None:
    """Why a run has not come to its end; None if every stage is finished.

    Args:
        state: Where it stood.
        told: What the pipeline's engine says, where no step has.
    """
    if state.is_finished:
        return None
    if (failed := state.failure) is not None:
        reason = why_nothing_is_left(state) or failed.reason
        return Failure(
            stage=failed.stage,
            shard=failed.shard,
            shards=failed.shards,
            code=failed.code,
            reason=reason,
        )
    detail = f" ({told})" if told else ""
    for event in (event for stage in state.stages.values() for event in stage.at_work):
        return Failure(
            stage=event.stage,
            shard=event.shard,
            shards=event.shards,
            code=ENDED_SILENTLY,
            reason=f"its step had begun and ended without a word: it was killed{detail}",
        )
    waiting = next(stage for stage in state.stages.values() if not stage.is_finished)
    return Failure(
        stage=waiting.name,
        code=NEVER_BEGAN,
        reason=f"it never began, and no step has told why{detail}",
    )


def _used(folder: RunFolder, run: EndedRun) -> tuple[list[DeviceUse], str]:
    """What the run took of devices, or why that cannot be read: a run always gets a report."""
    try:
        return device_use(folder.store, folder.run_name, run.prices), ""
    except DomainError as error:
        return [], error.message


def _with_page(folder: RunFolder, outcome: Outcome, run: EndedRun, results: RunResults) -> Outcome:
    """Writes the page; the outcome as it is then."""
    is_whole = "import" in run.stages and outcome.version is not None
    if outcome.state == "succeeded" and is_whole and outcome.started is not None:
        try:
            record = _record(folder, outcome.started, run, results)
            store_record(folder.store, folder.path, record)
            store_report(folder.store, folder.path)
        # The version is committed by then, and a run always gets a report.
        except Exception as error:
            kind = "" if isinstance(error, DomainError | OSError) else f"{type(error).__name__}: "
            outcome = outcome.model_copy(update={"problem": f"{kind}{error}"})
        else:
            return outcome
    folder.store.write(outcome.report, render_outcome(outcome).encode())
    return outcome


def _record(folder: RunFolder, started: datetime, run: EndedRun, results: RunResults) -> RunRecord:
    made = results.version
    configuration = json.loads(json.loads(run.requests["assemble"]).get("configuration_json", "{}"))
    record = results.record(run.profile, configuration, started, datetime.now(UTC))
    version = open_shard(folder.store, ShardRef(made.path, made.digest, made.pairs))
    verification = Verification.of(version.manifest.details)
    more = {"verification": verification, "run": folder.run_name, "prices": run.prices}
    return record.model_copy(update=more)


def _stage(state: RunState, name: str) -> StageOutcome:
    stage = state.stages[name]
    return StageOutcome(
        stage=name,
        shards=stage.shards,
        finished=stage.finished_shards,
        unfinished=[
            shard
            for shard in sorted(stage.latest)
            if stage.latest[shard].state is not State.FINISHED
        ],
        done=stage.done,
        resumed=stage.resumed,
        reused=stage.reused,
        seconds=round(stage.seconds(state.clock()), 3),
    )


def _selection(results: RunResults) -> ShardRef | None:
    selected = results.selected
    return ref_from_proto(selected.selection) if selected.HasField("selection") else None


def _clone_advice(folder: RunFolder, run: EndedRun) -> str:
    return (
        f"start the pipeline {run.pipeline} again with the same arguments and "
        f"run_name={folder.run_name} (Clone run in the Pipelines UI)"
    )
