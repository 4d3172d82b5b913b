"""Who may talk to whom, as whom, and over what."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts.derive import settings_of
from synthvlm.local.words import RUN
from synthvlm.serving.settings_sources import load_settings
from tests.charts.objects import find, named, of_kind, settings, template, templates
from tests.charts.rendering import (
    CONFIGURATIONS,
    EVERYTHING,
    RefusedError,
    configuration,
    render,
)
from tests.contracts.words import SERVICES

ALL = configuration("everything")
TRAINER_1 = render(
    {"training": {"enabled": True, "kind": "PyTorchJob"}}, apis=("kubeflow.org/v1/PyTorchJob",)
)


def policy(name: str, objects: Any = ALL) -> dict[str, Any]:
    spec: dict[str, Any] = named(objects, "NetworkPolicy", f"synthvlm-{name}")["spec"]
    return spec


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
    # 6443: the API server, which reviews the tokens of callers.
    assert reaches("caption") == {443, 6443, 4317, 8000, "judge"}
    assert reaches("generation") == {443, 6443, 4317, 8001, "triton"}
    assert reaches("alignment") == {443, 6443, 4317}
    assert reaches("dataset") == reaches("review") == {443, 6443, 4317, 5432}
    assert reaches("migration") == {5432}
    assert reaches("engines") == {443}
    assert reaches("triton") == reaches("judge") == set()
    assert reaches("test") == {50051, *SERVICES}


def test_on_one_machine_nothing_reaches_out() -> None:
    for word in RUN:
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


def test_the_nodes_of_a_training_reach_one_another() -> None:
    assert "ingress" not in policy("training")  # each runtime has one node
    runtimes = {"pair": {"nodes": 2, "gpus": 8}}
    training = {"enabled": True, "runtimes": runtimes, "runtime": "pair"}
    objects = render({"training": {**training, "evaluation": {"runtime": "pair"}}})
    pod = template(objects, "pair")
    (caller,) = policy("training", objects)["ingress"]
    called = next(rule for rule in policy("training", objects)["egress"] if "ports" not in rule)
    for peers in (caller["from"], called["to"]):
        (peer,) = peers
        assert peer["podSelector"]["matchLabels"].items() <= pod.labels.items()


def test_the_cloud_s_metadata_is_out_of_reach() -> None:
    for block in find(policy("dataset"), "ipBlock"):
        assert "169.254.169.254/32" in block["except"]


def test_each_role_has_an_identity_of_its_own() -> None:
    accounts = {pod.spec["serviceAccountName"] for pod in templates(ALL)}
    roles = {*SERVICES, "triton", "judge", "engines", "training", "migration", "test"}
    assert accounts == {f"synthvlm-{role}" for role in roles}
    for account in of_kind(ALL, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_pipelines_may_run_training_and_services_may_review_tokens() -> None:
    (role,) = of_kind(ALL, "Role")
    pods = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    ]
    verbs = ["create", "get", "list", "delete"]
    assert role["rules"] == [
        {"apiGroups": ["trainer.kubeflow.org"], "resources": ["trainjobs"], "verbs": verbs},
        *pods,
    ]
    (role,) = of_kind(TRAINER_1, "Role", "ClusterRole")
    assert role["rules"] == [
        {"apiGroups": ["kubeflow.org"], "resources": ["pytorchjobs"], "verbs": verbs},
        *pods,
    ]
    (cluster,) = of_kind(ALL, "ClusterRole")
    assert cluster["rules"] == [
        {
            "apiGroups": ["authentication.k8s.io"],
            "resources": ["tokenreviews"],
            "verbs": ["create"],
        }
    ]
    (binding,) = of_kind(ALL, "ClusterRoleBinding")
    assert binding["roleRef"]["name"] == cluster["metadata"]["name"]
    assert {(one["name"], one["namespace"]) for one in binding["subjects"]} == {
        (f"synthvlm-{word}", "images") for word in SERVICES
    }
    # Cluster-wide names hold the namespace, so that two releases do not take each other's.
    assert cluster["metadata"]["name"] == "images-synthvlm-token-review"


def test_nobody_else_has_any_right() -> None:
    for name in CONFIGURATIONS:
        rights = of_kind(configuration(name), "Role", "ClusterRole", "RoleBinding")
        assert len(rights) == {"everything": 3, "service-accounts": 1}.get(name, 0), name


def mounted(name: str, volume: str, objects: Any = ALL) -> Any:
    pod = template(objects, name)
    found = [one for one in pod.spec["volumes"] if one["name"] == volume]
    mounts = [one for one in pod.container["volumeMounts"] if one["name"] == volume]
    assert [one["readOnly"] for one in mounts] == [True] * len(found)
    return found[0] if found else None


def test_a_service_asks_about_its_callers_with_a_token_that_ends() -> None:
    sources = mounted("caption", "kubernetes")["projected"]["sources"]
    assert sources[0] == {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
    assert sources[1]["configMap"]["name"] == "kube-root-ca.crt"
    auth = settings(ALL, "caption")["auth"]
    assert auth["kubernetes"]["grants"] == [
        {"users": ["system:serviceaccount:images:synthvlm-test"], "scopes": ["*:use"]},
        {"groups": ["system:serviceaccounts:team"], "scopes": ["*:write"]},
    ]
    assert auth["oidc"]["ca_file"] == "/run/secrets/provider/ca.crt"
    assert mounted("caption", "provider")["secret"]["secretName"] == "the-provider"
    for name in ("triton", "judge", "test-caption"):
        assert mounted(name, "kubernetes") is None


def test_without_a_secret_callers_send_the_token_of_their_service_account() -> None:
    objects = configuration("service-accounts")
    (source,) = mounted("test-caption", "token", objects)["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "synthvlm"
    assert (
        "--token-file /run/secrets/token/token"
        in template(objects, "test-caption").container["command"][2]
    )
    assert mounted("caption", "token", objects) is None
    assert named(objects, "ConfigMap", "synthvlm-pipelines")["data"]["token_audience"] == "synthvlm"
    with pytest.raises(RefusedError, match=r"auth\.oidc\.audience: say which tokens"):
        render({"auth.oidc.issuer": "https://provider.example.com"})


def test_steps_get_the_token_of_their_service_account_from_a_pod_default() -> None:
    """KFP cannot mount one; the labels are those that it and the pipelines give to their pods."""
    objects = configuration("service-accounts")
    default = named(objects, "PodDefault", "synthvlm-pipelines")
    assert default["metadata"]["namespace"] == "team"
    assert default["spec"]["selector"]["matchLabels"] == {
        "pipelines.kubeflow.org/v2_component": "true",
        "synthvlm.io/client": "true",
    }
    (volume,), (mount,) = default["spec"]["volumes"], default["spec"]["volumeMounts"]
    assert mount["name"] == volume["name"]
    (source,) = volume["projected"]["sources"]
    file = f"{mount['mountPath']}/{source['serviceAccountToken']['path']}"
    assert source["serviceAccountToken"]["audience"] == "synthvlm"
    told = named(objects, "ConfigMap", "synthvlm-pipelines")["data"]
    assert json.loads(told["SYNTHVLM_PIPELINES_ENVIRONMENT"])["SYNTHVLM_STEP_TOKEN_FILE"] == file
    assert told["SYNTHVLM_STEP_TOKEN_FILE"] == file
    assert "token_secret" not in told
    for auth in ({"tokenSecret": "the-token", "kubernetes": {"audience": "synthvlm"}}, {}):
        with pytest.raises(RefusedError, match=r"pipelines\.podDefault: it mounts tokens"):
            render({"pipelines": {"podDefault": True}, "auth": auth})


def test_services_read_who_may_call(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(settings(ALL, "caption")), encoding="utf-8")
    auth = load_settings(settings_of("caption"), "caption", config=file).auth
    assert auth.is_on
    assert auth.kubernetes.audience == auth.oidc.audience == "synthvlm"
    assert auth.kubernetes.grants[1].scopes == ["*:write"]


@pytest.mark.parametrize("word", SERVICES)
def test_a_service_s_certificate_names_the_address_that_callers_use(word: str) -> None:
    addresses = named(ALL, "ConfigMap", "synthvlm-pipelines")["data"]
    host = addresses[f"{word}_address"].removeprefix("dns:///").rpartition(":")[0]
    assert host in named(ALL, "Certificate", f"synthvlm-{word}")["spec"]["dnsNames"]


def test_callers_need_a_certificate_too() -> None:
    assert settings(ALL, "caption")["tls_client_ca_file"] == "/run/secrets/tls/ca.crt"
    client = named(ALL, "Certificate", "synthvlm-client")["spec"]
    assert client["usages"] == ["client auth"]
    pod = template(ALL, "test-caption")
    secrets = {volume["secretName"] for volume in find(pod.spec["volumes"], "secret")}
    assert secrets == {"synthvlm-client-tls", "the-token"}


def test_generation_and_triton_show_each_other_certificates() -> None:
    service, server = settings(ALL, "generation")["triton"], settings(ALL, "triton")
    assert service["tls_ca_file"] == "/run/secrets/triton/ca.crt"
    assert service["tls_certificate_file"] == "/run/secrets/triton/tls.crt"
    assert mounted("generation", "triton")["secret"]["secretName"] == "synthvlm-client-tls"
    assert server["tls_client_ca_file"] == "/run/secrets/tls/ca.crt"
    assert mounted("triton", "tls")["secret"]["secretName"] == "synthvlm-triton-tls"
    (pattern,) = named(ALL, "Certificate", "synthvlm-triton")["spec"]["dnsNames"]
    for endpoint in service["endpoints"]:
        # A wildcard stands for one label.
        assert endpoint.partition(".")[2].partition(":")[0] == pattern.removeprefix("*.")
    own = configuration("own-client-secret")
    assert mounted("triton", "tls", own)["secret"]["secretName"] == "the-certificate"
    assert mounted("generation", "triton", own)["secret"]["secretName"] == "the-client"
    plain = configuration("plain-triton")
    assert "tls_ca_file" not in settings(plain, "generation")["triton"]
    assert mounted("triton", "tls", plain) is None


@pytest.mark.parametrize("word", SERVICES)
def test_a_gateway_knows_services_by_their_certificates(word: str) -> None:
    spec = named(ALL, "BackendTLSPolicy", f"synthvlm-{word}")["spec"]
    (target,) = spec["targetRefs"]
    service = named(ALL, "Service", target["name"])["spec"]
    assert target["sectionName"] in [port["name"] for port in service["ports"]]
    validation = spec["validation"]
    assert (
        validation["hostname"] in named(ALL, "Certificate", f"synthvlm-{word}")["spec"]["dnsNames"]
    )
    assert validation["caCertificateRefs"] == [
        {"group": "", "kind": "ConfigMap", "name": "the-authority"}
    ]
    with pytest.raises(RefusedError, match=r"exposure\.authority: name the ConfigMap"):
        render({**EVERYTHING, "exposure": {**EVERYTHING["exposure"], "authority": ""}})


def test_a_secret_may_take_the_place_of_cert_manager() -> None:
    objects = configuration("own-secrets")
    assert of_kind(objects, "Certificate") == []
    assert "tls_client_ca_file" not in settings(objects, "caption")
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
