"""An upgrade on a pool of one GPU: with the chart's way it ends, with a surge it never does."""

from collections.abc import Iterator

import pytest

from tests.charts.rendering import CHART
from tests.rig.cluster import Cluster
from tests.rig.releases import Release, namespace

OTHER = "--set=services.generation.config.drain_seconds"


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """The profile for one GPU, on the node that has one."""
    chart = f"--values={CHART / 'values-single-gpu.yaml'}"
    pool = "--set=pools.gpu.nodeSelector.node-pool=single"
    with namespace(cluster, "one-gpu", chart, pool) as made:
        made.helm("install")
        yield made


def test_the_pod_is_on_the_only_gpu_and_no_second_one_fits(release: Release) -> None:
    (pod,) = release.pods("generation")
    assert pod["spec"]["nodeName"] == "single-0"
    assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_an_upgrade_gives_the_gpu_to_the_new_pod(release: Release) -> None:
    (before,) = release.pods("generation")
    release.helm("upgrade", f"{OTHER}=61")
    (after,) = release.pods("generation")
    assert after["metadata"]["name"] != before["metadata"]["name"]
    assert after["spec"]["nodeName"] == "single-0"


def test_with_a_surge_the_new_pod_waits_for_a_gpu_for_ever(release: Release) -> None:
    """What the rule `no_surge_without_a_spare_gpu` is for."""
    with pytest.raises(RuntimeError, match=r"deadline exceeded"):
        release.helm("upgrade", f"{OTHER}=62", "--set=pools.gpu.surge=1", timeout="15s")
    waiting = [pod for pod in release.pods("generation") if pod["status"]["phase"] == "Pending"]
    (condition,) = waiting[0]["status"]["conditions"]
    assert "Insufficient nvidia.com/gpu" in condition["message"]
    # And the old one goes on.
    assert len(release.pods("generation")) == 2
    release.helm("rollback")
    assert len(release.pods("generation")) == 1
