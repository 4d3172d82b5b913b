"""How a campaign works: what its creator chose, with defaults filled in."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

MAX_SAMPLE = 100_000
"""Most pairs of a campaign."""

MAX_VERDICTS = 200_000
"""Most verdicts that a campaign may want."""

MAX_VERDICTS_PER_PAIR = 20
"""Most verdicts that a campaign may want of a pair."""

MAX_GOLD = 1_000
"""Most gold questions of a campaign."""


class SampleDesign(StrEnum):
    """How the pairs of a campaign are drawn."""

    SIMPLE = "simple"
    STRATIFIED = "stratified"
    BORDERLINE_FIRST = "borderline_first"


class CampaignDesign(BaseModel):
    """How a campaign works.

    Attributes:
        title: Name shown to annotators.
        instructions: What annotators are told to do, plain text.
        sample_design: How pairs are drawn.
        sample_size: Pairs to draw.
        strata: Strata of a stratified sample.
        borderline_score: Weighted score around which a borderline-first sample is drawn; None: the
            lowest of the source.
        verdicts_per_pair: Verdicts wanted of a pair.
        overlap: Share of the pairs that get so many verdicts; the others get one.
        gold_share: Share of gold questions among what an annotator is shown.
        lease_seconds: Seconds after which a leased pair may go to somebody else.
        seed: Seed of everything that is drawn.
        partly_is_true: Whether a pair that is partly right counts as true.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    instructions: str = ""
    sample_design: SampleDesign = SampleDesign.SIMPLE
    sample_size: int
    strata: int = 5
    borderline_score: float | None = None
    verdicts_per_pair: int = 3
    overlap: float = 1.0
    gold_share: float = 0.0
    lease_seconds: int = 600
    seed: int = 0
    partly_is_true: bool = False

    def for_annotators(self) -> "CampaignDesign":
        """The same without what would tell which questions are gold."""
        return self.model_copy(update={"gold_share": 0.0, "seed": 0})
