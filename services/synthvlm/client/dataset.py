"""The client of the dataset service."""

from synthvlm.client.client import ITEM_SECONDS, Client, OnProgress
from synthvlm.dataset.v1 import dataset_pb2 as pb


class DatasetClient(Client):
    """A client of ``DatasetService``."""

    service = pb.DESCRIPTOR.services_by_name["DatasetService"]

    def select(
        self,
        request: pb.SelectRequest,
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> pb.SelectResult:
        """Commits a Selection of the best pairs."""
        answer = self._shard("Select", request, pb.SelectResponse, on_progress, timeout)
        return answer.result

    def assemble(
        self,
        request: pb.AssembleRequest,
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> pb.VersionSummary:
        """Publishes a Selection as a version of a dataset."""
        answer = self._shard("Assemble", request, pb.AssembleResponse, on_progress, timeout)
        return answer.version

    def list_versions(
        self, request: pb.ListVersionsRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.ListVersionsResponse:
        """One page of versions, newest entry first."""
        return self._unary("ListVersions", request, pb.ListVersionsResponse, timeout)

    def get_version(
        self, request: pb.GetVersionRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.GetVersionResponse:
        """A version with its manifest."""
        return self._unary("GetVersion", request, pb.GetVersionResponse, timeout)

    def diff_versions(
        self, request: pb.DiffVersionsRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.DiffVersionsResponse:
        """What differs between two versions."""
        return self._unary("DiffVersions", request, pb.DiffVersionsResponse, timeout)

    def get_image(
        self, request: pb.GetImageRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.GetImageResponse:
        """An image and everything known about it."""
        return self._unary("GetImage", request, pb.GetImageResponse, timeout)

    def export_version(
        self,
        request: pb.ExportVersionRequest,
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> pb.ExportVersionResponse:
        """Writes a version in another form; its files, and what it says of itself."""
        return self._shard("ExportVersion", request, pb.ExportVersionResponse, on_progress, timeout)
