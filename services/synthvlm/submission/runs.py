"""Runs on the server: a name stands for one run, however often it is sent."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import kfp_server_api

from synthvlm.errors import AlreadyExists
from synthvlm.storage import canonical_json, sha256_digest
from synthvlm.submission.packages import Package
from synthvlm.submission.server import KfpServer

SUCCEEDED, FAILED, CANCELED, SKIPPED = "SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"
ENDED = (SUCCEEDED, FAILED, CANCELED, SKIPPED)
"""States in which nothing happens any more."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PAGE = 100


@dataclass(frozen=True)
class Pipeline:
    """A version of a pipeline that the server knows."""

    pipeline_id: str
    version_id: str

    def reference(self) -> Any:
        """How runs name it."""
        return kfp_server_api.V2beta1PipelineVersionReference(
            pipeline_id=self.pipeline_id, pipeline_version_id=self.version_id
        )


@dataclass(frozen=True)
class Wanted:
    """A run to be.

    Attributes:
        name: Its name.
        arguments: The pipeline's arguments, by name.
        digest: Digest of those that decide what it makes, which tells it from another run of the
            same name.
        pipeline: What it runs.
        experiment_id: Where the server lists it.
        service_account: Kubernetes ServiceAccount of its pods; empty: the server's default.
    """

    name: str
    arguments: Mapping[str, Any]
    digest: str
    pipeline: Pipeline
    experiment_id: str
    service_account: str = ""

    def description(self) -> str:
        """Its description on the server, which holds the digest."""
        return f"Sent by synthvlm submit; arguments {self.digest}"

    def runtime(self) -> Any:
        """The arguments as the server takes them."""
        return kfp_server_api.V2beta1RuntimeConfig(parameters=dict(self.arguments))


def arguments_digest(arguments: Mapping[str, Any]) -> str:
    """``sha256:`` digest of a pipeline's arguments."""
    return sha256_digest(canonical_json(dict(arguments)))


def described_digest(description: str | None) -> str:
    """The digest in a description; empty: the run was not sent by this command."""
    found = _DIGEST.search(description or "")
    return found[0] if found else ""


def named(name: str) -> str:
    """The filter that finds what is shown under a name."""
    predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [predicate]})


def experiment_id(server: KfpServer, name: str, namespace: str) -> str:
    """The experiment's id; it is made if there is none.

    Args:
        server: The server.
        name: Its name.
        namespace: Whose it is; empty on a server for one user.
    """
    options = {"namespace": namespace} if namespace else {}
    found = server.created(
        lambda: _first(
            server.call(
                server.experiments.experiment_service_list_experiments,
                filter=named(name),
                page_size=1,
                **options,
            ).experiments
        ),
        server.experiments.experiment_service_create_experiment,
        experiment=kfp_server_api.V2beta1Experiment(display_name=name, **options),
    )
    return str(found.experiment_id)


def uploaded_pipeline(
    server: KfpServer, package: Package, code_version: str, namespace: str
) -> Pipeline:
    """The package as a version of a pipeline on the server; it is uploaded if it is not there."""
    options = {"namespace": namespace} if namespace else {}
    known = server.created(
        lambda: _first(
            server.call(
                server.pipelines.pipeline_service_list_pipelines,
                filter=named(package.name),
                page_size=1,
                **options,
            ).pipelines
        ),
        server.pipelines.pipeline_service_create_pipeline,
        pipeline=kfp_server_api.V2beta1Pipeline(
            display_name=package.name, name=package.name, **options
        ),
    )
    name = f"{package.name}-{code_version}-{package.digest()[:12]}"
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.yaml"
        file.write_text(package.text(), encoding="utf-8")
        version = server.created(
            lambda: _first(
                server.call(
                    server.pipelines.pipeline_service_list_pipeline_versions,
                    pipeline_id=known.pipeline_id,
                    filter=named(name),
                    page_size=1,
                ).pipeline_versions
            ),
            server.uploads.upload_pipeline_version,
            uploadfile=str(file),
            name=name,
            pipelineid=known.pipeline_id,
        )
    return Pipeline(str(known.pipeline_id), str(version.pipeline_version_id))


def submitted(server: KfpServer, wanted: Wanted) -> tuple[Any, bool]:
    """The run of that name: the one that is there and has not failed, else a new one.

    Two commands that send the same name at the same time agree on the run that was made first.

    Returns:
        The run, and whether it was there.

    Raises:
        AlreadyExists: The one that is there has other arguments.
    """
    made: list[str] = []

    def create(**body: Any) -> Any:
        run = server.runs.run_service_create_run(**body)
        made.append(run.run_id)
        return run

    run = server.created(
        lambda: adoptable(_runs(server, wanted), wanted),
        create,
        run=kfp_server_api.V2beta1Run(
            display_name=wanted.name,
            description=wanted.description(),
            experiment_id=wanted.experiment_id,
            pipeline_version_reference=wanted.pipeline.reference(),
            runtime_config=wanted.runtime(),
            service_account=wanted.service_account or None,
        ),
    )
    if run.run_id not in made:
        return run, True
    first = adoptable(_runs(server, wanted), wanted)
    if first is None or first.run_id == run.run_id:
        return run, False
    server.call(server.runs.run_service_delete_run, run.run_id)
    return first, True


def adoptable(runs: Sequence[Any], wanted: Wanted) -> Any | None:
    """The run that stands for the name: the oldest at work, else the newest that succeeded.

    Archived runs, and those that failed or were canceled, stand for nothing: what they made is
    found by a new one.

    Raises:
        AlreadyExists: It has other arguments.
    """
    kept = [run for run in runs if run.storage_state != "ARCHIVED"]
    kept.sort(key=lambda run: (str(run.created_at), str(run.run_id)))
    at_work = [run for run in kept if run.state not in ENDED]
    done = [run for run in kept if run.state == SUCCEEDED]
    run = at_work[0] if at_work else (done[-1] if done else None)
    if run is not None and described_digest(run.description) != wanted.digest:
        raise AlreadyExists(
            f"the server has a run {wanted.name} with other arguments; choose another --run-name, "
            f"or archive that run"
        )
    return run


def _runs(server: KfpServer, wanted: Wanted) -> list[Any]:
    answer = server.call(
        server.runs.run_service_list_runs,
        experiment_id=wanted.experiment_id,
        filter=named(wanted.name),
        sort_by="created_at desc",
        page_size=_PAGE,
    )
    return list(answer.runs or [])


def _first(found: Sequence[Any] | None) -> Any | None:
    return found[0] if found else None
