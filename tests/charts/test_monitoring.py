"""Alerts and dashboard ask for metrics that exist, and the runbook has a page for each alert."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import synthvlm.alignment.scorer
import synthvlm.generation.batching
import synthvlm.storage.batch_stage
import synthvlm.storage.traffic
import synthvlm.usage
from synthvlm.serving.admission import Admission
from synthvlm.serving.calls import Kind
from synthvlm.serving.metrics import Metrics
from tests.charts.objects import find, named, of_kind
from tests.charts.rendering import CHART, configuration, tool
from tests.contracts.words import ROOT, SERVICES

ALL = configuration("everything")
RUNBOOK = ROOT / "docs" / "operate" / "runbook.md"

OTHERS = {
    "up": "Prometheus",
    "kube_deployment_status_replicas_available": "kube-state-metrics",
    "kube_deployment_spec_replicas": "kube-state-metrics",
    "kube_statefulset_status_replicas_ready": "kube-state-metrics",
    "kube_statefulset_replicas": "kube-state-metrics",
    "kube_pod_container_status_restarts_total": "kube-state-metrics",
    "kubelet_volume_stats_available_bytes": "kubelet",
    "kubelet_volume_stats_capacity_bytes": "kubelet",
    "certmanager_certificate_expiration_timestamp_seconds": "cert-manager",
    "nv_inference_request_success": "Triton",
    "DCGM_FI_DEV_GPU_UTIL": "NVIDIA's exporter",
}
"""Metrics that others export."""

METRIC = re.compile(r"\b((?:synthvlm|nv|kube|kubelet|certmanager|process)_\w+|up|DCGM_\w+)(?=\{)")
PATTERN = re.compile(r'__name__=~"([^"]+)"')


def alerts() -> list[dict[str, Any]]:
    (rule,) = of_kind(ALL, "PrometheusRule")
    (group,) = rule["spec"]["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def dashboard() -> dict[str, Any]:
    data = named(ALL, "ConfigMap", "synthvlm-dashboard")["data"]
    content: dict[str, Any] = json.loads(data["synthvlm.json"])
    return content


def exported() -> set[str]:
    """The metrics that the services export, under the names that PromQL knows them by."""
    assert synthvlm.alignment.scorer
    assert synthvlm.generation.batching
    assert synthvlm.storage.batch_stage
    assert synthvlm.storage.traffic
    assert synthvlm.usage
    names: set[str] = set()
    for word in SERVICES:
        registry = Metrics(word, Admission(dict.fromkeys(Kind, 1), 1)).registry
        for family in registry.collect():
            samples = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
            names |= {family.name + end for end in samples.get(family.type, [""])}
    return names


def queries() -> list[str]:
    scaled = [trigger["metadata"]["query"] for entry in of_kind(ALL, "ScaledObject")
              for trigger in entry["spec"]["triggers"]]  # fmt: skip
    drawn = [
        target["expr"].replace("$namespace", "images")
        for panel in dashboard()["panels"]
        if panel["datasource"]["type"] == "prometheus"
        for target in panel["targets"]
    ]
    return [*(alert["expr"] for alert in alerts()), *scaled, *drawn]


def test_every_metric_is_exported() -> None:
    known = exported() | OTHERS.keys()
    for query in queries():
        names = METRIC.findall(PATTERN.sub("", query))
        patterns = PATTERN.findall(query)
        assert names or patterns, query
        assert set(names) <= known, query
        for pattern in patterns:
            assert any(re.fullmatch(pattern, name) for name in known), query


def test_every_query_is_promql() -> None:
    program = "import json, promql_parser as p, sys; [p.parse(q) for q in json.load(sys.stdin)]"
    python = Path(tool("checkov")).with_name("python")
    subprocess.run(
        [python, "-c", program], input=json.dumps(queries()), text=True, check=True, timeout=60
    )


def test_every_query_is_of_this_release_s_namespace() -> None:
    for query in queries():
        assert "$" not in query
        selectors = re.findall(r"\{[^}]*\}", query)
        assert all('namespace="images"' in selector for selector in selectors), query


def test_there_are_ten_alerts_and_each_names_its_page() -> None:
    assert len(alerts()) == 10
    headings = re.findall(r"^## (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.M)
    assert headings == [alert["alert"] for alert in alerts()]
    for alert in alerts():
        url = alert["annotations"]["runbook_url"]
        assert url == f"docs/operate/runbook.md#{alert['alert'].lower()}"
        assert alert["labels"]["severity"] in ("critical", "warning")


def test_a_page_says_what_it_means_and_what_to_do() -> None:
    pages = re.split(r"^## \w+$", RUNBOOK.read_text(encoding="utf-8"), flags=re.M)[1:]
    for page in pages:
        assert all(part in page for part in ("**Means.**", "**Look.**", "**Do.**"))
        assert "```sh" in page


@pytest.mark.parametrize("word", [*SERVICES, "triton"])
def test_prometheus_finds_every_server(word: str) -> None:
    (monitor,) = of_kind(ALL, "ServiceMonitor")
    service = named(ALL, "Service", f"synthvlm-{word}")
    selector = monitor["spec"]["selector"]["matchLabels"]
    assert selector.items() <= service["metadata"]["labels"].items()
    assert {"name": "metrics", "port": 9090, "targetPort": "metrics"} in service["spec"]["ports"]


def test_prometheus_and_grafana_find_the_objects_by_their_labels() -> None:
    objects = [*of_kind(ALL, "ServiceMonitor", "PrometheusRule"),
               named(ALL, "ConfigMap", "synthvlm-dashboard")]  # fmt: skip
    assert all(entry["metadata"]["labels"]["release"] == "prometheus" for entry in objects)
    assert objects[-1]["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_the_dashboard_shows_a_run() -> None:
    titles = [panel["title"] for panel in dashboard()["panels"]]
    assert {"Stages of the run", "Images a second", "Log of the run"} <= set(titles)
    assert all(panel["description"] for panel in dashboard()["panels"])
    variables = {variable["name"] for variable in dashboard()["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps(dashboard()["panels"])))
    assert used <= variables
    positions = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard()["panels"]]
    assert len(positions) == len(set(positions))


def test_traces_go_to_the_collector() -> None:
    for word in SERVICES:
        text = named(ALL, "ConfigMap", f"synthvlm-{word}")["data"]["settings.yaml"]
        assert "otlp_endpoint: http://collector:4317" in text


def test_nothing_is_monitored_unless_asked_for() -> None:
    assert of_kind(configuration("mini"), "ServiceMonitor", "PrometheusRule") == []
    assert list(find(list(configuration("mini")), "grafana_dashboard")) == []
    assert (CHART / "files" / "alerts.yaml").is_file()
