"""The Kubernetes API, of which objects are only read."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from synthvlm.errors import NotFound, PermissionDenied, Unavailable

_TIMEOUT_SECONDS = 15.0
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"

Object = dict[str, Any]


class Api:
    """Reads objects by their paths.

    Args:
        client: ``kubernetes.client.ApiClient``, or what has its ``call_api``.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def get(self, path: str, *, metadata_only: bool = False) -> Object:
        """The object, or list of objects, at a path.

        Args:
            path: For example ``/api/v1/nodes``.
            metadata_only: Whether the server is asked to leave out everything else, such as the
                data of a Secret.

        Raises:
            NotFound: It is not there.
            PermissionDenied: Whoever asks may not read it.
            Unavailable: The server cannot be reached, or fails.
        """
        # Imported by who made the client; the errors are looked at by what they carry.
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            answer = self._client.call_api(
                path,
                "GET",
                header_params={"Accept": _METADATA if metadata_only else "application/json"},
                auth_settings=["BearerToken"],
                response_type="object",
                _return_http_data_only=True,
                _request_timeout=_TIMEOUT_SECONDS,
            )
        except ApiException as error:
            if error.status == 404:
                raise NotFound(f"{path} is not there") from error
            if error.status in (401, 403):
                raise PermissionDenied(
                    f"you may not read {path} (status {error.status})"
                ) from error
            raise Unavailable(f"{path} answers with status {error.status}", 1.0) from error
        except (HTTPError, OSError) as error:
            raise Unavailable(f"the API server cannot be reached: {error}", 1.0) from error
        found: Object = answer
        return found

    def items(self, path: str, labels: Mapping[str, str] | None = None) -> list[Object]:
        """The objects of a list, those with ``labels`` alone.

        Raises:
            NotFound, PermissionDenied, Unavailable: As ``get``.
        """
        selector = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
        query = f"?{urlencode({'labelSelector': selector})}" if selector else ""
        items: list[Object] = self.get(f"{path}{query}").get("items") or []
        return items


def of_namespace(namespace: str, resource: str, group: str = "") -> str:
    """The path of a list of objects in a namespace; ``group``: such as ``apps/v1``."""
    root = f"/apis/{group}" if group else "/api/v1"
    return f"{root}/namespaces/{quote(namespace, safe='')}/{resource}"


def connect(context: str | None) -> tuple[Api, str]:
    """The API of the cluster that kubectl would use, or that this pod is in; and its namespace.

    Raises:
        NotFound: No cluster is configured.
    """
    import kubernetes.client
    import kubernetes.config
    from kubernetes.config.config_exception import ConfigException

    settings = kubernetes.client.Configuration()
    try:
        kubernetes.config.load_kube_config(context=context, client_configuration=settings)
        _, active = kubernetes.config.list_kube_config_contexts()
        namespace = str((active or {}).get("context", {}).get("namespace", "default"))
    except (ConfigException, TypeError) as error:
        try:
            kubernetes.config.load_incluster_config(client_configuration=settings)
        except ConfigException:
            raise NotFound(
                f"no cluster is configured ({error}): give a kubeconfig by KUBECONFIG, and a "
                f"context of it by --context"
            ) from error
        namespace = "default"
    # One try each: what cannot be reached is a finding, not worth minutes.
    settings.retries = False
    return Api(kubernetes.client.ApiClient(settings)), namespace
