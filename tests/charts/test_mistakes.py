"""Mistakes that were made on purpose, and the check that catches each: docs/operate/checks.md."""

import copy
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charts import derive
from tests.charts.conformance import problem
from tests.charts.objects import Object, named, of_kind, template
from tests.charts.rendering import (
    APIS,
    CHART,
    NEWEST,
    RefusedError,
    configuration,
    manifests,
    render,
)
from tests.charts.rules import (
    Rule,
    drains_go_on,
    no_surge_without_a_spare_gpu,
    nothing_twice,
    one_decides_replicas,
    ports_exist,
    references_exist,
    selectors_match,
)
from tests.contracts.words import ROOT

CHECKS = ROOT / "docs" / "operate" / "checks.md"

Objects = list[Object]


def changed(change: Callable[[Objects], Any], name: str = "mini") -> Objects:
    """The objects of a configuration with a mistake in them."""
    objects = copy.deepcopy(list(configuration(name)))
    change(objects)
    return objects


def refused(message: str, values: dict[str, Any], **options: Any) -> None:
    with pytest.raises(RefusedError, match=message):
        render(values, **options)


def broken(rule: Rule, message: str, objects: Objects) -> None:
    found = list(rule(objects))
    assert len(found) == 1
    assert re.search(message, found[0])


def misspelt_value() -> None:
    refused("/services/caption/replica'", {"services.caption.replica": 3})
    refused("'stpes' not allowed", {"services.generation.config.stpes": 3})


def wrong_type() -> None:
    refused("got string, want integer", {"services.caption.replicas": "three"})
    refused("maximum: got 5,000, want 500", {"services.generation.config.steps": 5000})


def missing_secret() -> None:
    objects = render({"auth.tokenSecret": "the-token"})
    (found, *more) = references_exist(objects, frozenset())
    assert "names the Secret the-token, which is not there" in found
    assert not list(references_exist(objects, frozenset({"the-token"})))
    refused("give tls.issuer.name", {"tls.enabled": True})
    refused("its page would be an owner; give auth.tokenSecret", {"services.review.enabled": True})
    assert more


def bad_port() -> None:
    def change(objects: Objects) -> None:
        named(objects, "Service", "synthvlm-caption")["spec"]["ports"][0]["targetPort"] = "grcp"

    broken(ports_exist, "Service/synthvlm-caption: .* has no port grcp", changed(change))


def selector_mismatch() -> None:
    def change(objects: Objects) -> None:
        selector = named(objects, "Service", "synthvlm-caption")["spec"]["selector"]
        selector["app.kubernetes.io/component"] = "captions"

    broken(selectors_match, "Service/synthvlm-caption selects no pod", changed(change))


def wrong_api_version() -> None:
    (entry,) = of_kind(configuration("scaled"), "ScaledObject")
    assert "no schema knows" in problem({**entry, "apiVersion": "keda.sh/v1"}, NEWEST)
    budget = of_kind(configuration("mini"), "PodDisruptionBudget")[0]
    assert "no schema knows" in problem({**budget, "apiVersion": "policy/v1beta1"}, NEWEST)


def duplicate_environment() -> None:
    def change(objects: Objects) -> None:
        environment = template(objects, "caption").container["env"]
        environment.append(environment[0])

    broken(nothing_twice, "has the env HOME twice", changed(change))


def blocking_budget() -> None:
    def change(objects: Objects) -> None:
        spec = named(objects, "PodDisruptionBudget", "synthvlm-caption")["spec"]
        del spec["maxUnavailable"]
        spec["minAvailable"] = 1

    broken(drains_go_on, "blocks the drain of a node", changed(change))


def surge_without_a_spare_gpu() -> None:
    def change(objects: Objects) -> None:
        spec = named(objects, "Deployment", "synthvlm-generation")["spec"]
        spec["strategy"]["rollingUpdate"] = {"maxSurge": 1, "maxUnavailable": 0}

    broken(no_surge_without_a_spare_gpu, "asks for a spare GPU", changed(change, "single-gpu"))


def replicas_under_an_autoscaler() -> None:
    def change(objects: Objects) -> None:
        named(objects, "Deployment", "synthvlm-caption")["spec"]["replicas"] = 2

    broken(one_decides_replicas, "has replicas and an autoscaler", changed(change, "scaled"))


def missing_crd() -> None:
    refused(
        "does not serve keda.sh/v1alpha1/ScaledObject: install KEDA first, or set",
        {
            "services.caption.autoscaling.kind": "keda",
            "monitoring.prometheusAddress": "http://prometheus:9090",
        },
        apis=tuple(api for api in APIS if "keda" not in api),
    )


MISTAKES: dict[str, Callable[[], None]] = {
    "misspelt value": misspelt_value,
    "wrong type": wrong_type,
    "missing secret": missing_secret,
    "bad port": bad_port,
    "selector mismatch": selector_mismatch,
    "wrong apiVersion": wrong_api_version,
    "duplicate env": duplicate_environment,
    "blocking PDB": blocking_budget,
    "surge without a spare GPU": surge_without_a_spare_gpu,
    "replicas under HPA": replicas_under_an_autoscaler,
    "missing CRD": missing_crd,
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_caught(name: str) -> None:
    MISTAKES[name]()


def test_a_removed_key_is_refused_with_what_to_write_instead() -> None:
    for place in ("services.generation", "triton"):
        config = f"{place}.config"
        message = f"{config}.triton_queue is not a value any more: give {config}.triton.queue"
        refused(message, {f"{config}.triton_queue": 8})
    refused("got string, want object", {"services.generation.config.pipeline": "FluxPipeline"})


def test_a_removed_key_of_the_chart_s_own_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"store.url": "give store.uri", "storeUri": "give store.uri"}
    monkeypatch.setattr(derive, "removed", lambda: own)
    chart = tmp_path / "synthvlm"
    shutil.copytree(CHART, chart)
    (chart / "values.schema.json").write_text(derive.schema_text(), encoding="utf-8")
    (chart / "files" / "removed.yaml").write_text(derive.removed_text(), encoding="utf-8")
    for key in own:
        refused(f"{key} is not a value any more: give store.uri", {key: "a"}, chart=chart)
    assert render({}, chart=chart)


def test_a_value_that_nobody_reads_is_found() -> None:
    assert changes_nothing({"store": {"claim": {"unread": "a"}}})
    assert not changes_nothing({"store": {"claim": {"size": "7Gi"}}})


def changes_nothing(values: dict[str, Any]) -> bool:
    """As test_every_value_is_read does, without the schema, which would refuse the key."""
    return manifests(values, checked=False) == manifests(checked=False)


def test_the_table_of_mistakes_is_whole() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ", CHECKS.read_text(encoding="utf-8"), re.M)
    assert {*MISTAKES, "removed key"} <= set(rows)
