"""Habits of workloads on Kubernetes, each with its test; rules.py has what holds of all objects."""

import re
from typing import Any

import pytest
import yaml

from tests.charts.objects import Object, find, hook_of, named, of_kind, template, templates
from tests.charts.rendering import (
    APIS,
    CHART,
    CONFIGURATIONS,
    EVERYTHING,
    PROFILES,
    RefusedError,
    configuration,
    helm,
    render,
)
from tests.contracts.words import SERVICES

ALL = configuration("everything")


def deployment(name: str, objects: Any = ALL) -> Object:
    return named(objects, "Deployment", f"synthvlm-{name}")


def settings(name: str, objects: Any = ALL) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(
        named(objects, "ConfigMap", f"synthvlm-{name}")["data"]["settings.yaml"]
    )
    return content


def policy(name: str, objects: Any = ALL) -> dict[str, Any]:
    spec: dict[str, Any] = named(objects, "NetworkPolicy", f"synthvlm-{name}")["spec"]
    return spec


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_deploys_every_service(profile: str) -> None:
    deployed = of_kind(configuration(profile), "Deployment")
    assert {entry["metadata"]["name"] for entry in deployed} == {f"synthvlm-{w}" for w in SERVICES}


# Probes and rollouts


@pytest.mark.parametrize("name", [*SERVICES, "triton"])
def test_probes_are_of_grpc_and_give_models_time_to_load(name: str) -> None:
    container = template(ALL, name).container
    startup, ready, live = (container[f"{p}Probe"] for p in ("startup", "readiness", "liveness"))
    port = {probe["grpc"]["port"] for probe in (startup, ready, live)}
    assert port == ({8001} if name == "triton" else {50052})
    budget = {"caption": 120, "dataset": 120, "triton": 900}.get(name, 600)
    assert startup["periodSeconds"] * startup["failureThreshold"] >= budget
    # A service that is busy for a moment is not restarted for it.
    assert live["periodSeconds"] * live["failureThreshold"] >= 60
    assert ready["periodSeconds"] <= 5


def test_a_rollout_is_given_longer_than_a_start() -> None:
    for entry in of_kind(ALL, "Deployment"):
        (pod,) = templates([entry])
        startup = pod.container["startupProbe"]
        budget = startup["periodSeconds"] * startup["failureThreshold"]
        assert entry["spec"]["progressDeadlineSeconds"] > budget


def test_the_grace_period_follows_the_drain() -> None:
    assert settings("generation")["drain_seconds"] == 90
    assert template(ALL, "generation").spec["terminationGracePeriodSeconds"] == 90 + 5 + 15
    assert template(ALL, "caption").spec["terminationGracePeriodSeconds"] == 30 + 5 + 15


def test_a_change_of_settings_restarts_the_pods_it_concerns() -> None:
    def checksum(entry: Object) -> str:
        found: str = entry["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]
        return found

    changed = render({"services.generation.config.steps": 7})
    plain = configuration("mini")
    same = {
        name: checksum(deployment(name, changed)) == checksum(deployment(name, plain))
        for name in SERVICES
    }
    assert same == {word: word != "generation" for word in SERVICES}


@pytest.mark.parametrize(("surge", "unavailable"), [(0, 1), (1, 0)])
def test_a_gpu_pool_surges_only_when_it_is_told_of_a_spare_gpu(
    surge: int, unavailable: int
) -> None:
    values = {"services.generation.pool": "gpu"}
    objects = render(values | ({"pools.gpu.surge": surge} if surge else {}))
    rolling = deployment("generation", objects)["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": surge, "maxUnavailable": unavailable}


def test_sqlite_has_one_writer() -> None:
    rolling = deployment("dataset", configuration("mini"))["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 0, "maxUnavailable": 1}
    for change in ({"replicas": 2}, {"autoscaling": {"kind": "hpa"}}):
        with pytest.raises(RefusedError, match="SQLite serves one replica"):
            render({"services.dataset": change})


# Balancing and scaling


@pytest.mark.parametrize("name", [*SERVICES, "triton"])
def test_callers_see_every_replica(name: str) -> None:
    assert named(ALL, "Service", f"synthvlm-{name}")["spec"]["clusterIP"] == "None"


def test_every_triton_server_is_addressed_by_its_own_name() -> None:
    servers = named(ALL, "StatefulSet", "synthvlm-triton")["spec"]
    host = f"{servers['serviceName']}.images.svc:8001"
    expected = [f"synthvlm-triton-{i}.{host}" for i in range(servers["replicas"])]
    assert settings("generation")["triton_endpoints"] == expected
    assert settings("generation")["engine"] == "triton"


def test_keda_scales_by_the_time_in_the_queue() -> None:
    (scaled,) = of_kind(ALL, "ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["metadata"]["serverAddress"] == "http://prometheus:9090"
    assert trigger["metadata"]["threshold"] == "30"
    assert trigger["metricType"] == "Value"
    query = trigger["metadata"]["query"]
    assert "synthvlm_generation_queued" in query
    assert 'namespace="images"' in query
    with pytest.raises(RefusedError, match=r"give monitoring\.prometheusAddress"):
        render({"services.caption.autoscaling.kind": "keda"})


def test_hpa_scales_by_cpu() -> None:
    scalers = of_kind(ALL, "HorizontalPodAutoscaler")
    assert [entry["spec"]["scaleTargetRef"]["name"] for entry in scalers] == ["synthvlm-caption"]
    assert (scalers[0]["spec"]["minReplicas"], scalers[0]["spec"]["maxReplicas"]) == (1, 4)


# Nodes and GPUs


def test_a_gpu_pool_gives_the_gpu_and_tolerates_its_taint() -> None:
    pod = template(ALL, "triton")
    assert pod.container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in (
        pod.spec["tolerations"]
    )
    assert "runtimeClassName" not in pod.spec
    assert "nvidia.com/gpu" not in template(ALL, "generation").container["resources"]["limits"]


def test_a_pool_may_be_a_part_of_a_gpu() -> None:
    pod = template(configuration("part-of-a-gpu"), "generation")
    assert pod.container["resources"]["limits"]["nvidia.com/mig-1g.10gb"] == 1
    assert pod.spec["nodeSelector"] == {"pool": "mig"}
    assert pod.spec["runtimeClassName"] == "nvidia"


def test_a_pool_may_claim_devices() -> None:
    pod = template(configuration("claims-of-devices"), "generation")
    claim = {"name": "gpu", "resourceClaimTemplateName": "the-claims"}
    assert pod.spec["resourceClaims"] == [claim]
    assert pod.container["resources"]["claims"] == [{"name": "gpu"}]
    assert "nvidia.com/gpu" not in pod.container["resources"]["limits"]


def test_a_pool_that_is_not_there_is_refused() -> None:
    with pytest.raises(RefusedError, match='pool "tpu" of caption is not one of `pools`'):
        render({"services.caption.pool": "tpu"})


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("everything", {"persistentVolumeClaim": {"claimName": "the-weights", "readOnly": True}}),
        (
            "weights-image",
            {"image": {"reference": "registry.example.com/sdxl:1", "pullPolicy": "IfNotPresent"}},
        ),
        ("weights-download", {"emptyDir": {"sizeLimit": "40Gi"}}),
    ],
)
def test_weights_come_three_ways(name: str, source: dict[str, Any]) -> None:
    pod = template(configuration(name), "triton" if name == "weights-download" else "alignment"
                   if name == "everything" else "generation")  # fmt: skip
    (volume,) = (entry for entry in pod.spec["volumes"] if entry["name"] == "weights")
    assert volume == {"name": "weights", **source}
    mount = {"name": "weights", "mountPath": "/models", "readOnly": True}
    assert mount in pod.container["volumeMounts"]
    downloads = [one["name"] for one in pod.spec.get("initContainers", [])]
    assert downloads == (["download"] if name == "weights-download" else [])


def test_weights_by_image_need_a_cluster_that_has_them() -> None:
    with pytest.raises(RefusedError, match=r"image volumes need Kubernetes 1\.35"):
        render({"weights": {"source": "image", "image": "a:1"}}, kubernetes="1.34")


def test_shared_memory_is_sized() -> None:
    volumes = template(ALL, "triton").spec["volumes"]
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}} in volumes


def test_replicas_are_spread_over_zones_and_nodes() -> None:
    for entry in of_kind(ALL, "Deployment", "StatefulSet"):
        (pod,) = templates([entry])
        keys = [spread["topologyKey"] for spread in pod.spec["topologySpreadConstraints"]]
        assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]


def test_priority_classes_tell_serving_from_jobs() -> None:
    assert template(ALL, "caption").spec["priorityClassName"] == "synthvlm-serving"
    (first, _) = (pod for pod in templates(ALL) if pod.owner["kind"] == "Job"
                  and "engines" in pod.name)  # fmt: skip
    assert first.spec["priorityClassName"] == "synthvlm-batch"
    values = {e["metadata"]["name"]: e["value"] for e in of_kind(ALL, "PriorityClass")}
    assert values["synthvlm-serving"] > values["synthvlm-batch"]


# Who may talk to whom


def test_everything_is_denied_but_names() -> None:
    spec = policy("default")
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in spec
    (rule,) = spec["egress"]
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {
        ("UDP", 53), ("TCP", 53),
    }  # fmt: skip
    # NodeLocal DNS listens on the node, which no pod selector reaches.
    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in rule["to"]
    for pod in templates(ALL):
        assert spec["podSelector"]["matchLabels"].items() <= pod.labels.items()


def reaches(name: str, objects: Any = ALL) -> set[Any]:
    rules = policy(name, objects).get("egress", [])
    ports = {port["port"] for rule in rules for port in rule["ports"]}
    names = {
        labels["app.kubernetes.io/component"]
        for labels in find(rules, "matchLabels")
        if "app.kubernetes.io/component" in labels
    }
    return ports | names


def test_each_role_reaches_what_it_needs() -> None:
    assert reaches("caption") == {443, 4317, 8000, "judge"}
    assert reaches("generation") == {443, 4317, 8001, "triton"}
    assert reaches("alignment") == {443, 4317}
    assert reaches("dataset") == {443, 4317, 5432}
    assert reaches("migration") == {5432}
    assert reaches("engines") == {443}
    assert reaches("triton") == reaches("judge") == set()
    assert reaches("test") == {50051, "review", *SERVICES}


def test_on_one_machine_nothing_reaches_out() -> None:
    for word in SERVICES:
        assert reaches(word, configuration("mini")) == set()


def test_callers_say_that_they_are_callers() -> None:
    callers = policy("caption", configuration("callers"))["ingress"][0]["from"]
    assert callers == [
        {"podSelector": {"matchLabels": {"synthvlm.io/client": "true"}}},
        {"namespaceSelector": {"matchLabels": {"a": "b"}}},
    ]
    (rule, _) = policy("triton")["ingress"]
    (caller,) = rule["from"]
    assert caller["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "generation"


def test_the_cloud_s_metadata_is_out_of_reach() -> None:
    for block in find(policy("dataset"), "ipBlock"):
        assert "169.254.169.254/32" in block["except"]


def test_each_role_has_an_identity_of_its_own() -> None:
    accounts = {pod.spec["serviceAccountName"] for pod in templates(ALL)}
    roles = {*SERVICES, "review", "triton", "judge", "engines", "training", "migration", "test"}
    assert accounts == {f"synthvlm-{role}" for role in roles}
    for account in of_kind(ALL, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_the_only_right_is_that_of_pipelines_to_submit_training() -> None:
    (role,) = of_kind(ALL, "Role", "ClusterRole")
    assert role["rules"] == [
        {
            "apiGroups": ["trainer.kubeflow.org"],
            "resources": ["trainjobs"],
            "verbs": ["create", "get", "list", "watch", "delete"],
        }
    ]
    for name in CONFIGURATIONS:
        if name != "everything":
            assert of_kind(configuration(name), "Role", "ClusterRole", "RoleBinding") == []


# Certificates and tokens


@pytest.mark.parametrize("word", SERVICES)
def test_a_service_s_certificate_names_the_address_that_callers_use(word: str) -> None:
    addresses = named(ALL, "ConfigMap", "synthvlm-pipelines")["data"]
    host = addresses[f"{word}_address"].removeprefix("dns:///").rpartition(":")[0]
    assert host in named(ALL, "Certificate", f"synthvlm-{word}")["spec"]["dnsNames"]


def test_callers_need_a_certificate_too() -> None:
    assert settings("caption")["tls_client_ca_file"] == "/run/secrets/tls/ca.crt"
    client = named(ALL, "Certificate", "synthvlm-client")["spec"]
    assert client["usages"] == ["client auth"]
    pod = template(ALL, "test-caption")
    secrets = {volume["secretName"] for volume in find(pod.spec["volumes"], "secret")}
    assert secrets == {"synthvlm-client-tls", "the-token"}


def test_a_secret_may_take_the_place_of_cert_manager() -> None:
    objects = configuration("own-secrets")
    assert of_kind(objects, "Certificate") == []
    assert "tls_client_ca_file" not in settings("caption", objects)
    volumes = template(objects, "caption").spec["volumes"]
    assert {s["secretName"] for s in find(volumes, "secret")} == {"the-certificate", "the-token"}
    assert [s["items"] for s in find(volumes, "secret") if "items" in s] == [
        [{"key": "key", "path": "token"}]
    ]
    with pytest.raises(RefusedError, match=r"tls\.enabled: give tls\.issuer\.name"):
        render({"tls.enabled": True})


def test_the_chart_makes_no_secret() -> None:
    for name in CONFIGURATIONS:
        assert of_kind(configuration(name), "Secret") == []


# State


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


# What the cluster has to have


@pytest.mark.parametrize("api", [api for api in APIS if not api.endswith("GRPCRoute")])
def test_objects_of_an_absent_api_are_refused(api: str) -> None:
    served = tuple(one for one in APIS if one != api)
    with pytest.raises(RefusedError, match=f"the cluster does not serve {re.escape(api)}: install"):
        render(EVERYTHING, apis=served)


@pytest.mark.parametrize("profile", ["mini", "single-gpu"])
def test_the_small_profiles_need_nothing_installed(profile: str) -> None:
    assert render(profile=profile, apis=()) == list(configuration(profile))


# Jobs, training, pipelines


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
    (other,) = of_kind(render({**values, "services.generation.config.batch_size": 8}), "Job")
    assert one["metadata"]["name"] == same["metadata"]["name"] != other["metadata"]["name"]


def test_a_training_runtime_survives_the_loss_of_a_node() -> None:
    runtime = named(ALL, "ClusterTrainingRuntime", "synthvlm-node")["spec"]
    assert runtime["template"]["spec"]["failurePolicy"] == {"maxRestarts": 3}
    (job,) = runtime["template"]["spec"]["replicatedJobs"]
    (rule,) = job["template"]["spec"]["podFailurePolicy"]["rules"]
    assert rule["action"] == "Ignore"
    (pod,) = templates([named(ALL, "ClusterTrainingRuntime", "synthvlm-node")])
    assert pod.container["resources"]["limits"]["nvidia.com/gpu"] == 8
    assert pod.container["name"] == "node"


# Web pages


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


# What one reads after the install


def test_the_notes_tell_the_next_command() -> None:
    text = helm("install", "images", str(CHART), "--dry-run=client", "--namespace", "team")
    notes = text.partition("NOTES:")[2]
    assert "helm test images --namespace team" in notes
    assert "images-synthvlm-pipelines" in notes
