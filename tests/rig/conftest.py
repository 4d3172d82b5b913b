"""One cluster for all tests of this folder, as a managed cluster with everything installed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.cluster import Cluster, home
from tests.rig.crds import install_crds
from tests.rig.nodes import Pool, gpu_pool
from tests.rig.volumes import add_volumes

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)


def remove_leftovers() -> None:
    """Ends clusters of tests that were killed."""
    for folder in (home() / "clusters").glob("tests-*"):
        if not Path(f"/proc/{folder.name.removeprefix('tests-')}").exists():
            Cluster(folder.name).down()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Three nodes, two with eight GPUs, one with a single GPU; every API that the chart can use."""
    single = gpu_pool(1, gpus=1)
    single.name = "single"
    remove_leftovers()
    # A name of its own: other tests may run beside these.
    with Cluster(f"tests-{os.getpid()}", pools=[Pool("cpu", 3), gpu_pool(2), single]) as started:
        install_crds(started)
        add_volumes(started, 40)
        yield started
