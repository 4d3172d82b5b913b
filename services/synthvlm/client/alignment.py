"""The clients of the alignment service."""

from synthvlm.alignment.v1 import alignment_pb2 as pb
from synthvlm.client.asynchronous import AsyncClient
from synthvlm.client.methods import Shard, Unary
from synthvlm.client.synchronous import Client

_SERVICE = pb.DESCRIPTOR.services_by_name["AlignmentService"]


class _Methods:
    """The service's methods, declared once for both kinds of client."""

    service = _SERVICE
    score_pairs = Unary(_SERVICE, "ScorePairs", pb.ScorePairsRequest, pb.ScorePairsResponse)
    get_model = Unary(_SERVICE, "GetModel", pb.GetModelRequest, pb.GetModelResponse)
    score_shard = Shard(
        _SERVICE,
        "ScoreShard",
        pb.ScoreShardRequest,
        pb.ScoreShardResponse,
        lambda m: m.result if m.HasField("result") else None,
    )


class AlignmentClient(_Methods, Client):
    """A synchronous client of ``AlignmentService``."""


class AsyncAlignmentClient(_Methods, AsyncClient):
    """An asynchronous client of ``AlignmentService``."""
