"""The clients of the review service."""

from synthvlm.client.asynchronous import AsyncClient
from synthvlm.client.methods import Unary
from synthvlm.client.synchronous import Client
from synthvlm.review.v1 import review_pb2 as pb

_SERVICE = pb.DESCRIPTOR.services_by_name["ReviewService"]


class _Methods:
    """The service's methods, declared once for both kinds of client."""

    service = _SERVICE
    create_campaign = Unary(
        _SERVICE, "CreateCampaign", pb.CreateCampaignRequest, pb.CreateCampaignResponse
    )
    get_campaign = Unary(_SERVICE, "GetCampaign", pb.GetCampaignRequest, pb.GetCampaignResponse)
    list_campaigns = Unary(
        _SERVICE, "ListCampaigns", pb.ListCampaignsRequest, pb.ListCampaignsResponse
    )
    assign_pairs = Unary(_SERVICE, "AssignPairs", pb.AssignPairsRequest, pb.AssignPairsResponse)
    submit_verdict = Unary(
        _SERVICE, "SubmitVerdict", pb.SubmitVerdictRequest, pb.SubmitVerdictResponse
    )
    finish_campaign = Unary(
        _SERVICE, "FinishCampaign", pb.FinishCampaignRequest, pb.FinishCampaignResponse
    )


class ReviewClient(_Methods, Client):
    """A synchronous client of ``ReviewService``."""


class AsyncReviewClient(_Methods, AsyncClient):
    """An asynchronous client of ``ReviewService``."""
