"""The clients of the generation service."""

from synthvlm.client.asynchronous import AsyncClient
from synthvlm.client.methods import Shard, Unary
from synthvlm.client.synchronous import Client
from synthvlm.generation.v1 import generation_pb2 as pb

_SERVICE = pb.DESCRIPTOR.services_by_name["GenerationService"]


class _Methods:
    """The service's methods, declared once for both kinds of client."""

    service = _SERVICE
    generate_image = Unary(
        _SERVICE, "GenerateImage", pb.GenerateImageRequest, pb.GenerateImageResponse
    )
    get_model = Unary(_SERVICE, "GetModel", pb.GetModelRequest, pb.GetModelResponse)
    generate_shard = Shard(
        _SERVICE,
        "GenerateShard",
        pb.GenerateShardRequest,
        pb.GenerateShardResponse,
        lambda m: m.result if m.HasField("result") else None,
    )


class GenerationClient(_Methods, Client):
    """A synchronous client of ``GenerationService``."""


class AsyncGenerationClient(_Methods, AsyncClient):
    """An asynchronous client of ``GenerationService``."""
