"""The client of the review service."""

from synthvlm.client.client import ITEM_SECONDS, Client
from synthvlm.review.v1 import review_pb2 as pb


class ReviewClient(Client):
    """A client of ``ReviewService``."""

    service = pb.DESCRIPTOR.services_by_name["ReviewService"]

    def create_campaign(
        self, request: pb.CreateCampaignRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.CreateCampaignResponse:
        """Starts a campaign over a random sample of a Selection."""
        return self._unary("CreateCampaign", request, pb.CreateCampaignResponse, timeout)

    def get_campaign(
        self, request: pb.GetCampaignRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.GetCampaignResponse:
        """A campaign with its progress and agreement."""
        return self._unary("GetCampaign", request, pb.GetCampaignResponse, timeout)

    def list_campaigns(
        self, request: pb.ListCampaignsRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.ListCampaignsResponse:
        """One page of campaigns, newest first."""
        return self._unary("ListCampaigns", request, pb.ListCampaignsResponse, timeout)

    def assign_pairs(
        self, request: pb.AssignPairsRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.AssignPairsResponse:
        """The next pairs for a reviewer to rate."""
        return self._unary("AssignPairs", request, pb.AssignPairsResponse, timeout)

    def submit_verdict(
        self, request: pb.SubmitVerdictRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.SubmitVerdictResponse:
        """Records one reviewer's verdict on one pair."""
        return self._unary("SubmitVerdict", request, pb.SubmitVerdictResponse, timeout)

    def finish_campaign(
        self, request: pb.FinishCampaignRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.FinishCampaignResponse:
        """Closes a campaign and commits its verdicts as a ReviewSet."""
        return self._unary("FinishCampaign", request, pb.FinishCampaignResponse, timeout)
