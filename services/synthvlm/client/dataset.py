"""The clients of the dataset service."""

from synthvlm.client.asynchronous import AsyncClient
from synthvlm.client.methods import Shard, Unary
from synthvlm.client.synchronous import Client
from synthvlm.dataset.v1 import dataset_pb2 as pb

_SERVICE = pb.DESCRIPTOR.services_by_name["DatasetService"]


class _Methods:
    """The service's methods, declared once for both kinds of client."""

    service = _SERVICE
    select = Shard(
        _SERVICE,
        "Select",
        pb.SelectRequest,
        pb.SelectResponse,
        lambda m: m.result if m.HasField("result") else None,
    )
    assemble = Shard(
        _SERVICE,
        "Assemble",
        pb.AssembleRequest,
        pb.AssembleResponse,
        lambda m: m.version if m.HasField("version") else None,
    )
    list_versions = Unary(_SERVICE, "ListVersions", pb.ListVersionsRequest, pb.ListVersionsResponse)
    get_version = Unary(_SERVICE, "GetVersion", pb.GetVersionRequest, pb.GetVersionResponse)
    diff_versions = Unary(_SERVICE, "DiffVersions", pb.DiffVersionsRequest, pb.DiffVersionsResponse)
    get_image = Unary(_SERVICE, "GetImage", pb.GetImageRequest, pb.GetImageResponse)
    export_version = Shard(
        _SERVICE,
        "ExportVersion",
        pb.ExportVersionRequest,
        pb.ExportVersionResponse,
        lambda m: list(m.files),
    )


class DatasetClient(_Methods, Client):
    """A synchronous client of ``DatasetService``."""


class AsyncDatasetClient(_Methods, AsyncClient):
    """An asynchronous client of ``DatasetService``."""
