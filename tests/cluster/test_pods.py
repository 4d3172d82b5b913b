"""What no pod may do, whatever it runs."""

import kubernetes_validate

from synthvlm.cluster.objects import Job, Metadata
from synthvlm.cluster.pods import Container, Pod, Resources, Volume

CONTAINER = Container(
    name="work",
    image="registry/work:1",
    command=["work"],
    arguments=["--fast"],
    resources=Resources(cpu="1", memory="1Gi", memory_limit="2Gi"),
    volumes=[Volume.scratch("scratch", "/scratch", "1Gi")],
)


def test_a_pod_is_restricted_by_default() -> None:
    spec = Pod(CONTAINER).manifest()
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_pod_without_gpus_asks_for_no_node_that_has_them() -> None:
    spec = Pod(CONTAINER).manifest()
    assert not {"nodeSelector", "tolerations", "serviceAccountName"} & set(spec)
    assert spec["containers"][0]["resources"] == {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"memory": "2Gi"},
    }


def test_a_job_of_such_a_pod_is_valid() -> None:
    job = Job(Metadata("work", "tests"), Pod(CONTAINER))
    assert kubernetes_validate.validate(job.manifest(), "1.35", strict=True)
