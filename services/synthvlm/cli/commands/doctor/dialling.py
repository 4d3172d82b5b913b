"""Whether a release answers: its services, its catalogue and its store, asked as a step would."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synthvlm.client import DatasetClient, RetryPolicy, connect
from synthvlm.cluster.examination.release import Release
from synthvlm.dataset.v1 import dataset_pb2
from synthvlm.errors import DomainError, PermissionDenied, Unauthenticated
from synthvlm.finding import Finding
from synthvlm.grpc_errors import typed_error
from synthvlm.storage import open_store, parse_location
from synthvlm_pipelines.connection import ConnectionSettings

_SECONDS = 10.0


def not_dialled(release: Release) -> Finding:
    """What is said where the release is not asked."""
    return Finding(
        "warning",
        "answers",
        "services, catalogue and store were not asked from here",
        f"give the same command with --dial in a pod of {release.namespace} with the label "
        f"synthvlm.io/client=true and the environment of the ConfigMap for pipelines",
    )


def dial(release: Release) -> Iterator[Finding]:
    """Asks each service for its health, the dataset service for versions, and the store."""
    for word, address in sorted(release.addresses.items()):
        with closing(_channel(address)) as channel:
            yield _health(f"answers: {word}", channel, address)
            if word == "dataset":
                yield _catalogue(channel)
    if "store_uri" in release.data:
        yield _store(release.data["store_uri"])


def _channel(address: str) -> grpc.Channel:
    settings = ConnectionSettings()
    return connect(
        address,
        token=settings.token_file,
        ca_file=settings.ca_file,
        certificate_file=settings.certificate_file,
        key_file=settings.key_file,
    )


def _health(what: str, channel: grpc.Channel, address: str) -> Finding:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    try:
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=_SECONDS)
    except grpc.RpcError as error:
        return Finding(
            "missing",
            what,
            f"{address}: {typed_error(error).message}",
            "does the policy let this pod in (synthvlm.io/client=true), is the name resolved here, "
            "and are SYNTHVLM_STEP_CA_FILE and the certificate right?",
        )
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return Finding("ok", what, address)
    return Finding("missing", what, "not serving", "its log says what it waits for")


def _catalogue(channel: grpc.Channel) -> Finding:
    client = DatasetClient(channel, RetryPolicy(total_seconds=0))
    try:
        client.list_versions(dataset_pb2.ListVersionsRequest(name="doctor"), timeout=_SECONDS)
    except (PermissionDenied, Unauthenticated) as error:
        return Finding(
            "missing", "catalogue", error.message,
            "name a file with a token that is right by SYNTHVLM_STEP_TOKEN_FILE; see auth in the "
            "values",
        )  # fmt: skip
    except DomainError as error:
        return Finding(
            "missing", "catalogue", error.message,
            "is the database there, catalogue.passwordSecret right, and networkPolicy.database "
            "open to it?",
        )  # fmt: skip
    return Finding("ok", "catalogue", "the dataset service reads it")


def _store(uri: str) -> Finding:
    try:
        open_store(parse_location(uri)).exists("doctor")
    except DomainError as error:
        return Finding(
            "missing", "store", error.message,
            "is store.uri right, are its credentials (store.credentialsSecret) in this "
            "environment, and is networkPolicy.store open to it?",
        )  # fmt: skip
    return Finding("ok", "store", uri)
