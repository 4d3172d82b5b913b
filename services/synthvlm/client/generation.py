"""The client of the generation service."""

from synthvlm.client.client import ITEM_SECONDS, Client, OnProgress
from synthvlm.generation.v1 import generation_pb2 as pb


class GenerationClient(Client):
    """A client of ``GenerationService``."""

    service = pb.DESCRIPTOR.services_by_name["GenerationService"]

    def generate_image(
        self, request: pb.GenerateImageRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.GenerateImageResponse:
        """Synthesises one image."""
        return self._unary("GenerateImage", request, pb.GenerateImageResponse, timeout)

    def get_model(
        self, request: pb.GetModelRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.GetModelResponse:
        """The profile and model that the service has loaded."""
        return self._unary("GetModel", request, pb.GetModelResponse, timeout)

    def generate_shard(
        self,
        request: pb.GenerateShardRequest,
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> pb.GenerateResult:
        """Generates an ImageSet shard from a CaptionSet shard."""
        answer = self._shard(
            "GenerateShard", request, pb.GenerateShardResponse, on_progress, timeout
        )
        return answer.result
