"""What the domain answers: campaigns, pairs as they are shown, progress and statistics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from synthvlm.review.campaigns.models import CampaignState
from synthvlm.review.sampling.design import CampaignDesign
from synthvlm.review.verdicts import Verdict
from synthvlm.storage import ShardRef


@dataclass(frozen=True)
class CampaignView:
    """A campaign. Fields as in the proto; ``row`` is its place in lists."""

    row: int
    campaign_id: str
    state: CampaignState
    design: CampaignDesign
    store_uri: str
    source: ShardRef
    compared: ShardRef | None
    pairs: int
    wanted: int
    done: int
    create_time: int
    review_set: ShardRef | None


@dataclass(frozen=True)
class ShownImage:
    """An image as an annotator is told of it; its digest never changes."""

    digest: str
    media_type: str
    size: int
    width: int
    height: int


@dataclass(frozen=True)
class ShownPair:
    """A pair as an annotator sees it: nothing tells a gold question from another.

    Attributes:
        image: The image, or the left one of a comparison.
        right: The right image of a comparison.
    """

    pair_id: int
    caption: str
    image: ShownImage
    right: ShownImage | None = None


@dataclass(frozen=True)
class Leased:
    """What an annotator holds, in the order in which it is to be judged.

    Attributes:
        seconds: Until the first lease expires.
    """

    pairs: Sequence[ShownPair]
    seconds: int


@dataclass(frozen=True)
class Entry:
    """What an annotator sends on a pair.

    Attributes:
        request_id: The annotator's id of this entry.
        verdict: The opinion; None takes it back.
        duration_ms: Milliseconds spent on the pair; 0: unknown.
    """

    pair_id: int
    request_id: str
    verdict: Verdict | None
    duration_ms: int = 0


class Outcome(IntEnum):
    """What became of an entry, with the proto's numbers."""

    RECORDED = 1
    RECORDED_BEFORE = 2
    REFUSED = 3


@dataclass(frozen=True)
class Submitted:
    """What became of entries, in their order, and how many pairs their annotator has judged."""

    outcomes: Sequence[Outcome]
    judged: int


@dataclass(frozen=True)
class MyVerdict:
    """A pair with its annotator's own verdict as it stands; ``row`` is its place in the list."""

    row: int
    pair: ShownPair
    verdict: Verdict
    record_time: int


@dataclass(frozen=True)
class Disagreement:
    """A pair that people judged differently; ``row`` is its place in the list, from 1.

    Attributes:
        verdicts: By annotator.
        decision: The adjudicator's, if it is settled.
    """

    row: int
    pair: ShownPair
    verdicts: Mapping[str, Verdict]
    decision: Verdict | None


@dataclass(frozen=True)
class AnnotatorProgress:
    """What one annotator has done. Fields as in the proto."""

    annotator: str
    is_model: bool
    verdicts: int
    gold_answered: int
    gold_right: int
    skipped: int
    median_ms: int
    last_time: int


@dataclass(frozen=True)
class Progress:
    """How far a campaign is. Fields as in the proto."""

    campaign: CampaignView
    complete_pairs: int
    leased: int
    disagreements: int
    settled: int
    annotators: Sequence[AnnotatorProgress]


@dataclass(frozen=True)
class Image:
    """An encoded image."""

    data: bytes
    media_type: str
    digest: str
