"""Following a job of Trainer to its end: its log, what it waits for, and why it failed."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any

from synthvlm.cluster.api import Api
from synthvlm.cluster.pod_log import PodLog
from synthvlm.cluster.pod_status import has_ended, losses, waits_for
from synthvlm.cluster.trainer_job import JobForm, JobStatus, Phase, TrainerJob
from synthvlm.errors import OperationCancelled
from synthvlm.jobs.events import JobEvent, State, parse_event
from synthvlm.jobs.launch import JobFailed

_TAIL_LINES = 30
_LOSSES_TOLD = 5
_LAST_LOG_SECONDS = 60
"""How long to try to read the log of a job that has ended."""
_USELESS = "INVALID_ARGUMENT"
"""Code of a failure that another attempt would repeat."""


class ResultLost(Exception):
    """A job is complete, but nothing tells of its result any more."""


class Follower:
    """Looks at a job every few seconds; a server that is away or restarted costs it nothing.

    Args:
        api: The API server.
        path: The object.
        form: How to read it.
        job: The job.
        log: Gets each line of the first process that tells of no event, and what became of pods.
    """

    def __init__(
        self, api: Api, path: str, form: JobForm, job: TrainerJob, log: Callable[[str], None]
    ) -> None:
        self._api = api
        self._path = path
        self._form = form
        self._job = job
        self._log = log
        self._last: JobEvent | None = None
        self._logs: dict[str, PodLog] = {}
        self._read: set[str] = set()
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._losses: dict[tuple[str, int], str] = {}

    def events(self) -> Generator[JobEvent, None, JobEvent]:
        """Yields what the job tells of, of progress the newest at each look; returns the last.

        Raises:
            OperationCancelled: Somebody deleted the job.
            JobFailed: It failed, or its request is invalid.
            ResultLost: It is complete, and its log is gone.
        """
        waits = ""
        while True:
            found = self._api.get(self._path)
            if found is None or "deletionTimestamp" in found["metadata"]:
                raise OperationCancelled(
                    f"{self._name} was deleted; the same request goes on from what it has stored"
                )
            status = self._form.status(found)  # before the log, which then has all of it
            ended = status.phase in (Phase.COMPLETE, Phase.FAILED)
            pods = self._pods()
            self._note_losses(pods)
            for event in self._told(pods, ended):
                yield event
                if event.state is State.FAILED and event.code == _USELESS:
                    self._api.delete(self._path)
                    raise self._failed(status)
            if ended:
                return self._end(status)
            reason = self._waits_for(status, pods)
            if reason and reason != waits:
                yield JobEvent(State.WAITING, reason=reason)
            waits = reason
            time.sleep(self._job.settings.poll_seconds)

    @property
    def _name(self) -> str:
        return f"the {self._form.kind} {self._job.name}"

    def _pods(self) -> list[Mapping[str, Any]]:
        selector = self._form.pod_selector(self._job.name)
        path = f"/api/v1/namespaces/{self._job.settings.namespace}/pods"
        listed = self._api.get(path, labelSelector=selector) or {"items": []}
        return sorted(listed["items"], key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def _told(self, pods: Iterable[Mapping[str, Any]], ended: bool) -> Iterator[JobEvent]:
        progress: JobEvent | None = None
        for line in self._new_lines(pods, ended):
            event = parse_event(line)
            if event is None:
                self._tail.append(line)
                self._log(line)
                continue
            self._last = event
            if event.state is State.RUNNING:
                progress = event
                continue
            if progress is not None:
                yield progress
                progress = None
            yield event
        if progress is not None:
            yield progress

    def _new_lines(self, pods: Iterable[Mapping[str, Any]], ended: bool) -> Iterator[str]:
        """Lines of the pods of the first process, the oldest pod first."""
        for pod in filter(self._form.is_first, pods):
            uid = pod["metadata"]["uid"]
            if uid in self._read:
                continue
            log = self._logs.setdefault(uid, PodLog(self._api, self._form.container))
            yield from log.new_lines(pod, _LAST_LOG_SECONDS if ended else 0)
            if has_ended(pod):
                self._read.add(uid)

    def _note_losses(self, pods: Iterable[Mapping[str, Any]]) -> None:
        for pod in pods:
            for key, loss in losses(pod, self._form.container):
                if self._losses.get(key) != loss:
                    self._losses[key] = loss
                    self._log(loss)

    def _waits_for(self, status: JobStatus, pods: Iterable[Mapping[str, Any]]) -> str:
        """What has to happen before it can work; empty: nothing."""
        if status.phase is Phase.WAITING:
            queue = self._job.settings.queue
            where = f"it waits in the queue {queue}" if queue else "somebody suspended it"
            return f"{self._name} is suspended; {where}"
        reasons = [waits_for(pod, self._form.container) for pod in pods]
        if not reasons:
            return f"{self._name} has no pods yet"
        return "; ".join(filter(None, reasons))

    def _end(self, status: JobStatus) -> JobEvent:
        if self._last is not None and self._last.state is State.FINISHED:
            return self._last
        if status.phase is Phase.COMPLETE:
            raise ResultLost
        raise self._failed(status)

    def _failed(self, status: JobStatus) -> JobFailed:
        work = self._job.work
        losses = list(self._losses.values())[-_LOSSES_TOLD:]
        if self._last is not None and self._last.state is State.FAILED:
            told = "; ".join((f"the {work} failed: {self._last.reason}", *losses))
            return JobFailed(told, {"code": self._last.code})
        tail = "\n".join(self._tail).strip()
        told = "; ".join((f"the {work} failed: {self._name}: {status.reason}", *losses))
        return JobFailed(f"{told}; the end of its output: {tail}" if tail else told)
