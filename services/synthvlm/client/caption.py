"""The client of the caption service."""

from collections.abc import Iterator

from synthvlm.caption.v1 import caption_pb2 as pb
from synthvlm.client.client import ITEM_SECONDS, Client, OnProgress


class CaptionClient(Client):
    """A client of ``CaptionService``."""

    service = pb.DESCRIPTOR.services_by_name["CaptionService"]

    def evaluate_captions(
        self, request: pb.EvaluateCaptionsRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.EvaluateCaptionsResponse:
        """Judges captions given in the request."""
        return self._unary("EvaluateCaptions", request, pb.EvaluateCaptionsResponse, timeout)

    def evaluate_file(
        self, request: pb.EvaluateFileRequest, *, timeout: float | None = None
    ) -> Iterator[pb.EvaluateFileResponse]:
        """Judges every caption of a file, in order."""
        return self._stream("EvaluateFile", request, pb.EvaluateFileResponse, timeout)

    def import_captions(
        self,
        request: pb.ImportCaptionsRequest,
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> pb.ImportResult:
        """Imports caption files as pool shards."""
        answer = self._shard(
            "ImportCaptions", request, pb.ImportCaptionsResponse, on_progress, timeout
        )
        return answer.result

    def curate_shard(
        self,
        request: pb.CurateShardRequest,
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> pb.CurateResult:
        """Curates a pool shard into a CaptionSet shard."""
        answer = self._shard("CurateShard", request, pb.CurateShardResponse, on_progress, timeout)
        return answer.result
