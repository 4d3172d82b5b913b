"""Settings that take effect when a pipeline is compiled, not when it runs."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from synthvlm import __version__
from synthvlm.cluster.trainer_settings import TrainerSettings
from synthvlm.errors import FieldViolation, InvalidInput
from synthvlm.profiles import load_profile

IMAGE = f"synthvlm/pipelines:{__version__}"
"""Image of every step that no setting names another for."""

Job = Literal["training", "evaluation"]
"""What a step may run itself, in an image that has PyTorch."""

JOB_IMAGES: dict[Job, str] = {
    "training": f"synthvlm/training:{__version__}",
    "evaluation": f"synthvlm/evaluation:{__version__}",
}
"""Images of the steps that run jobs, which no setting names others for."""

Role = Literal["default", "generation", "scoring", "training", "evaluation"]
"""What the nodes of a step are for; all other steps are ``default``."""

ROLES: dict[str, Role] = {
    "generate": "generation",
    "score": "scoring",
    "train": "training",
    "evaluate": "evaluation",
}
"""The role of a step's nodes, by stage."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Toleration(_Part):
    """A taint that pods may be placed in spite of, as in Kubernetes."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["", "NoExecute", "NoSchedule", "PreferNoSchedule"] = ""
    toleration_seconds: int | None = Field(default=None, alias="tolerationSeconds")


class NodePool(_Part):
    """Where the pods of a role run, and with what."""

    node_selector: dict[str, str] = {}
    """Labels that the nodes have."""
    tolerations: list[Toleration] = []
    """Taints of the nodes that are tolerated."""
    cpu_request: str = "100m"
    """CPUs that a pod is promised. A step waits for a service, so it needs few."""
    cpu_limit: str = ""
    """CPUs that a pod may use; empty: no limit."""
    memory_request: str = "512Mi"
    """Memory that a pod is promised."""
    memory_limit: str = "1Gi"
    """Memory above which a pod is killed; empty: no limit."""
    gpus: int = Field(default=0, ge=0)
    """GPUs of a pod: for jobs that run in the step itself. Services have their own."""
    gpu_resource: str = "nvidia.com/gpu"
    """Resource that stands for a GPU or a part of one."""
    image: str = ""
    """Image of the role's steps; empty: the image of every step."""
    labels: dict[str, str] = {}
    """Labels of the pods."""
    queue: str = ""
    """Kueue's LocalQueue that admits the pods; empty: none."""
    priority: str = ""
    """Kueue's WorkloadPriorityClass of the pods; empty: none. Steps have no PriorityClass: KFP
    cannot give them one."""
    timeout_seconds: int | None = Field(default=None, ge=1)
    """Longest time of one attempt of a step; None: that of every step."""


class PipelineSettings(BaseSettings):
    """Compile-time settings: a profile's section ``pipelines``.

    Environment variables come before it, such as ``SYNTHVLM_PIPELINES_IMAGE``, or
    ``SYNTHVLM_PIPELINES_NODES`` as JSON; the chart's ConfigMap holds those of a release.
    """

    model_config = SettingsConfigDict(
        env_prefix="SYNTHVLM_PIPELINES_",
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )

    image: str = Field(default=IMAGE, min_length=1)
    """Container image of every step; it must hold this package of the same version."""
    job_images: dict[Job, str] = JOB_IMAGES
    """Images of the steps that train and evaluate, unless Trainer does that or their nodes name
    another."""
    parallelism: int = Field(default=10, ge=1, le=1000)
    """Shards, or arms of an ablation, that are worked on at a time."""
    most_shards: int = Field(default=70, ge=0)
    """Shards that a run may have; 0: any number. With more, the results that the selection gets
    are too long for an argument, and the Workflow too large (``workflow_size.py``)."""
    retries: int = Field(default=2, ge=0, le=20)
    """Further attempts of a step that failed. KFP ignores them inside its loops; the clients try
    again what a service refused for a while."""
    retry_seconds: int = Field(default=30, ge=1)
    """Pause before the first of them; each further one is twice as long, up to an hour."""
    timeout_seconds: int = Field(default=86_400, ge=1)
    """Longest time of one attempt of a step, the wait for a node included."""
    nodes: dict[Role, NodePool] = {}
    """Where steps run, by role; a role that is not named takes ``default``."""
    environment: dict[str, str] = {}
    """Environment variables of every step: where its credentials are, how its store is reached."""
    secret_files: dict[str, str] = {}
    """Secrets that every step has as files: the folder, by the Secret's name."""
    secret_environment: dict[str, list[str]] = {}
    """Secrets that every step has as environment variables: their keys, by the Secret's name."""
    trainer: TrainerSettings | None = None
    """How Kubeflow Trainer runs trainings and evaluations; None: they run in their steps."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, then the profile."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    def pool(self, stage: str) -> NodePool:
        """The nodes of a stage's steps."""
        role = ROLES.get(stage, "default")
        default = self.nodes.get("default", NodePool())
        pool = self.nodes.get(role, default)
        if self.trainer is not None and getattr(self.trainer, role, None) is not None:
            # The step only waits for its job: it must not hold the GPUs that the job waits for.
            return default.model_copy(update={"timeout_seconds": pool.timeout_seconds})
        for job, image in self.job_images.items():
            if job == role and not pool.image:
                return pool.model_copy(update={"image": image})
        return pool


def pipeline_settings(profile: str | None = None) -> PipelineSettings:
    """The settings of a profile, and of the environment.

    Args:
        profile: A shipped profile's name, or a file; None: the environment's alone.

    Raises:
        InvalidInput: There is no such profile, or a setting is wrong; the message names it.
    """
    section: dict[str, Any] = {} if profile is None else load_profile(profile).section("pipelines")
    try:
        return PipelineSettings(**section)
    except ValidationError as error:
        violations = [
            FieldViolation(".".join(("pipelines", *map(str, entry["loc"]))), entry["msg"])
            for entry in error.errors(include_url=False)
        ]
        told = "; ".join(f"{one.field}: {one.description}" for one in violations)
        raise InvalidInput(
            f"the settings of the pipelines are wrong: {told}", violations
        ) from error
