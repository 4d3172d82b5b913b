"""The objects of docs/kubeflow.md are valid, and its commands exist."""

import re
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from synthvlm.cli.app import COMMANDS
from synthvlm.submission.target import target_at
from tests.contracts.words import ROOT

TEXT = (ROOT / "docs" / "kubeflow.md").read_text(encoding="utf-8")
KUBERNETES = ("1.33", "1.37")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def workloads() -> Iterator[dict[str, Any]]:
    """The CronJob, and the Job that the Sensor creates."""
    for block in blocks("yaml"):
        for one in yaml.safe_load_all(block):
            if one.get("kind") == "CronJob":
                yield one
            if one.get("kind") == "Sensor":
                yield one["spec"]["triggers"][0]["template"]["k8s"]["source"]["resource"]


@pytest.mark.parametrize("version", KUBERNETES)
def test_its_jobs_are_valid(version: str) -> None:
    found = list(workloads())
    assert [one["kind"] for one in found] == ["CronJob", "Job"]
    for one in found:
        kubernetes_validate.validate(one, version, strict=True)


def test_its_jobs_have_no_privileges() -> None:
    for one in workloads():
        job = one["spec"]["jobTemplate"] if one["kind"] == "CronJob" else one
        pod = job["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        (container,) = pod["containers"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert not container["securityContext"]["allowPrivilegeEscalation"]


def test_its_commands_have_the_options_that_they_are_given() -> None:
    (entry,) = [one for one in COMMANDS if one.name == "submit"]
    known = {option for parameter in entry.load().params for option in parameter.opts}
    lines = [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    commands = [line for line in lines if line.startswith("synthvlm submit")]
    commands += [" ".join(word for word in container(one)) for one in workloads()]
    assert len(commands) >= 7
    for command in commands:
        assert set(re.findall(r"(?<=\s)--[a-z-]+", command)) <= known, command


def container(workload: dict[str, Any]) -> list[str]:
    job = workload["spec"].get("jobTemplate", workload)
    (only,) = job["spec"]["template"]["spec"]["containers"]
    return [*only["command"], *only.get("args", [])]


def test_the_pool_of_spot_nodes_reaches_the_configmap(tmp_path) -> None:
    from tests.charts.rendering import render

    (values,) = [
        one for block in blocks("yaml") for one in yaml.safe_load_all(block) if "pools" in one
    ]
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all(render(values, profile="mini")))
    target = target_at(str(tmp_path / "objects.yaml"))
    assert target.pool("spot").node_selector == {"example.com/spot": "true"}
    assert target.addresses["caption"].endswith(":50051")
