"""Probes, rollouts, balancing and scaling."""

import pytest

from synthvlm.local.words import RUN
from tests.charts.objects import Object, deployment, named, of_kind, settings, template, templates
from tests.charts.rendering import (
    RefusedError,
    configuration,
    render,
)
from tests.contracts.words import SERVICES

ALL = configuration("everything")


@pytest.mark.parametrize("name", [*SERVICES, "triton"])
def test_probes_are_of_grpc_and_give_models_time_to_load(name: str) -> None:
    container = template(ALL, name).container
    startup, ready, live = (container[f"{p}Probe"] for p in ("startup", "readiness", "liveness"))
    if name == "triton":
        # Behind TLS, which the kubelet does not speak; it has its models when this port is open.
        assert {p["httpGet"]["port"] for p in (startup, ready, live)} == {"metrics"}
        plain = template(configuration("plain-triton"), name).container
        assert plain["startupProbe"]["grpc"] == {"port": 8001}
    else:
        assert {probe["grpc"]["port"] for probe in (startup, ready, live)} == {50052}
    budget = {"caption": 120, "dataset": 120, "review": 120, "triton": 900}.get(name, 600)
    assert startup["periodSeconds"] * startup["failureThreshold"] >= budget
    # A service that is busy for a moment is not restarted for it.
    assert live["periodSeconds"] * live["failureThreshold"] >= 60
    assert ready["periodSeconds"] <= 5


def test_everything_that_serves_is_probed() -> None:
    for entry in of_kind(ALL, "Deployment", "StatefulSet"):
        (pod,) = templates([entry])
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= pod.container.keys()


@pytest.mark.parametrize("place", ["services.generation", "triton"])
def test_a_start_may_wait_for_engines(place: str) -> None:
    wait = {f"{place}.config.tensorrt.wait_seconds": 3600}
    with pytest.raises(RefusedError, match=f"{place}.startupSeconds: a pod that waits 3600"):
        render(wait)
    assert render({**wait, f"{place}.startupSeconds": 4200})


def test_a_rollout_is_given_longer_than_a_start() -> None:
    for entry in of_kind(ALL, "Deployment"):
        (pod,) = templates([entry])
        startup = pod.container["startupProbe"]
        budget = startup["periodSeconds"] * startup["failureThreshold"]
        assert entry["spec"]["progressDeadlineSeconds"] > budget


def test_the_grace_period_follows_the_drain() -> None:
    assert settings(ALL, "generation")["drain_seconds"] == 90
    assert template(ALL, "generation").spec["terminationGracePeriodSeconds"] == 90 + 5 + 15
    assert template(ALL, "caption").spec["terminationGracePeriodSeconds"] == 30 + 5 + 15


def test_a_change_of_settings_restarts_the_pods_it_concerns() -> None:
    def checksum(entry: Object) -> str:
        found: str = entry["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]
        return found

    changed = render({"services.generation.config.steps": 7})
    plain = configuration("mini")
    same = {
        name: checksum(deployment(changed, name)) == checksum(deployment(plain, name))
        for name in RUN
    }
    assert same == {word: word != "generation" for word in RUN}


@pytest.mark.parametrize(("surge", "unavailable"), [(0, 1), (1, 0)])
def test_a_gpu_pool_surges_only_when_it_is_told_of_a_spare_gpu(
    surge: int, unavailable: int
) -> None:
    values = {"services.generation.pool": "gpu"}
    objects = render(values | ({"pools.gpu.surge": surge} if surge else {}))
    rolling = deployment(objects, "generation")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": surge, "maxUnavailable": unavailable}


def test_sqlite_has_one_writer() -> None:
    rolling = deployment(configuration("mini"), "dataset")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 0, "maxUnavailable": 1}
    for change in ({"replicas": 2}, {"autoscaling": {"kind": "hpa"}}):
        with pytest.raises(RefusedError, match="SQLite serves one replica"):
            render({"services.dataset": change})


@pytest.mark.parametrize("name", [*SERVICES, "triton"])
def test_callers_see_every_replica(name: str) -> None:
    assert named(ALL, "Service", f"synthvlm-{name}")["spec"]["clusterIP"] == "None"


def test_callers_connect_anew_from_time_to_time_and_so_learn_of_new_replicas() -> None:
    for name in SERVICES:
        assert settings(ALL, name)["max_connection_age_seconds"] == 300
    changed = render({"services.caption.config.max_connection_age_seconds": 60})
    assert settings(changed, "caption")["max_connection_age_seconds"] == 60


def test_every_triton_server_is_addressed_by_its_own_name() -> None:
    servers = named(ALL, "StatefulSet", "synthvlm-triton")["spec"]
    host = f"{servers['serviceName']}.images.svc:8001"
    expected = [f"synthvlm-triton-{i}.{host}" for i in range(servers["replicas"])]
    assert settings(ALL, "generation")["triton"]["endpoints"] == expected
    assert settings(ALL, "generation")["engine"] == "triton"


def test_keda_scales_by_the_time_in_the_queue() -> None:
    (scaled,) = of_kind(ALL, "ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["metadata"]["serverAddress"] == "http://prometheus:9090"
    assert trigger["metadata"]["threshold"] == "30"
    assert trigger["metricType"] == "Value"
    query = trigger["metadata"]["query"]
    for metric in ("queue_seconds_sum", "queue_seconds_count", "queued"):
        assert f"synthvlm_generation_{metric}{{" in query
    # Item calls, which wait for milliseconds, do not hide the wait of shard calls.
    assert query.startswith("max(sum by (kind)")
    assert 'namespace="images"' in query
    with pytest.raises(RefusedError, match=r"give monitoring\.prometheusAddress"):
        render({"services.caption.autoscaling.kind": "keda"})


def test_hpa_scales_by_cpu() -> None:
    scalers = of_kind(ALL, "HorizontalPodAutoscaler")
    assert [entry["spec"]["scaleTargetRef"]["name"] for entry in scalers] == ["synthvlm-caption"]
    assert (scalers[0]["spec"]["minReplicas"], scalers[0]["spec"]["maxReplicas"]) == (1, 4)
