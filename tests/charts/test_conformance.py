"""Helm, the API of the oldest and the newest version, and checkov accept what is rendered."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.charts.conformance import problem
from tests.charts.rendering import (
    CHART,
    CONFIGURATIONS,
    NEWEST,
    OLDEST,
    PROFILES,
    configuration,
    helm,
    manifests,
    tool,
    values_of,
)

NEWER = {"weights-image"}
"""Configurations that the oldest version does not have."""

SKIPPED = {
    "CKV_K8S_8": "Jobs and tests end by themselves; test_rollouts.py wants probes of all others",
    "CKV_K8S_9": "as CKV_K8S_8",
    "CKV_K8S_11": "a limit of CPU throttles a service that would harm nobody",
    "CKV_K8S_15": "images are pinned by version or digest",
    "CKV_K8S_21": "the namespace is the release's, which helm adds at install",
    "CKV_K8S_35": "the object store's client reads its credentials from the environment",
    "CKV_K8S_43": "digests are known when images are pushed: values have a place for them",
}


@pytest.mark.parametrize("profile", PROFILES)
def test_helm_has_nothing_to_say(profile: str) -> None:
    values = str(CHART / f"values-{profile}.yaml")
    helm("lint", "--strict", "--quiet", str(CHART), "--values", values)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_newest_version_takes_all_objects(name: str) -> None:
    assert [text for entry in configuration(name) if (text := problem(entry, NEWEST))] == []


@pytest.mark.parametrize("name", [name for name in CONFIGURATIONS if name not in NEWER])
def test_the_oldest_version_takes_all_objects(name: str) -> None:
    objects = configuration(name, OLDEST)
    assert [text for entry in objects if (text := problem(entry, OLDEST))] == []


def test_the_chart_says_which_versions_it_is_for() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["kubeVersion"] == f">={OLDEST}.0-0"


def test_checkov_finds_nothing(tmp_path: Path) -> None:
    for name in (*PROFILES, "everything"):
        text = manifests(profile=name) if name in PROFILES else manifests(values_of(name))
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [
            tool("checkov"), "--directory", str(tmp_path), "--framework", "kubernetes",
            "--skip-download", "--compact", "--quiet", "--skip-check", ",".join(SKIPPED),
        ],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
