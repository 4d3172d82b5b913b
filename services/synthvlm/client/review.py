"""The client of the review service."""

from synthvlm.client.client import ITEM_SECONDS, Client
from synthvlm.review.v1 import review_pb2 as pb


class ReviewClient(Client):
    """A client of ``ReviewService``."""

    service = pb.DESCRIPTOR.services_by_name["ReviewService"]

    def plan_sample(
        self, request: pb.PlanSampleRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.PlanSampleResponse:
        """How many pairs a wanted interval takes, or how wide that of a sample will be."""
        return self._unary("PlanSample", request, pb.PlanSampleResponse, timeout)

    def create_campaign(
        self, request: pb.CreateCampaignRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.CreateCampaignResponse:
        """Draws the sample of a new campaign."""
        return self._unary("CreateCampaign", request, pb.CreateCampaignResponse, timeout)

    def get_campaign(
        self, request: pb.GetCampaignRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.GetCampaignResponse:
        """A campaign."""
        return self._unary("GetCampaign", request, pb.GetCampaignResponse, timeout)

    def list_campaigns(
        self, request: pb.ListCampaignsRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.ListCampaignsResponse:
        """One page of campaigns, newest first."""
        return self._unary("ListCampaigns", request, pb.ListCampaignsResponse, timeout)

    def open_campaign(
        self, request: pb.OpenCampaignRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.OpenCampaignResponse:
        """Lets people judge."""
        return self._unary("OpenCampaign", request, pb.OpenCampaignResponse, timeout)

    def close_campaign(
        self, request: pb.CloseCampaignRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.CloseCampaignResponse:
        """Leases no more pairs."""
        return self._unary("CloseCampaign", request, pb.CloseCampaignResponse, timeout)

    def lease_pairs(
        self, request: pb.LeasePairsRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.LeasePairsResponse:
        """The pairs that the caller has to judge next."""
        return self._unary("LeasePairs", request, pb.LeasePairsResponse, timeout)

    def submit_verdicts(
        self, request: pb.SubmitVerdictsRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.SubmitVerdictsResponse:
        """Records the caller's verdicts."""
        return self._unary("SubmitVerdicts", request, pb.SubmitVerdictsResponse, timeout)

    def import_verdicts(
        self, request: pb.ImportVerdictsRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.ImportVerdictsResponse:
        """Records the verdicts of a file as their annotators'."""
        return self._unary("ImportVerdicts", request, pb.ImportVerdictsResponse, timeout)

    def skip_pairs(
        self, request: pb.SkipPairsRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.SkipPairsResponse:
        """Gives leased pairs back unjudged."""
        return self._unary("SkipPairs", request, pb.SkipPairsResponse, timeout)

    def list_my_verdicts(
        self, request: pb.ListMyVerdictsRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.ListMyVerdictsResponse:
        """One page of the caller's own verdicts, the last recorded first."""
        return self._unary("ListMyVerdicts", request, pb.ListMyVerdictsResponse, timeout)

    def list_disagreements(
        self, request: pb.ListDisagreementsRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.ListDisagreementsResponse:
        """One page of the pairs that people judged differently."""
        return self._unary("ListDisagreements", request, pb.ListDisagreementsResponse, timeout)

    def adjudicate(
        self, request: pb.AdjudicateRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.AdjudicateResponse:
        """Settles a pair."""
        return self._unary("Adjudicate", request, pb.AdjudicateResponse, timeout)

    def get_progress(
        self, request: pb.GetProgressRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.GetProgressResponse:
        """How far a campaign is, and who has done what."""
        return self._unary("GetProgress", request, pb.GetProgressResponse, timeout)

    def get_statistics(
        self, request: pb.GetStatisticsRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.GetStatisticsResponse:
        """Agreement, the truth rate, and annotators' errors."""
        return self._unary("GetStatistics", request, pb.GetStatisticsResponse, timeout)

    def finish_campaign(
        self, request: pb.FinishCampaignRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.FinishCampaignResponse:
        """Commits the verdicts of a closed campaign as a ReviewSet."""
        return self._unary("FinishCampaign", request, pb.FinishCampaignResponse, timeout)

    def get_image(
        self, request: pb.GetImageRequest, *, timeout: float | None = ITEM_SECONDS
    ) -> pb.GetImageResponse:
        """The encoded image of a pair."""
        return self._unary("GetImage", request, pb.GetImageResponse, timeout)
