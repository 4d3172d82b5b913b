"""The requests of the review service, validated against the limits in the proto."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from synthvlm.review.campaigns.creation import NewCampaign
from synthvlm.review.campaigns.drafts import GoldQuestion
from synthvlm.review.campaigns.views import Entry
from synthvlm.review.exchange.entries import MAX_BYTES
from synthvlm.review.exchange.formats import Format
from synthvlm.review.fields import (
    AlignmentName,
    CampaignId,
    Confidence,
    DesignName,
    EntryId,
    GoldAnswers,
    PairId,
    PreferenceName,
    ReasonName,
    SideName,
    member,
    or_default,
)
from synthvlm.review.sampling.design import (
    MAX_GOLD,
    MAX_SAMPLE,
    MAX_VERDICTS_PER_PAIR,
    CampaignDesign,
    SampleDesign,
)
from synthvlm.review.statistics.sample_size import (
    MAX_PAIRS,
    OVERLAPS,
    Annotators,
    Plan,
    plans,
    plans_of,
)
from synthvlm.review.verdicts import Alignment, Preference, Reason, Side, Verdict
from synthvlm.serving.fields import (
    PageToken,
    RequestId,
    RequestModel,
    Seed,
    ShardRefField,
    ShardStoreField,
    Utf8,
    violation,
)

MAX_REQUEST_BYTES = 20 * 2**20
"""Most bytes of an encoded request: a thousand gold questions with their captions."""

MAX_CAPTION_BYTES = 16_384
_DAY_SECONDS = 86_400


class CampaignDesignMessage(RequestModel):
    """``CampaignDesign``."""

    title: Annotated[str, Utf8(200, min_bytes=1)]
    instructions: Annotated[str, Utf8(10_000)]
    sample_design: DesignName
    sample_size: Annotated[int, Field(ge=1, le=MAX_SAMPLE)]
    strata: Annotated[int, Field(ge=0, le=50)]
    borderline_score: float | None
    verdicts_per_pair: Annotated[int, Field(ge=0, le=MAX_VERDICTS_PER_PAIR)]
    overlap: Annotated[float, Field(ge=0, le=1)] | None
    gold_share: Annotated[float, Field(ge=0, le=0.5)]
    lease_seconds: Annotated[int, Field(ge=0, le=_DAY_SECONDS)]
    seed: Seed
    partly_is_true: bool

    @model_validator(mode="after")
    def _is_large_enough(self) -> "CampaignDesignMessage":
        if self.strata == 1:
            raise violation("must be 2 to 50, or 0 for 5", "strata")
        if 0 < self.lease_seconds < 10:
            raise violation("must be 10 to 86400, or 0 for 600", "lease_seconds")
        return self

    def design(self) -> CampaignDesign:
        """The design with its defaults."""
        given: dict[str, Any] = {
            "strata": self.strata or None,
            "verdicts_per_pair": self.verdicts_per_pair or None,
            "overlap": self.overlap,
            "lease_seconds": self.lease_seconds or None,
        }
        name = "SIMPLE" if self.sample_design == "UNSPECIFIED" else self.sample_design
        return CampaignDesign(
            title=self.title,
            instructions=self.instructions,
            sample_design=SampleDesign[name],
            sample_size=self.sample_size,
            borderline_score=self.borderline_score,
            gold_share=self.gold_share,
            seed=self.seed,
            partly_is_true=self.partly_is_true,
            **{key: value for key, value in given.items() if value is not None},
        )


class GoldQuestionMessage(RequestModel):
    """``GoldQuestion``."""

    image_id: Annotated[str, Utf8(128, min_bytes=1)]
    alignment: Annotated[Literal["YES", "NO"], member("ALIGNMENT")]
    caption: Annotated[str, Utf8(MAX_CAPTION_BYTES)]

    def question(self) -> GoldQuestion:
        """The question in the domain's terms."""
        return GoldQuestion(self.image_id, Alignment[self.alignment], self.caption)


class CreateCampaign(RequestModel):
    """``CreateCampaignRequest``."""

    store: ShardStoreField
    source: ShardRefField
    compared: ShardRefField | None
    design: CampaignDesignMessage
    gold: Annotated[list[GoldQuestionMessage], Field(max_length=MAX_GOLD)]
    request_id: RequestId

    @model_validator(mode="after")
    def _gold_fits(self) -> "CreateCampaign":
        if self.design.gold_share and not self.gold:
            raise violation("needs gold questions to take a share of", "design.gold_share")
        if self.gold and self.compared is not None:
            raise violation("must be empty: a comparison has no right answers", "gold")
        if len({(one.image_id, one.caption) for one in self.gold}) < len(self.gold):
            raise violation("asks the same question twice", "gold")
        return self

    def campaign(self) -> NewCampaign:
        """What is asked for in the domain's terms."""
        return NewCampaign(
            store=self.store,
            source=self.source,
            design=self.design.design(),
            compared=self.compared,
            gold=[one.question() for one in self.gold],
            request_id=self.request_id,
        )


class OneCampaign(RequestModel):
    """The requests that only name a campaign."""

    campaign_id: CampaignId


class ListCampaigns(RequestModel):
    """``ListCampaignsRequest``."""

    page_size: Annotated[int, Field(ge=0, le=1_000)]
    page_token: PageToken


class LeasePairs(RequestModel):
    """``LeasePairsRequest``."""

    campaign_id: CampaignId
    count: Annotated[int, Field(ge=0, le=100)]


class VerdictMessage(RequestModel):
    """``Verdict``."""

    alignment: AlignmentName
    reasons: Annotated[list[ReasonName], Field(max_length=len(Reason))]
    quality: Annotated[int, Field(ge=0, le=5)]
    preference: PreferenceName
    comment: Annotated[str, Utf8(2_000)]

    def verdict(self) -> Verdict:
        """The verdict in the domain's terms."""
        return Verdict(
            alignment=None if self.alignment == "UNSPECIFIED" else Alignment[self.alignment],
            reasons=frozenset(Reason[name] for name in self.reasons),
            quality=self.quality or None,
            preference=None if self.preference == "UNSPECIFIED" else Preference[self.preference],
            comment=self.comment,
        )


class SubmittedVerdictMessage(RequestModel):
    """``SubmittedVerdict``."""

    pair_id: PairId
    request_id: EntryId
    verdict: VerdictMessage | None
    retract: bool
    duration_milliseconds: Annotated[int, Field(ge=0, le=_DAY_SECONDS * 1_000)]

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> "SubmittedVerdictMessage":
        if self.retract == (self.verdict is not None):
            problem = "must be unset where retract is set" if self.retract else "is required"
            raise violation(problem, "verdict")
        return self

    def entry(self) -> Entry:
        """The entry in the domain's terms."""
        verdict = None if self.verdict is None else self.verdict.verdict()
        return Entry(self.pair_id, self.request_id, verdict, self.duration_milliseconds)


class SubmitVerdicts(RequestModel):
    """``SubmitVerdictsRequest``."""

    campaign_id: CampaignId
    verdicts: Annotated[list[SubmittedVerdictMessage], Field(min_length=1, max_length=100)]


class SkipPairs(RequestModel):
    """``SkipPairsRequest``."""

    campaign_id: CampaignId
    pair_ids: Annotated[list[PairId], Field(min_length=1, max_length=100)]


class ListMyVerdicts(RequestModel):
    """``ListMyVerdictsRequest``."""

    campaign_id: CampaignId
    page_size: Annotated[int, Field(ge=0, le=100)]
    page_token: PageToken


class ListDisagreements(RequestModel):
    """``ListDisagreementsRequest``."""

    campaign_id: CampaignId
    include_settled: bool
    page_size: Annotated[int, Field(ge=0, le=100)]
    page_token: PageToken


class Adjudicate(RequestModel):
    """``AdjudicateRequest``."""

    campaign_id: CampaignId
    pair_id: PairId
    decision: VerdictMessage
    request_id: EntryId


class GetStatistics(RequestModel):
    """``GetStatisticsRequest``."""

    campaign_id: CampaignId
    confidence: Confidence


class ImportVerdicts(RequestModel):
    """``ImportVerdictsRequest``."""

    campaign_id: CampaignId
    format: Annotated[Literal["CSV", "PARQUET", "LABEL_STUDIO"], member("VERDICT_FORMAT")]
    content: Annotated[bytes, Field(min_length=1, max_length=MAX_BYTES)]

    @property
    def form(self) -> Format:
        """The format in the domain's terms."""
        return Format[self.format]


class PlanSample(RequestModel):
    """``PlanSampleRequest``."""

    truth_rate: Annotated[float, or_default(0.001, 0.999, 0.9)]
    width: Annotated[float, Field(ge=0, lt=1)]
    pairs: Annotated[int, Field(ge=0, le=MAX_PAIRS)]
    sensitivity: Annotated[float, or_default(0.5, 0.999, 0.9)]
    specificity: Annotated[float, or_default(0.5, 0.999, 0.9)]
    gold_true: GoldAnswers
    gold_false: GoldAnswers
    confidence: Confidence
    verdicts_per_pair: Annotated[
        list[Annotated[int, Field(ge=1, le=MAX_VERDICTS_PER_PAIR)]],
        Field(max_length=MAX_VERDICTS_PER_PAIR),
    ]
    overlap: Annotated[float, Field(ge=0, le=1)] | None

    @model_validator(mode="after")
    def _asks_one_thing(self) -> "PlanSample":
        if (self.width > 0) == (self.pairs > 0):
            raise violation("is needed unless pairs is given, and only then", "width")
        if 0 < self.width < 0.001:
            raise violation("must be 0.001 or more", "width")
        if self.sensitivity + self.specificity < 1.1:
            raise violation("and sensitivity must add up to 1.1 or more", "specificity")
        return self

    def plans(self) -> list[Plan]:
        """What is asked for."""
        annotators = Annotators(self.sensitivity, self.specificity, self.gold_true, self.gold_false)
        overlaps = sorted(set(self.verdicts_per_pair)) or OVERLAPS
        share = 1.0 if self.overlap is None else self.overlap
        if self.width:
            return plans(
                self.truth_rate,
                self.width,
                annotators,
                overlaps=overlaps,
                share=share,
                confidence=self.confidence,
            )
        return plans_of(
            self.truth_rate,
            self.pairs,
            annotators,
            overlaps=overlaps,
            share=share,
            confidence=self.confidence,
        )


class GetImage(RequestModel):
    """``GetImageRequest``."""

    campaign_id: CampaignId
    pair_id: PairId
    side: SideName

    @property
    def shown(self) -> Side:
        """The side; the left one unless it is said."""
        return Side.LEFT if self.side == "UNSPECIFIED" else Side[self.side]
