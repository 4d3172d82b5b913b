"""Running a job by Kubeflow Trainer: created or adopted, followed to its end, deleted."""

import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from synthvlm.cluster.api import Api
from synthvlm.cluster.following import Follower, ResultLost
from synthvlm.cluster.trainer_job import (
    RUN_LABEL,
    JobForm,
    Phase,
    TrainerJob,
    content_of,
    label_value,
)
from synthvlm.cluster.trainer_settings import TrainerSettings
from synthvlm.cluster.trainer_v1 import PyTorchJobForm
from synthvlm.cluster.trainer_v2 import TrainJobForm
from synthvlm.errors import AlreadyExists, DomainError, OperationCancelled, Unavailable
from synthvlm.jobs.events import JobEvent
from synthvlm.jobs.launch import JobFailed

FORMS: dict[str, JobForm] = {form.kind: form for form in (TrainJobForm(), PyTorchJobForm())}

_CANCEL_SECONDS = 20
"""How long a cancelled step tries to delete its job: less than the time it has to end."""
_DELETION_SECONDS = 300
"""How long deleting a job may take beyond the grace period of its pods."""


def run_train_job(
    job: TrainerJob, log: Callable[[str], None]
) -> Generator[JobEvent, None, JobEvent]:
    """Runs a job; yields what it tells of, and returns its last event.

    One that is there already is adopted, also one that is complete. One that has failed is made
    again, and goes on from what it has stored. When the caller is told to end, or stops
    listening, the job is deleted: its pods store a checkpoint and end. When the caller is killed,
    or loses the API server for too long, the job goes on, and the next caller adopts it.

    Args:
        job: The job.
        log: Gets each line of the log of the first process that tells of no event, and what
            became of pods.

    Raises:
        InvalidInput: The object is not valid; nothing was sent.
        AlreadyExists: An object of this name is not ours, or is at work with other content.
        OperationCancelled: Somebody deleted the job, or the caller was told to end.
        JobFailed: It ended without a result; the message names reason and pod.
        PermissionDenied: The ServiceAccount lacks a right.
        Unavailable: The API server was away for longer than ``patience_seconds``.
    """
    form = FORMS[job.settings.kind]
    manifest = form.manifest(job)
    api = Api(job.settings.patience_seconds)
    objects = _objects(form, job.settings)
    path = f"{objects}/{job.name}"
    try:
        for _ in range(2):
            _submit(api, objects, form, manifest, job.settings)
            try:
                return (yield from Follower(api, path, form, job, log).events())
            except ResultLost:
                api.delete(path)  # made again, it finds its result in the store and tells of it
    except (GeneratorExit, KeyboardInterrupt, SystemExit, OperationCancelled):
        with suppress(DomainError):  # what comes next matters more: the run's last step deletes it
            Api(_CANCEL_SECONDS).delete(path)
        raise
    raise JobFailed(
        f"the {form.kind} {job.name} is complete, but its log, which tells of the result, cannot "
        f"be read; the same request finds the result in the store"
    )


def delete_run(settings: TrainerSettings, run: str) -> list[str]:
    """Deletes the jobs of a run, and with them their pods.

    Args:
        settings: Where they are.
        run: Name of the run.

    Returns:
        The names of those that were there.

    Raises:
        PermissionDenied: The ServiceAccount lacks a right.
        Unavailable: The API server was away for longer than ``patience_seconds``.
    """
    form = FORMS[settings.kind]
    api = Api(settings.patience_seconds)
    objects = _objects(form, settings)
    listed = api.get(objects, labelSelector=f"{RUN_LABEL}={label_value(run)}") or {"items": []}
    names = [one["metadata"]["name"] for one in listed["items"]]
    return [name for name in names if api.delete(f"{objects}/{name}")]


@contextmanager
def cancelled_by_sigterm() -> Iterator[None]:
    """SIGTERM becomes OperationCancelled in the main thread, instead of ending the process."""

    def cancel(_number: int, _frame: FrameType | None) -> None:
        raise OperationCancelled("the step was told to end")

    before = signal.signal(signal.SIGTERM, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _objects(form: JobForm, settings: TrainerSettings) -> str:
    return f"/apis/{form.group_version}/namespaces/{settings.namespace}/{form.plural}"


def _submit(
    api: Api, objects: str, form: JobForm, manifest: dict[str, Any], settings: TrainerSettings
) -> None:
    """Creates the object, unless there is one that does or has done the same."""
    name = manifest["metadata"]["name"]
    path = f"{objects}/{name}"
    deadline = time.monotonic() + settings.grace_seconds + _DELETION_SECONDS
    while True:
        with suppress(AlreadyExists):
            api.create(objects, manifest)
            return
        found = api.get(path)
        if found is not None and "deletionTimestamp" not in found["metadata"]:
            phase, content = form.status(found).phase, content_of(found)
            if content is None:
                raise AlreadyExists(
                    f"the {form.kind} {name} in {settings.namespace} was not made by a run; delete "
                    f"or rename it"
                )
            same = content == content_of(manifest)
            if same and phase is not Phase.FAILED:
                return
            if not same and phase in (Phase.WAITING, Phase.RUNNING):
                raise AlreadyExists(
                    f"the {form.kind} {name} is at work on the same request with other settings of "
                    f"the cluster; wait for it, or run: kubectl --namespace {settings.namespace} "
                    f"delete {form.plural} {name}"
                )
            api.delete(path)
        if time.monotonic() > deadline:
            raise Unavailable(
                f"the {form.kind} {name} is still being deleted", settings.poll_seconds
            )
        time.sleep(min(1.0, settings.poll_seconds))
