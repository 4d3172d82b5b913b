"""Everything that the page shows, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from synthvlm.caption_mix import Shift
from synthvlm.evaluation.results import EvaluationRecord
from synthvlm.report.bill import RunCost
from synthvlm.report.record import StageTiming, Verification, VersionRecord

SCORES = {
    "clip_score": "CLIPScore",
    "ssim_score": "SSIMScore",
    "weighted_score": "Weighted score",
}
"""The scores by the names of their columns, in the order in which the page shows them."""


@dataclass(frozen=True)
class DroppedCaption:
    """A caption that curation dropped.

    Attributes:
        text: The caption, cut to what the page shows.
        value: The statistic by which it was dropped; None if the rule's statistic is not known.
        also: Further rules that would have dropped it.
    """

    text: str
    value: float | None
    also: Sequence[str] = ()


@dataclass(frozen=True)
class FilterDrops:
    """What one rule of the recipe dropped that no earlier rule had.

    Attributes:
        rule: Data-Juicer's name of the filter.
        records: Captions.
        statistic: Data-Juicer's name of the statistic; empty when not known.
        limits: The least and the largest value that is kept; None: no limit.
        examples: Some of the captions.
    """

    rule: str
    records: int
    statistic: str
    limits: tuple[float | None, float | None]
    examples: Sequence[DroppedCaption]


@dataclass(frozen=True)
class QuarantinedRecord:
    """A record that is not a caption: file, line or record number from 1, and its beginning."""

    file: str
    line: int
    excerpt: str


@dataclass(frozen=True)
class QuarantineReason:
    """Records quarantined for one reason, with some of them."""

    reason: str
    records: int
    examples: Sequence[QuarantinedRecord]


@dataclass(frozen=True)
class Counts:
    """The funnel.

    Attributes:
        read: Records read.
        pooled: Captions imported: read, less quarantined.
        kept: Captions that curation kept.
        generated: Images.
        scored: Images with scores.
        captioned: Captions with at least one scored image.
        selected: Pairs.
        truncated_prompts: Images whose caption was longer than the text encoders' window.
        generation_failed: Images that could not be made, by reason.
        scoring_failed: Images that could not be scored, by reason.
    """

    read: int
    pooled: int
    kept: int
    generated: int
    scored: int
    captioned: int
    selected: int
    truncated_prompts: int = 0
    generation_failed: dict[str, int] = field(default_factory=dict)
    scoring_failed: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Histogram:
    """Distribution of a score.

    Attributes:
        low: Left edge of the first bin.
        width: Width of every bin.
        everything: Images by bin.
        selected: Selected pairs by bin, all of which are among ``everything``.
    """

    low: float
    width: float
    everything: Sequence[int]
    selected: Sequence[int]


@dataclass(frozen=True)
class Summary:
    """Mean, median, least and largest of a score; all 0 when there are none."""

    mean: float
    median: float
    least: float
    largest: float


@dataclass(frozen=True)
class Distribution:
    """A score over all images and over the selected pairs.

    Attributes:
        column: The score's column.
        everything: Summary of all images.
        selected: Summary of the selected pairs.
        threshold: The lowest selected value, for the score that decided; else None.
    """

    column: str
    histogram: Histogram
    everything: Summary
    selected: Summary
    threshold: float | None


@dataclass(frozen=True)
class PairCard:
    """An image with its caption.

    Attributes:
        image: The image as a ``data:`` URI, scaled down where it is large.
        width: Pixels of ``image``.
        height: Pixels of ``image``.
        caption: The caption, cut to what the page shows.
        repeat: Which of its caption's images it is, from 0.
        scores: The scores by column.
        selected: Whether the image is part of the version.
        rank: Its rank among the selected pairs, from 1; None when it is not selected.
    """

    image: str
    width: int
    height: int
    caption: str
    image_id: str
    repeat: int
    scores: dict[str, float]
    selected: bool
    rank: int | None


@dataclass(frozen=True)
class Gallery:
    """Pairs that show what the selection does.

    Attributes:
        best: The best selected pairs, best first.
        last_selected: The selected pairs next to the threshold, nearest to it last.
        first_rejected: The best images of captions that were not selected, best first.
        worst: The worst images of all, worst first.
        repeats: All images of some captions, the best of each first.
    """

    best: Sequence[PairCard]
    last_selected: Sequence[PairCard]
    first_rejected: Sequence[PairCard]
    worst: Sequence[PairCard]
    repeats: Sequence[Sequence[PairCard]]


@dataclass(frozen=True)
class ShardRow:
    """One shard of the run: captions kept, images and scores, and the digests of all three."""

    captions: int
    images: int
    scores: int
    caption_digest: str
    image_digest: str
    score_digest: str


@dataclass(frozen=True)
class MixShift:
    """How selection shifts the mix of captions: shares of those kept by curation, and selected.

    Attributes:
        mean_words: Mean number of words of a caption, before and after.
        lengths: By number of words.
        things: By number of things, where captions are of the scene world.
        words: The words whose share changed most.
        clusters: By cluster of captions that are alike; where selection was within clusters, by
            these.
    """

    mean_words: tuple[float, float]
    lengths: Sequence[Shift]
    things: Sequence[Shift]
    words: Sequence[Shift]
    clusters: Sequence[Shift]


@dataclass(frozen=True)
class CurvePoint:
    """The loss at a step, and the learning rate there."""

    step: int
    loss: float
    learning_rate: float


@dataclass(frozen=True)
class StageCurve:
    """How a stage of the training went.

    Attributes:
        stage: ``pretrain`` or ``finetune``.
        samples_per_second: Median over the stage, all processes together; None if not recorded.
        padding: Mean share of padding in what was computed, 0 to 1; None if not recorded.
    """

    stage: str
    points: Sequence[CurvePoint]
    samples_per_second: float | None
    padding: float | None


@dataclass(frozen=True)
class QuestionCard:
    """A question about a picture, what the model answered, and the truth.

    Attributes:
        image: The picture as a ``data:`` URI.
        width: Pixels of ``image``.
        height: Pixels of ``image``.
        kind: What the question asks for.
        things: Number of things in the picture.
        right: Whether the answer is the truth.
        unseen: What the model answers without the picture; empty where it was not asked so.
    """

    image: str
    width: int
    height: int
    question: str
    answer: str
    truth: str
    kind: str
    things: str
    right: bool
    unseen: str = ""


@dataclass(frozen=True)
class EvaluationPart:
    """What the page shows of an evaluation: its record, and some of the questions, by kind."""

    record: EvaluationRecord
    questions: Sequence[QuestionCard]


@dataclass(frozen=True)
class RunReport:
    """Everything that the page shows.

    Attributes:
        finished: When the version was committed.
        stages: Timings in the order of the chain.
        quarantine: Quarantined records by reason, most frequent first.
        filters: Dropped captions by filter, in the recipe's order as far as it is known.
        distributions: The scores' distributions, in the order of ``SCORES``.
        digests: Digests by what they identify: models, selection, version.
        configuration: The run's configuration by dotted key.
        mix: How selection shifted the mix of captions; None where nothing was selected.
        curves: The stages of the training, in order; none without a model.
        evaluation: The evaluation of the model; None for none.
        verification: What people said of the pairs; None if nobody was asked.
        cost: What the run took.
    """

    version: VersionRecord
    profile: str
    started: datetime
    finished: datetime
    stages: Sequence[StageTiming]
    counts: Counts
    quarantine: Sequence[QuarantineReason]
    filters: Sequence[FilterDrops]
    distributions: Sequence[Distribution]
    gallery: Gallery
    digests: dict[str, str]
    configuration: dict[str, Any]
    shards: Sequence[ShardRow]
    mix: MixShift | None = None
    curves: Sequence[StageCurve] = ()
    evaluation: EvaluationPart | None = None
    verification: Verification | None = None
    cost: RunCost | None = None
