"""Translates the protos of the review service to the domain and back."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import Message

from synthvlm.review import requests
from synthvlm.review.messages import (
    campaign_message,
    disagreement_message,
    entered_message,
    my_verdict_message,
    pair_message,
    plan_message,
    progress_message,
    quarantined_message,
    statistics_message,
)
from synthvlm.review.people import OPERATOR, Person
from synthvlm.review.reviews import Reviews
from synthvlm.review.second_opinion.model_worker import ModelWorker
from synthvlm.review.v1 import review_pb2 as pb
from synthvlm.review.v1 import review_pb2_grpc
from synthvlm.serving import offload, validated
from synthvlm.serving.calls import current_call
from synthvlm.sql.page_tokens import PageTokens

Context = grpc.aio.ServicerContext[Any, Any]

M = TypeVar("M", bound=Message)

MAX_REPLY_BYTES: Final = 1 << 20
"""Most bytes of what a reply lists, unless its first element is larger."""

_CAMPAIGNS = PageTokens("ListCampaigns")
_MINE = PageTokens("ListMyVerdicts")
_DISAGREEMENTS = PageTokens("ListDisagreements")


class ReviewServicer(review_pb2_grpc.ReviewServiceServicer):
    """Serves ``reviews``, which the page asks as well, and a model's worker if there is one."""

    def __init__(self, reviews: Reviews, worker: ModelWorker | None = None) -> None:
        self.reviews = reviews
        self.worker = worker

    async def PlanSample(
        self, request: pb.PlanSampleRequest, context: Context
    ) -> pb.PlanSampleResponse:
        """How many pairs a wanted interval takes, or how wide that of a sample will be."""
        parsed = await validated(context, requests.PlanSample, request)
        found = await offload(context, lambda _: parsed.plans())
        return pb.PlanSampleResponse(plans=map(plan_message, found))

    async def CreateCampaign(
        self, request: pb.CreateCampaignRequest, context: Context
    ) -> pb.CreateCampaignResponse:
        """Draws the sample of a new campaign."""
        parsed = await validated(context, requests.CreateCampaign, request)
        person = _person(context)
        made = await offload(context, lambda _: self.reviews.create(person, parsed.campaign()))
        return pb.CreateCampaignResponse(campaign=campaign_message(made))

    async def GetCampaign(
        self, request: pb.GetCampaignRequest, context: Context
    ) -> pb.GetCampaignResponse:
        """A campaign."""
        parsed = await validated(context, requests.OneCampaign, request)
        person = _person(context)
        found = await offload(context, lambda _: self.reviews.campaign(person, parsed.campaign_id))
        return pb.GetCampaignResponse(campaign=campaign_message(found))

    async def ListCampaigns(
        self, request: pb.ListCampaignsRequest, context: Context
    ) -> pb.ListCampaignsResponse:
        """One page of campaigns, newest first."""
        parsed = await validated(context, requests.ListCampaigns, request)
        person = _person(context)
        before, size = _CAMPAIGNS.row(parsed.page_token, person.name), parsed.page_size or 100
        # One more than is sent, to tell whether there is a next page.
        found = await offload(context, lambda _: self.reviews.campaigns(person, before, size + 1))
        sent = _within_reply(map(campaign_message, found[:size]))
        return pb.ListCampaignsResponse(
            campaigns=sent, next_page_token=_next(_CAMPAIGNS, person.name, found, len(sent))
        )

    async def OpenCampaign(
        self, request: pb.OpenCampaignRequest, context: Context
    ) -> pb.OpenCampaignResponse:
        """Lets people judge."""
        parsed = await validated(context, requests.OneCampaign, request)
        person = _person(context)
        found = await offload(context, lambda _: self.reviews.open(person, parsed.campaign_id))
        return pb.OpenCampaignResponse(campaign=campaign_message(found))

    async def CloseCampaign(
        self, request: pb.CloseCampaignRequest, context: Context
    ) -> pb.CloseCampaignResponse:
        """Leases no more pairs."""
        parsed = await validated(context, requests.OneCampaign, request)
        person = _person(context)
        found = await offload(
            context, lambda _: self.reviews.close_campaign(person, parsed.campaign_id)
        )
        return pb.CloseCampaignResponse(campaign=campaign_message(found))

    async def LeasePairs(
        self, request: pb.LeasePairsRequest, context: Context
    ) -> pb.LeasePairsResponse:
        """The pairs that the caller has to judge next."""
        parsed = await validated(context, requests.LeasePairs, request)
        person = _person(context)
        leased = await offload(
            context,
            lambda _: self.reviews.lease(person, parsed.campaign_id, parsed.count or 10),
        )
        return pb.LeasePairsResponse(
            pairs=_within_reply(map(pair_message, leased.pairs)), lease_seconds=leased.seconds
        )

    async def SubmitVerdicts(
        self, request: pb.SubmitVerdictsRequest, context: Context
    ) -> pb.SubmitVerdictsResponse:
        """Records the caller's verdicts."""
        parsed = await validated(context, requests.SubmitVerdicts, request)
        person = _person(context)
        entries = [one.entry() for one in parsed.verdicts]
        done = await offload(
            context, lambda _: self.reviews.submit(person, parsed.campaign_id, entries)
        )
        return pb.SubmitVerdictsResponse(
            outcomes=[f"OUTCOME_{outcome.name}" for outcome in done.outcomes],
            judged=done.judged,
        )

    async def ImportVerdicts(
        self, request: pb.ImportVerdictsRequest, context: Context
    ) -> pb.ImportVerdictsResponse:
        """Records the verdicts of a file as their annotators'."""
        parsed = await validated(context, requests.ImportVerdicts, request)
        person, campaign = _person(context), parsed.campaign_id
        entered = await offload(
            context,
            lambda _: self.reviews.import_verdicts(person, campaign, parsed.form, parsed.content),
        )
        answer = entered_message(entered)
        answer.quarantine.extend(_within_reply(map(quarantined_message, entered.quarantine)))
        return answer

    async def SkipPairs(
        self, request: pb.SkipPairsRequest, context: Context
    ) -> pb.SkipPairsResponse:
        """Gives leased pairs back unjudged."""
        parsed = await validated(context, requests.SkipPairs, request)
        person = _person(context)
        skipped = await offload(
            context, lambda _: self.reviews.skip(person, parsed.campaign_id, parsed.pair_ids)
        )
        return pb.SkipPairsResponse(skipped=skipped)

    async def ListMyVerdicts(
        self, request: pb.ListMyVerdictsRequest, context: Context
    ) -> pb.ListMyVerdictsResponse:
        """One page of the caller's own verdicts, the last recorded first."""
        parsed = await validated(context, requests.ListMyVerdicts, request)
        person, campaign = _person(context), parsed.campaign_id
        key, size = f"{campaign} {person.name}", parsed.page_size or 10
        before = _MINE.row(parsed.page_token, key)
        found = await offload(
            context, lambda _: self.reviews.mine(person, campaign, size + 1, before)
        )
        sent = _within_reply(map(my_verdict_message, found[:size]))
        return pb.ListMyVerdictsResponse(
            verdicts=sent, next_page_token=_next(_MINE, key, found, len(sent))
        )

    async def ListDisagreements(
        self, request: pb.ListDisagreementsRequest, context: Context
    ) -> pb.ListDisagreementsResponse:
        """One page of the pairs that people judged differently."""
        parsed = await validated(context, requests.ListDisagreements, request)
        person, campaign, settled = _person(context), parsed.campaign_id, parsed.include_settled
        key, size = f"{campaign} {settled}", parsed.page_size or 20
        after = _DISAGREEMENTS.row(parsed.page_token, key) or 0
        found = await offload(
            context,
            lambda _: self.reviews.disagreements(
                person, campaign, after, size + 1, settled=settled
            ),
        )
        sent = _within_reply(map(disagreement_message, found[:size]))
        return pb.ListDisagreementsResponse(
            disagreements=sent, next_page_token=_next(_DISAGREEMENTS, key, found, len(sent))
        )

    async def Adjudicate(
        self, request: pb.AdjudicateRequest, context: Context
    ) -> pb.AdjudicateResponse:
        """Settles a pair."""
        parsed = await validated(context, requests.Adjudicate, request)
        person = _person(context)
        outcome = await offload(
            context,
            lambda _: self.reviews.adjudicate(
                person,
                parsed.campaign_id,
                parsed.pair_id,
                parsed.request_id,
                parsed.decision.verdict(),
            ),
        )
        return pb.AdjudicateResponse(outcome=f"OUTCOME_{outcome.name}")

    async def GetProgress(
        self, request: pb.GetProgressRequest, context: Context
    ) -> pb.GetProgressResponse:
        """How far a campaign is, and who has done what."""
        parsed = await validated(context, requests.OneCampaign, request)
        person = _person(context)
        found = await offload(context, lambda _: self.reviews.progress(person, parsed.campaign_id))
        return progress_message(found)

    async def GetStatistics(
        self, request: pb.GetStatisticsRequest, context: Context
    ) -> pb.GetStatisticsResponse:
        """Agreement, the truth rate, and annotators' errors."""
        parsed = await validated(context, requests.GetStatistics, request)
        person = _person(context)
        campaign, confidence = parsed.campaign_id, parsed.confidence
        found = await offload(
            context, lambda _: self.reviews.statistics(person, campaign, confidence)
        )
        return statistics_message(found)

    async def FinishCampaign(
        self, request: pb.FinishCampaignRequest, context: Context
    ) -> pb.FinishCampaignResponse:
        """Commits the verdicts of a closed campaign as a ReviewSet."""
        parsed = await validated(context, requests.OneCampaign, request)
        person = _person(context)
        view, rejected = await offload(
            context, lambda _: self.reviews.finish(person, parsed.campaign_id)
        )
        return pb.FinishCampaignResponse(campaign=campaign_message(view), rejected=rejected)

    async def GetImage(self, request: pb.GetImageRequest, context: Context) -> pb.GetImageResponse:
        """The encoded image of a pair."""
        parsed = await validated(context, requests.GetImage, request)
        person = _person(context)
        image = await offload(
            context,
            lambda _: self.reviews.image(person, parsed.campaign_id, parsed.pair_id, parsed.shown),
        )
        return pb.GetImageResponse(
            image=image.data, media_type=image.media_type, digest=image.digest
        )


def _person(context: Context) -> Person:
    """Who calls; the operator where nobody is told apart."""
    caller = current_call(context).caller
    return caller if isinstance(caller, Person) else OPERATOR


def _within_reply(messages: Iterable[M]) -> list[M]:
    """The first messages, as many as a reply may hold; one at least, if there is one."""
    sent: list[M] = []
    size = 0
    for message in messages:
        size += message.ByteSize()
        if sent and size > MAX_REPLY_BYTES:
            break
        sent.append(message)
    return sent


def _next(tokens: PageTokens, key: str, found: Sequence[Any], sent: int) -> str:
    """The token after what was sent of what was found; empty if that is all."""
    return tokens.token(key, found[sent - 1].row) if len(found) > sent else ""
