"""PyTorchJobs of Kubeflow Trainer 1, the training operator."""

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
from synthvlm.cluster.trainer_settings import PYTORCH_CONTAINER


class PyTorchJobForm:
    """A job as Trainer 1 takes it: whole pods, of a master and its workers."""

    kind = "PyTorchJob"
    group_version = "kubeflow.org/v1"
    plural = "pytorchjobs"
    container = PYTORCH_CONTAINER

    def manifest(self, job: TrainerJob) -> dict[str, Any]:
        """The object.

        Raises:
            InvalidInput: Its pods have a field that the API does not know, or a wrong value.
        """
        from kubeflow_trainer_api.models.io_k8s_api_core_v1_pod_template_spec import (
            IoK8sApiCoreV1PodTemplateSpec,
        )

        settings = job.settings
        template = checked(
            self._template(job), IoK8sApiCoreV1PodTemplateSpec, "spec.pytorchReplicaSpecs.Master",
            "template",
        )  # fmt: skip
        nodes = job.shape.nodes or 1
        counts = {"Master": 1, "Worker": nodes - 1}
        policy: dict[str, Any] = {
            # Their logs tell how it went.
            "cleanPodPolicy": "Running",
            "backoffLimit": settings.restarts,
        }
        if settings.deadline_seconds is not None:
            policy["activeDeadlineSeconds"] = settings.deadline_seconds
        return with_digest(
            {
                "apiVersion": self.group_version,
                "kind": self.kind,
                "metadata": job.metadata(),
                "spec": {
                    "nprocPerNode": str(job.shape.processes_per_node or "auto"),
                    "runPolicy": policy,
                    "pytorchReplicaSpecs": {
                        # A pod that fails, or is taken away, is made again.
                        role: {"replicas": n, "restartPolicy": "OnFailure", "template": template}
                        for role, n in counts.items()
                        if n
                    },
                },
            }
        )

    def _template(self, job: TrainerJob) -> dict[str, Any]:
        containers = [
            self._container(job, one) if one["name"] == self.container else one
            for one in job.shape.pod["containers"]
        ]
        # Trainer decides about restarts.
        pod = {key: value for key, value in job.shape.pod.items() if key != "restartPolicy"}
        pod |= {
            "containers": containers,
            "terminationGracePeriodSeconds": job.settings.grace_seconds,
        }
        return {"metadata": {"labels": job.pod_labels()}, "spec": pod}

    def _container(self, job: TrainerJob, given: Mapping[str, Any]) -> dict[str, Any]:
        own = job.environment()
        names = {one["name"] for one in own}
        others = [one for one in given.get("env", []) if one["name"] not in names]
        made = {**given, "command": list(job.command), "env": [*others, *own]}
        made.pop("args", None)
        if job.shape.image is not None:
            made["image"] = job.shape.image
        if job.shape.resources is not None:
            made["resources"] = job.shape.resources.model_dump(exclude_defaults=True)
        return made

    def status(self, found: Mapping[str, Any]) -> JobStatus:
        """Where a PyTorchJob stands."""
        holding = conditions(found)
        if "Succeeded" in holding:
            return JobStatus(Phase.COMPLETE)
        if "Failed" in holding:
            return JobStatus(Phase.FAILED, because(holding["Failed"]))
        if "Suspended" in holding or found["spec"].get("runPolicy", {}).get("suspend"):
            return JobStatus(Phase.WAITING, because(holding.get("Suspended", {})))
        return JobStatus(Phase.RUNNING)

    def pod_selector(self, name: str) -> str:
        """Label selector of the pods."""
        return f"training.kubeflow.org/job-name={name}"

    def is_first(self, pod: Mapping[str, Any]) -> bool:
        """Whether it is the master's pod."""
        labels = pod["metadata"].get("labels") or {}
        return bool(labels.get("training.kubeflow.org/replica-type") == "master")
