"""What a release is made of, before and beside its services."""

import re

import pytest

from synthvlm.local.words import RUN
from tests.charts.objects import (
    hook_of,
    named,
    of_kind,
    template,
    templates,
)
from tests.charts.rendering import (
    APIS,
    CHART,
    EVERYTHING,
    OPTIONS,
    PROFILES,
    RefusedError,
    Values,
    configuration,
    helm,
    render,
)

ALL = configuration("everything")


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_deploys_the_services_of_a_run(profile: str) -> None:
    deployed = of_kind(configuration(profile), "Deployment")
    assert {entry["metadata"]["name"] for entry in deployed} == {f"synthvlm-{w}" for w in RUN}


def test_the_volume_outlives_the_release() -> None:
    (claim,) = of_kind(configuration("mini"), "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_schema_is_migrated_before_new_pods_start() -> None:
    hook = named(ALL, "Job", "synthvlm-migration")
    assert hook_of(hook) == "pre-install,pre-upgrade"
    assert "before-hook-creation" in hook["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
    pod = template(ALL, "migration")
    assert pod.container["command"][:5] == [
        "python3", "-m", "synthvlm.dataset.migrate", "--database",
        "postgresql://synthvlm@postgresql:5432/synthvlm",
    ]  # fmt: skip
    # The class is one of the release's, which does not exist yet.
    assert "priorityClassName" not in pod.spec
    dataset = template(ALL, "dataset")
    assert pod.container["image"] == dataset.container["image"]
    assert all("migration" not in e["metadata"]["name"] for e in configuration("mini"))


def test_a_store_in_files_needs_its_volume() -> None:
    with pytest.raises(RefusedError, match=r"store\.uri: a store in files needs"):
        render({"store.claim.enabled": False})


@pytest.mark.parametrize("api", [api for api in APIS if not api.endswith("GRPCRoute")])
def test_objects_of_an_absent_api_are_refused(api: str) -> None:
    served = tuple(one for one in APIS if one != api)
    kind = "PyTorchJob" if api.endswith("PyTorchJob") else "TrainJob"
    values: Values = {**EVERYTHING, "training": {**EVERYTHING["training"], "kind": kind}}
    if api.endswith("PodDefault"):
        values = OPTIONS["service-accounts"]
    with pytest.raises(RefusedError, match=f"the cluster does not serve {re.escape(api)}: install"):
        render(values, apis=served)


@pytest.mark.parametrize("profile", ["mini", "single-gpu"])
def test_the_small_profiles_need_nothing_installed(profile: str) -> None:
    assert render(profile=profile, apis=()) == list(configuration(profile))


def test_jobs_go_through_the_queue() -> None:
    jobs = [e for e in of_kind(ALL, "Job") if "engines" in e["metadata"]["name"]]
    assert len({job["metadata"]["name"] for job in jobs}) == 2
    for job in jobs:
        assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "synthvlm-batch"
        # Kueue owns the field: a value of ours would suspend the Job again at each upgrade.
        assert "suspend" not in job["spec"]
    (queue,) = of_kind(ALL, "LocalQueue")
    (cluster,) = of_kind(ALL, "ClusterQueue")
    (flavor,) = of_kind(ALL, "ResourceFlavor")
    assert queue["metadata"]["name"] == "synthvlm-batch"
    assert queue["spec"]["clusterQueue"] == cluster["metadata"]["name"]
    (group,) = cluster["spec"]["resourceGroups"]
    assert group["flavors"][0]["name"] == flavor["metadata"]["name"]
    assert group["coveredResources"] == [r["name"] for r in group["flavors"][0]["resources"]]


def test_an_engine_job_is_made_anew_when_what_it_builds_changes() -> None:
    values = {"engines": {"enabled": True, "products": ["NVIDIA-L4"]}}
    (one,) = of_kind(render(values), "Job")
    (same,) = of_kind(render({**values, "services.caption.replicas": 2}), "Job")
    assert one["metadata"]["name"] == same["metadata"]["name"]
    with pytest.raises(RefusedError, match=r"engines\.products: name the GPU products"):
        render({"engines.enabled": True})
    # A Job's pod cannot be changed: whatever is in it has to be in the name.
    for change in ({"services.generation.config.batch_size": 8}, {"engines.scratch": "9Gi"}):
        (other,) = of_kind(render({**values, **change}), "Job")
        assert one["metadata"]["name"] != other["metadata"]["name"]


def test_a_training_runtime_survives_the_loss_of_a_node() -> None:
    runtime = named(ALL, "ClusterTrainingRuntime", "synthvlm-node")["spec"]
    assert runtime["template"]["spec"]["failurePolicy"] == {"maxRestarts": 3}
    (job,) = runtime["template"]["spec"]["replicatedJobs"]
    (rule,) = job["template"]["spec"]["podFailurePolicy"]["rules"]
    assert rule["action"] == "Ignore"
    (pod,) = templates([named(ALL, "ClusterTrainingRuntime", "synthvlm-node")])
    assert pod.container["resources"]["limits"]["nvidia.com/gpu"] == 8
    assert pod.container["name"] == "node"


def test_web_pages_by_ingress_or_gateway() -> None:
    (ingress,) = of_kind(configuration("ingress"), "Ingress")
    hosts = ["review.synthvlm.example.com"]
    assert [rule["host"] for rule in ingress["spec"]["rules"]] == hosts
    assert ingress["spec"]["tls"] == [{"secretName": "the-page", "hosts": hosts}]
    (route,) = of_kind(configuration("web-by-gateway"), "HTTPRoute")
    assert route["spec"]["hostnames"] == hosts
    assert of_kind(configuration("web-by-gateway"), "GRPCRoute") == []


def test_long_calls_pass_an_envoy_gateway() -> None:
    for entry in of_kind(ALL, "BackendTrafficPolicy"):
        assert entry["spec"]["timeout"]["http"]["requestTimeout"] == "2h"
        (target,) = entry["spec"]["targetRefs"]
        assert named(ALL, target["kind"], target["name"])


def test_the_notes_tell_the_next_command() -> None:
    text = helm("install", "images", str(CHART), "--dry-run=client", "--namespace", "team")
    notes = text.partition("NOTES:")[2]
    assert "helm test images --namespace team" in notes
    assert "images-synthvlm-pipelines" in notes
