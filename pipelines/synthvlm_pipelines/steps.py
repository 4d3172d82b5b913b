"""The steps of a pipeline: components with what every step gets, and where their pods run."""

from typing import Any

from kfp import kubernetes
from kfp.dsl import PipelineTask

from synthvlm.cluster.trainer_settings import TRAINER_VARIABLE
from synthvlm_pipelines.connection import RUN_ID_VARIABLE
from synthvlm_pipelines.settings import NodePool, PipelineSettings

_RUN_LABEL = "metadata.labels['pipeline/runid']"
"""KFP's label of a run's pods: what tells one execution of a run from another."""

_CLIENT_LABEL = "synthvlm.io/client"
"""The chart's label of pods that may talk to the services."""

_OF_JOBS = ("train", "evaluate", "report")
"""Steps that run jobs at Kubeflow Trainer, or delete them."""

_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
_PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"


class Steps:
    """Makes the steps of one pipeline.

    Args:
        settings: What the pipeline is compiled with.
        cached: Whether KFP may take a step's result from an earlier run. Only where all that
            decides a result is among the arguments, as digests.
        common: Arguments that every step gets.
    """

    def __init__(self, settings: PipelineSettings, cached: bool = True, **common: Any) -> None:
        self.settings = settings
        self._cached = cached
        self._common = common

    def __call__(self, component: Any, **arguments: Any) -> PipelineTask:
        """A step that runs ``component``."""
        task: PipelineTask = component(**arguments, **self._common)
        return placed(task, component.name, self.settings).set_caching_options(self._cached)


def exit_step(component: Any, settings: PipelineSettings, **arguments: Any) -> PipelineTask:
    """The step that runs however the others end; never taken from the cache."""
    task: PipelineTask = component(**arguments)
    return placed(task, component.name, settings).set_caching_options(False)


def placed(task: PipelineTask, stage: str, settings: PipelineSettings) -> PipelineTask:
    """Says where the pod of a step runs, with what, how often it is tried and for how long."""
    pool = settings.pool(stage)
    task.set_container_image(pool.image or settings.image)
    if settings.retries:
        pause = f"{settings.retry_seconds}s"
        task.set_retry(settings.retries, pause, backoff_factor=2.0, backoff_max_duration="3600s")
    kubernetes.set_timeout(task, pool.timeout_seconds or settings.timeout_seconds)
    _give_resources(task, pool)
    for label, value in pool.node_selector.items():
        kubernetes.add_node_selector(task, label, value)
    for one in pool.tolerations:
        kubernetes.add_toleration(
            task,
            one.key or None,
            one.operator,
            one.value or None,
            one.effect or None,
            one.toleration_seconds,
        )
    labels = {_CLIENT_LABEL: "true", _QUEUE_LABEL: pool.queue, _PRIORITY_LABEL: pool.priority}
    for label, value in {**pool.labels, **labels}.items():
        if value:
            kubernetes.add_pod_label(task, label, value)
    _give_environment(task, settings)
    if settings.trainer is not None and stage in _OF_JOBS:
        given = settings.trainer.model_dump_json(exclude_unset=True)
        task.set_env_variable(TRAINER_VARIABLE, given)
    return task


def _give_resources(task: PipelineTask, pool: NodePool) -> None:
    for setter, quantity in (
        (task.set_cpu_request, pool.cpu_request),
        (task.set_cpu_limit, pool.cpu_limit),
        (task.set_memory_request, pool.memory_request),
        (task.set_memory_limit, pool.memory_limit),
    ):
        if quantity:
            setter(quantity)
    if pool.gpus:
        task.set_accelerator_type(pool.gpu_resource).set_accelerator_limit(pool.gpus)


def _give_environment(task: PipelineTask, settings: PipelineSettings) -> None:
    kubernetes.use_field_path_as_env(task, RUN_ID_VARIABLE, _RUN_LABEL)
    for name, value in settings.environment.items():
        task.set_env_variable(name, value)
    for secret, folder in settings.secret_files.items():
        kubernetes.use_secret_as_volume(task, secret, folder)
    for secret, keys in settings.secret_environment.items():
        kubernetes.use_secret_as_env(task, secret, {key: key for key in keys})
