"""Answers of the domain as messages of the proto."""

from collections import Counter
from typing import Final

from synthvlm.review.campaigns.views import (
    AnnotatorProgress,
    CampaignView,
    Disagreement,
    MyVerdict,
    Progress,
    ShownImage,
    ShownPair,
)
from synthvlm.review.exchange.entries import Quarantined
from synthvlm.review.exchange.recording import Entered
from synthvlm.review.results.figures import Figures
from synthvlm.review.sampling.design import CampaignDesign
from synthvlm.review.statistics.bootstrap import Interval
from synthvlm.review.statistics.sample_size import Plan
from synthvlm.review.v1 import review_pb2 as pb
from synthvlm.review.verdicts import Verdict
from synthvlm.storage.protos import ref_to_proto

MAX_REASONS: Final = 100
"""Reasons that are counted in a reply."""


def campaign_message(campaign: CampaignView) -> pb.Campaign:
    """A campaign."""
    compared, review_set = campaign.compared, campaign.review_set
    return pb.Campaign(
        campaign_id=campaign.campaign_id,
        state=f"CAMPAIGN_STATE_{campaign.state.name}",
        design=_design(campaign.design),
        store_uri=campaign.store_uri,
        source=ref_to_proto(campaign.source),
        compared=None if compared is None else ref_to_proto(compared),
        pairs=campaign.pairs,
        wanted=campaign.wanted,
        done=campaign.done,
        create_time_seconds=campaign.create_time,
        review_set=None if review_set is None else ref_to_proto(review_set),
    )


def pair_message(pair: ShownPair) -> pb.LeasedPair:
    """A pair as an annotator sees it."""
    return pb.LeasedPair(
        pair_id=pair.pair_id,
        caption=pair.caption,
        image=_image(pair.image),
        right=None if pair.right is None else _image(pair.right),
    )


def my_verdict_message(mine: MyVerdict) -> pb.MyVerdict:
    """A pair with its annotator's own verdict."""
    return pb.MyVerdict(
        pair=pair_message(mine.pair),
        verdict=_verdict(mine.verdict),
        record_time_seconds=mine.record_time,
    )


def disagreement_message(found: Disagreement) -> pb.Disagreement:
    """A pair that people judged differently."""
    return pb.Disagreement(
        pair=pair_message(found.pair),
        verdicts=[
            pb.GivenVerdict(annotator=name, verdict=_verdict(verdict))
            for name, verdict in found.verdicts.items()
        ],
        decision=None if found.decision is None else _verdict(found.decision),
    )


def progress_message(progress: Progress) -> pb.GetProgressResponse:
    """How far a campaign is."""
    return pb.GetProgressResponse(
        campaign=campaign_message(progress.campaign),
        complete_pairs=progress.complete_pairs,
        leased=progress.leased,
        disagreements=progress.disagreements,
        settled=progress.settled,
        annotators=[_annotator(one) for one in progress.annotators],
    )


def statistics_message(figures: Figures) -> pb.GetStatisticsResponse:
    """What the verdicts say."""
    truth = figures.truth
    rate = figures.preference if truth is None else truth.interval
    return pb.GetStatisticsResponse(
        judged_pairs=figures.judged_pairs,
        verdicts=figures.verdicts,
        reasons=figures.reasons,
        alpha=figures.alpha.value,
        fleiss_kappa=figures.fleiss.value,
        truth_rate=_estimate(rate),
        truth_rate_with_scores=_estimate(None if truth is None else truth.with_scores),
        annotators=[
            pb.AnnotatorErrors(
                annotator=one.annotator, sensitivity=one.sensitivity, specificity=one.specificity
            )
            for one in figures.annotators
        ],
        model_alphas={
            name: found.value for name, found in figures.models.items() if found.value is not None
        },
        undetermined="" if truth is None else truth.reason,
        thresholds=[
            pb.Threshold(
                score=point.threshold,
                kept=point.kept,
                precision=_estimate(point.precision),
                pairs=point.pairs,
            )
            for point in figures.thresholds.points
        ],
    )


def plan_message(plan: Plan) -> pb.SamplePlan:
    """A sample, and the interval to expect of it."""
    return pb.SamplePlan(
        verdicts_per_pair=plan.overlap, pairs=plan.pairs, verdicts=plan.verdicts, width=plan.width
    )


def entered_message(entered: Entered) -> pb.ImportVerdictsResponse:
    """What became of a file of verdicts, without the list of what is in quarantine."""
    reasons = Counter(one.reason for one in entered.quarantine)
    return pb.ImportVerdictsResponse(
        recorded=entered.recorded,
        recorded_before=entered.recorded_before,
        quarantined=len(entered.quarantine),
        reasons=dict(reasons.most_common(MAX_REASONS)),
        notices=entered.notices,
    )


def quarantined_message(one: Quarantined) -> pb.QuarantinedVerdict:
    """Part of a file that is not taken."""
    return pb.QuarantinedVerdict(place=one.place, reason=one.reason)


def _design(design: CampaignDesign) -> pb.CampaignDesign:
    values = design.model_dump(mode="json")
    name = f"SAMPLE_DESIGN_{design.sample_design.name}"
    return pb.CampaignDesign(**(values | {"sample_design": name}))


def _image(image: ShownImage) -> pb.ImageReference:
    return pb.ImageReference(
        digest=image.digest,
        media_type=image.media_type,
        size=image.size,
        width=image.width,
        height=image.height,
    )


def _verdict(verdict: Verdict) -> pb.Verdict:
    alignment, preference = verdict.alignment, verdict.preference
    return pb.Verdict(
        alignment=None if alignment is None else f"ALIGNMENT_{alignment.name}",
        reasons=[f"REASON_{reason.name}" for reason in sorted(verdict.reasons)],
        quality=verdict.quality or 0,
        preference=None if preference is None else f"PREFERENCE_{preference.name}",
        comment=verdict.comment,
    )


def _annotator(one: AnnotatorProgress) -> pb.AnnotatorProgress:
    return pb.AnnotatorProgress(
        annotator=one.annotator,
        is_model=one.is_model,
        verdicts=one.verdicts,
        gold_answered=one.gold_answered,
        gold_right=one.gold_right,
        skipped=one.skipped,
        median_milliseconds=one.median_ms,
        last_time_seconds=one.last_time,
    )


def _estimate(found: Interval | None) -> pb.Estimate | None:
    if found is None:
        return None
    return pb.Estimate(value=found.estimate, low=found.low, high=found.high)
