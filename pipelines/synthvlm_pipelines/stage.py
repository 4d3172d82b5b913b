"""What every step does around its one call: progress, its record, errors, and a version check."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import Message

from synthvlm import __version__
from synthvlm.errors import DomainError, PreconditionFailed
from synthvlm.jobs.events import JobEvent
from synthvlm.jobs.events import State as JobState
from synthvlm.storage.v1 import shard_pb2
from synthvlm_pipelines.connection import ConnectionSettings, service_channel
from synthvlm_pipelines.events import StageEvent, State, emit
from synthvlm_pipelines.records import RunFolder, StageRecord, digest_of
from synthvlm_pipelines.requests import to_json


class RunPlace(NamedTuple):
    """The run that a step belongs to."""

    store_uri: str
    run_name: str


@dataclass
class Stage:
    """A stage at work on one shard."""

    name: str
    shard: int = 0
    shards: int = 1
    made_of: str = ""
    _folder: RunFolder | None = None
    _started: float = field(default_factory=time.monotonic)
    _began: float = field(default_factory=time.time)
    _progress: shard_pb2.ShardProgress = field(default_factory=shard_pb2.ShardProgress)

    def progress(self, progress: shard_pb2.ShardProgress) -> None:
        """Reports a shard call's progress."""
        self._progress = progress
        emit(self._event(State.RUNNING))

    def job_progress(self, event: JobEvent) -> None:
        """Reports a job's progress, or what it waits for."""
        if event.state is JobState.WAITING:
            emit(self._event(State.RUNNING, reason=event.reason))
            return
        self.progress(
            shard_pb2.ShardProgress(done=event.done, total=event.total, resumed=event.resumed)
        )

    def finish(self, result: Message | Mapping[str, Any]) -> str:
        """Reports the result.

        Returns:
            The result as JSON, as steps hand it on.
        """
        text = to_json(result) if isinstance(result, Message) else result_text(result)
        event = self._event(State.FINISHED, result=text)
        self._leave(event)
        emit(event)
        return text

    def channel(self, address: str) -> grpc.Channel:
        """A channel to the service at ``address``."""
        run = "" if self._folder is None else self._folder.run_name
        return service_channel(address, self.shard, run)

    def start(self) -> None:
        """Reports the start."""
        emit(self._event(State.STARTED))

    def keep_record(self, place: RunPlace) -> None:
        """Leaves a record in the run's folder now, and again when the stage ends.

        Raises:
            DomainError: The folder cannot be written to.
        """
        self._folder = RunFolder(*place)
        self._leave(self._event(State.STARTED))

    def fail(self, code: str, reason: str) -> None:
        """Reports a failure."""
        event = self._event(State.FAILED, code=code, reason=" ".join(reason.split()))
        emit(event)
        try:
            self._leave(event)
        except DomainError as error:  # what failed first is what is told
            sys.stderr.write(f"the failure could not be recorded: {error.message}\n")

    def _leave(self, event: StageEvent) -> None:
        if self._folder is not None:
            attempt = ConnectionSettings().run_id
            self._folder.leave(StageRecord(event, self._began, time.time(), attempt, self.made_of))

    def _event(
        self, state: State, result: str = "{}", code: str = "", reason: str = ""
    ) -> StageEvent:
        return StageEvent(
            stage=self.name,
            state=state,
            shard=self.shard,
            shards=self.shards,
            done=self._progress.done,
            total=self._progress.total,
            resumed=self._progress.resumed,
            reused=self._progress.reused,
            seconds=round(time.monotonic() - self._started, 3),
            result=json.loads(result),
            code=code,
            reason=reason,
        )


def result_text(result: Mapping[str, Any]) -> str:
    """A result as JSON, as steps hand it on; ``to_json`` gives the same text of a message."""
    return json.dumps(result, sort_keys=True, ensure_ascii=False)


@contextmanager
def stage(
    name: str, code_version: str, place: RunPlace, inputs: Sequence[str], item: str = ""
) -> Iterator[Stage]:
    """Runs the body of a step as a stage.

    Args:
        name: The stage.
        code_version: Version that the run was submitted for. It also makes the pipeline's cache
            tell the results of two versions apart.
        place: The run.
        inputs: The stage's request, and what earlier steps gave for it.
        item: The loop's item, for a stage that runs once a shard.

    Raises:
        SystemExit: The stage failed; the reason has been reported.
    """
    number = json.loads(item) if item else {"shard": 0, "shards": 1}
    made_of = digest_of([*inputs, item])
    current = Stage(name, number["shard"], number["shards"], made_of)
    current.start()
    try:
        current.keep_record(place)
        _check_version(code_version)
        yield current
    except DomainError as error:
        current.fail(error.code, error.message)
        raise SystemExit(f"{name} failed on shard {current.shard}: {error.message}") from error
    except Exception as error:
        current.fail("INTERNAL", f"{type(error).__name__}: {error}")
        raise


def _check_version(code_version: str) -> None:
    if code_version != __version__:
        raise PreconditionFailed(
            f"the run was submitted for version {code_version}, this step is {__version__}; "
            f"compile the pipeline for the image that runs it"
        )
