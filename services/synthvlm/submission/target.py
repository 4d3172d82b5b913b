"""Where a run is to go: the settings that the chart keeps in its ConfigMap for pipelines."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from synthvlm.errors import InvalidInput, NotFound, PreconditionFailed
from synthvlm.submission.placement import Pool

DEFAULT_NAME = "synthvlm-pipelines"
"""The ConfigMap of a release called synthvlm."""

WORDS = ("caption", "generation", "alignment", "dataset")
"""The services of a run, as the ConfigMap's keys call them."""

_COMPILATION = "SYNTHVLM_PIPELINES_"
_STEP = "SYNTHVLM_STEP_"
_SECRETS = {
    "token_secret": "SYNTHVLM_STEP_TOKEN_FILE",
    "tls_secret": "SYNTHVLM_STEP_CA_FILE",
}
"""Keys that name a Secret, and the variable with a file of it."""

_IN_CLUSTER = re.compile(r"[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9.-]{0,252}")


class Target(BaseModel):
    """A release of the chart, as pipelines see it.

    Attributes:
        source: Where this was read, for messages.
        addresses: Where steps reach the services, by word.
        store_uri: The store that the services share.
        compilation: Environment with which pipelines are compiled: the image of their steps.
        environment: Environment of every step.
        secrets: Secrets by the folder that steps find them in.
        pools: Pools of nodes, by name.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    source: str
    addresses: dict[str, str]
    store_uri: str
    compilation: dict[str, str] = {}
    environment: dict[str, str] = {}
    secrets: dict[str, str] = {}
    pools: dict[str, Pool] = {}

    def pool(self, name: str) -> Pool:
        """The pool of that name.

        Raises:
            InvalidInput: There is none.
        """
        if name not in self.pools:
            known = ", ".join(sorted(self.pools)) or "none"
            raise InvalidInput(f"{self.source} has no pool {name!r}; there are {known}")
        return self.pools[name]


def target_at(place: str | None) -> Target:
    """Reads a target.

    Args:
        place: A file with the ConfigMap or its data; ``NAMESPACE/NAME`` of one in the cluster that
            the kubeconfig or this pod knows. None: this process's environment, where a pod has the
            ConfigMap in it (``envFrom``), else ``synthvlm-pipelines`` in the current namespace.

    Raises:
        InvalidInput: It is not such a ConfigMap.
        NotFound: There is none.
        PreconditionFailed: The cluster cannot be asked.
    """
    if place is None:
        if {"store_uri", "caption_address"} <= set(os.environ):
            return parsed_target(os.environ, "the environment")
        return _from_cluster(None, DEFAULT_NAME)
    path = Path(place).expanduser()
    if path.exists():
        return parsed_target(_data(path), str(path))
    if not _IN_CLUSTER.fullmatch(place):
        raise InvalidInput(f"there is no file {place}, and it is not NAMESPACE/NAME of a ConfigMap")
    namespace, _, name = place.partition("/")
    return _from_cluster(namespace, name)


def parsed_target(data: Mapping[str, str], source: str) -> Target:
    """A target from the ConfigMap's data.

    Raises:
        InvalidInput: Something is missing or wrong.
    """
    missing = [
        key for key in ("store_uri", *(f"{word}_address" for word in WORDS)) if not data.get(key)
    ]
    if missing:
        raise InvalidInput(
            f"{source} has no {', '.join(missing)}; it must be the chart's ConfigMap for pipelines"
        )
    environment = _beginning(_STEP, data)
    secrets = {
        str(PurePosixPath(environment[variable]).parent): data[key]
        for key, variable in _SECRETS.items()
        if data.get(key) and variable in environment
    }
    try:
        return Target(
            source=source,
            addresses={word: data[f"{word}_address"] for word in WORDS},
            store_uri=data["store_uri"],
            compilation=_beginning(_COMPILATION, data),
            environment=environment,
            secrets=secrets,
            pools=_pools(data.get("pools", "{}")),
        )
    except (ValidationError, TypeError, AttributeError, json.JSONDecodeError) as error:
        problem = " ".join(str(error).split())
        raise InvalidInput(f"{source} is not the chart's ConfigMap: {problem}") from error


def _beginning(prefix: str, data: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in data.items() if key.startswith(prefix)}


def _pools(text: str) -> dict[str, Pool]:
    return {
        name: Pool(dict(pool.get("nodeSelector", {})), tuple(pool.get("tolerations", ())))
        for name, pool in json.loads(text).items()
    }


def _data(file: Path) -> dict[str, str]:
    """The data of the ConfigMap in a file: alone, among other objects, or bare."""
    try:
        documents = [one for one in yaml.safe_load_all(file.read_text(encoding="utf-8")) if one]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(f"{file} cannot be read: {error}") from error
    if not all(isinstance(one, dict) for one in documents):
        raise InvalidInput(f"{file} is not YAML of objects")
    maps = [one for one in documents if one.get("kind") == "ConfigMap" and _is_ours(one)]
    if not maps and len(documents) == 1 and "kind" not in documents[0]:
        maps = [{"data": documents[0]}]
    if len(maps) != 1:
        raise InvalidInput(f"{file} must hold the chart's ConfigMap for pipelines once")
    return {str(key): str(value) for key, value in (maps[0].get("data") or {}).items()}


def _is_ours(configmap: dict[str, Any]) -> bool:
    return "store_uri" in (configmap.get("data") or {})


def _from_cluster(namespace: str | None, name: str) -> Target:
    """Reads a ConfigMap as the kubeconfig, or this pod's ServiceAccount, allows."""
    from kubernetes import client, config
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    advice = "give its file with --target"
    try:
        try:
            config.load_kube_config()
        except config.ConfigException:
            config.load_incluster_config()
    except (config.ConfigException, OSError) as error:
        raise PreconditionFailed(
            f"the settings of the cluster are not known: there is no kubeconfig here; {advice}"
        ) from error
    namespace = namespace or _current_namespace(config)
    where = f"the ConfigMap {namespace}/{name}"
    try:
        found = client.CoreV1Api().read_namespaced_config_map(name, namespace, _request_timeout=20)
    except ApiException as error:
        if error.status == 404:
            raise NotFound(f"there is no ConfigMap {name} in {namespace}; {advice}") from None
        raise PreconditionFailed(
            f"{where} cannot be read: the cluster answers {error.status} {error.reason}; {advice}"
        ) from None
    except HTTPError as error:
        reason = type(error).__name__
        raise PreconditionFailed(
            f"{where} cannot be read: the cluster does not answer ({reason}); {advice}"
        ) from None
    return parsed_target(found.data or {}, where)


def _current_namespace(config: Any) -> str:
    inside = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    try:
        _, active = config.list_kube_config_contexts()
    except config.ConfigException:
        return inside.read_text(encoding="utf-8").strip() if inside.exists() else "default"
    return str(active["context"].get("namespace") or "default")
