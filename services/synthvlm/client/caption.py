"""The clients of the caption service."""

from synthvlm.caption.v1 import caption_pb2 as pb
from synthvlm.client.asynchronous import AsyncClient
from synthvlm.client.methods import Shard, Streaming, Unary
from synthvlm.client.synchronous import Client

_SERVICE = pb.DESCRIPTOR.services_by_name["CaptionService"]


class _Methods:
    """The service's methods, declared once for both kinds of client."""

    service = _SERVICE
    evaluate_captions = Unary(
        _SERVICE, "EvaluateCaptions", pb.EvaluateCaptionsRequest, pb.EvaluateCaptionsResponse
    )
    evaluate_file = Streaming(
        _SERVICE, "EvaluateFile", pb.EvaluateFileRequest, pb.EvaluateFileResponse
    )
    import_captions = Shard(
        _SERVICE,
        "ImportCaptions",
        pb.ImportCaptionsRequest,
        pb.ImportCaptionsResponse,
        lambda m: m.result if m.HasField("result") else None,
    )
    curate_shard = Shard(
        _SERVICE,
        "CurateShard",
        pb.CurateShardRequest,
        pb.CurateShardResponse,
        lambda m: m.result if m.HasField("result") else None,
    )


class CaptionClient(_Methods, Client):
    """A synchronous client of ``CaptionService``."""


class AsyncCaptionClient(_Methods, AsyncClient):
    """An asynchronous client of ``CaptionService``."""
