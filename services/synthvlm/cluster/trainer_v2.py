"""TrainJobs of Kubeflow Trainer 2."""

from collections.abc import Mapping
from typing import Any

from synthvlm.cluster.schema import checked
from synthvlm.cluster.trainer_job import (
    JobStatus,
    Phase,
    TrainerJob,
    because,
    conditions,
    with_digest,
)

PATCH_MANAGER = "synthvlm.io/pipelines"
"""Owner of our entry of ``runtimePatches``; Kueue has one of its own."""


class TrainJobForm:
    """A job as Trainer 2 takes it: what differs from a ClusterTrainingRuntime."""

    kind = "TrainJob"
    group_version = "trainer.kubeflow.org/v1alpha1"
    plural = "trainjobs"
    container = "node"  # Trainer gives the addresses of the others to a container of this name only

    def manifest(self, job: TrainerJob) -> dict[str, Any]:
        """The object.

        Raises:
            InvalidInput: It has a field that the API does not know, or a wrong value.
        """
        from kubeflow_trainer_api.models.trainer_v1alpha1_train_job import TrainerV1alpha1TrainJob

        shape, settings = job.shape, job.settings
        # Env can be set here alone: patches may not set it for this container.
        trainer: dict[str, Any] = {"command": list(job.command), "env": job.environment()}
        if shape.image is not None:
            trainer["image"] = shape.image
        if shape.nodes is not None:
            trainer["numNodes"] = shape.nodes
        if shape.processes_per_node is not None:
            trainer["numProcPerNode"] = shape.processes_per_node
        if shape.resources is not None:
            trainer["resourcesPerNode"] = shape.resources.model_dump(exclude_defaults=True)
        pod = {
            "metadata": {"labels": job.pod_labels()},
            "spec": {**shape.pod, "terminationGracePeriodSeconds": settings.grace_seconds},
        }
        node = {"name": self.container, "template": {"spec": {"template": pod}}}
        patch = {"template": {"spec": {"replicatedJobs": [node]}}}
        spec: dict[str, Any] = {
            "runtimeRef": {
                "apiGroup": "trainer.kubeflow.org",
                "kind": "ClusterTrainingRuntime",
                "name": shape.runtime,
            },
            "trainer": trainer,
            "runtimePatches": [{"manager": PATCH_MANAGER, "trainingRuntimeSpec": patch}],
        }
        if settings.deadline_seconds is not None:
            spec["activeDeadlineSeconds"] = settings.deadline_seconds
        manifest = {
            "apiVersion": self.group_version,
            "kind": self.kind,
            "metadata": job.metadata(),
            "spec": spec,
        }
        return checked(with_digest(manifest), TrainerV1alpha1TrainJob)

    def status(self, found: Mapping[str, Any]) -> JobStatus:
        """Where a TrainJob stands."""
        holding = conditions(found)
        if "Complete" in holding:
            return JobStatus(Phase.COMPLETE)
        if "Failed" in holding:
            return JobStatus(Phase.FAILED, because(holding["Failed"]))
        if "Suspended" in holding or found["spec"].get("suspend"):
            return JobStatus(Phase.WAITING, because(holding.get("Suspended", {})))
        return JobStatus(Phase.RUNNING)

    def pod_selector(self, name: str) -> str:
        """Label selector of the pods: JobSet's label, as each TrainJob has one of its name."""
        return f"jobset.sigs.k8s.io/jobset-name={name}"

    def is_first(self, pod: Mapping[str, Any]) -> bool:
        """Whether it is the pod of the first node."""
        labels = pod["metadata"].get("labels") or {}
        index = "batch.kubernetes.io/job-completion-index"
        return labels.get(index, (pod["metadata"].get("annotations") or {}).get(index)) == "0"
