"""How Kubeflow Trainer runs the jobs of a run: settings of the steps, written by the chart."""

import json
import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from synthvlm.errors import FieldViolation, InvalidInput

TRAINER_VARIABLE = "SYNTHVLM_TRAINER"
"""Environment variable of a step with the settings as JSON; unset: jobs run in the step."""

PYTORCH_CONTAINER = "pytorch"
"""The container of a PyTorchJob's pods that Trainer v1 knows by its name."""

_Positive = Annotated[int, Field(ge=1)]
_Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
_Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]
_Quantity = str | int | float


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Resources(_Section):
    """What each node of a job is given, in Kubernetes' quantities."""

    requests: dict[str, _Quantity] = Field(default_factory=dict)
    """What it is guaranteed."""
    limits: dict[str, _Quantity] = Field(default_factory=dict)
    """What it may not exceed; GPUs are limits."""


class JobShape(_Section):
    """How one kind of job is run. What is left out is the runtime's."""

    runtime: _Name | None = None
    """ClusterTrainingRuntime of a TrainJob; a PyTorchJob has none."""
    image: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    """Container image."""
    nodes: _Positive | None = None
    """Pods that work together."""
    processes_per_node: _Positive | None = None
    """Processes in each pod; None: one for each GPU, without GPUs one for each CPU."""
    resources: Resources | None = None
    """Resources of each pod."""
    env: dict[str, str] = Field(default_factory=dict)
    """Further environment variables."""
    labels: dict[str, _Label] = Field(default_factory=dict)
    """Further labels of the pods."""
    pod: dict[str, Any] = Field(default_factory=dict)
    """``spec`` of the pods, in the API's form. Of a TrainJob what a ``runtimePatches`` entry may
    hold (nodeSelector, tolerations, affinity, volumes…); of a PyTorchJob all of it, with a
    container ``pytorch``."""


class TrainerSettings(_Section):
    """What Trainer is asked to run, and how."""

    kind: Literal["TrainJob", "PyTorchJob"] = "TrainJob"
    """TrainJob for Trainer 2.2 or newer, PyTorchJob for Trainer 1."""
    namespace: _Name
    """Namespace of the jobs: that of the release, where their identity and policy are."""
    queue: _Name | None = None
    """LocalQueue of Kueue that jobs wait in; None: they start at once."""
    priority: _Label | None = None
    """WorkloadPriorityClass of Kueue."""
    grace_seconds: Annotated[int, Field(ge=0)] = 120
    """Seconds between SIGTERM and SIGKILL of a pod, in which it stores a checkpoint."""
    deadline_seconds: _Positive | None = None
    """Seconds after which a job is ended and counts as failed; waiting does not count."""
    restarts: Annotated[int, Field(ge=0)] = 3
    """Restarts of a PyTorchJob's pods; those of a TrainJob are the runtime's."""
    poll_seconds: Annotated[float, Field(gt=0, le=600)] = 5.0
    """Seconds between two looks at a job and its log."""
    patience_seconds: Annotated[float, Field(ge=0)] = 600.0
    """Seconds that the API server may be away before a step gives up; its job then goes on."""
    training: JobShape | None = None
    """Trainings; None: they run in the step."""
    evaluation: JobShape | None = None
    """Evaluations, which take one process; None: they run in the step."""

    @model_validator(mode="after")
    def _is_complete(self) -> "TrainerSettings":
        for name in ("training", "evaluation"):
            shape: JobShape | None = getattr(self, name)
            if shape is None:
                continue
            if self.kind == "TrainJob" and shape.runtime is None:
                raise ValueError(f"{name}.runtime: name a ClusterTrainingRuntime")
            if self.kind == "PyTorchJob":
                if shape.runtime is not None:
                    raise ValueError(f"{name}.runtime: Trainer 1 has no runtimes; give pod")
                if PYTORCH_CONTAINER not in _container_names(shape.pod):
                    raise ValueError(f"{name}.pod: give it a container {PYTORCH_CONTAINER}")
        return self


def _container_names(pod: Mapping[str, Any]) -> list[Any]:
    containers = pod.get("containers")
    if not isinstance(containers, list):
        return []
    return [one.get("name") for one in containers if isinstance(one, Mapping)]


def trainer_settings(environment: Mapping[str, str] = os.environ) -> TrainerSettings | None:
    """The settings of this step; None: jobs run in the step itself.

    Raises:
        InvalidInput: They are not valid; each violation names its field.
    """
    text = environment.get(TRAINER_VARIABLE, "")
    if not text.strip():
        return None
    try:
        return TrainerSettings.model_validate(json.loads(text))
    except ValidationError as error:
        violations = [
            FieldViolation(
                ".".join(map(str, problem["loc"])), problem["msg"].removeprefix("Value error, ")
            )
            for problem in error.errors(include_url=False)
        ]
        told = "; ".join(f"{one.field}: {one.description}".removeprefix(": ") for one in violations)
        raise InvalidInput(f"{TRAINER_VARIABLE} is invalid: {told}", violations) from error
    except ValueError as error:
        raise InvalidInput(f"{TRAINER_VARIABLE} is not JSON: {error}") from error
