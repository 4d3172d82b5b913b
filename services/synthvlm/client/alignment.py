"""The client of the alignment service."""

from synthvlm.alignment.v1 import alignment_pb2 as pb
from synthvlm.client.client import ITEM_SECONDS, Client, OnProgress


class AlignmentClient(Client):
    """A client of ``AlignmentService``."""

    service = pb.DESCRIPTOR.services_by_name["AlignmentService"]

    def score_pairs(
        self, request: pb.ScorePairsRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.ScorePairsResponse:
        """Scores pairs of image and caption."""
        return self._unary("ScorePairs", request, pb.ScorePairsResponse, timeout)

    def get_model(
        self, request: pb.GetModelRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.GetModelResponse:
        """The profile and model that the service has loaded."""
        return self._unary("GetModel", request, pb.GetModelResponse, timeout)

    def score_shard(
        self,
        request: pb.ScoreShardRequest,
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> pb.ScoreResult:
        """Scores the images of an ImageSet shard."""
        answer = self._shard("ScoreShard", request, pb.ScoreShardResponse, on_progress, timeout)
        return answer.result
