"""The experiment: its arms, what they claim, its sizes, and how long it takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from synthvlm.yaml_text import load_yaml

ARMS: Final[dict[str, str]] = {
    "best": "the best captions by weighted score, the best image of each",
    "random": "as many captions at random, a random image of each",
    "unselected": "all images that `best` leaves out",
    "all": "all images of the pool",
    "uncurated": "as `best`, from a pool whose captions were not curated",
    "clip": "as `best`, by CLIPScore alone",
    "ssim": "as `best`, by SSIMScore alone",
    "best-drawn": "the captions of `best`, each with a perfect drawing",
    "random-drawn": "the captions of `random`, each with a perfect drawing",
    "matched": "as `best`, but the same share of the captions with each number of things",
    "best-captions": "the captions of `best`, a random image of each",
}
"""What the models of each arm are trained on."""


@dataclass(frozen=True)
class Claim:
    """That the models of one arm answer more questions than those of another."""

    better: str
    than: str
    text: str


CLAIMS: Final = (
    Claim("best", "random", "selection by score beats chance"),
    Claim("best", "unselected", "what was selected beats everything else"),
    Claim("best", "all", "filtering beats keeping all"),
    Claim("best", "uncurated", "curated captions beat uncurated ones"),
    Claim("best", "clip", "both scores beat CLIPScore alone"),
    Claim("best", "ssim", "both scores beat SSIMScore alone"),
    Claim("best-drawn", "random-drawn", "the selected captions alone explain it: the confounder"),
    Claim("matched", "random", "selection beats chance at the same numbers of things"),
    Claim("best", "best-captions", "of the same captions, the best image beats a random one"),
    Claim("best-drawn", "best", "a true image beats the best generated one"),
    Claim("random-drawn", "random", "a true image beats a random generated one"),
)
"""The paper's claims with their controls, the counter-claim among them."""

STAGE_1_STEP, STAGE_2_STEP, EVALUATION, LOADING = 0.34, 0.28, 40.0, 20.0
"""Core seconds, measured with the profile ``mini``: a step of each stage, an evaluation, and
loading libraries and models for both."""

IMAGE: Final = 0.08
"""Core seconds an image, scoring included. The uncurated pool finds most of its images."""


class Design(BaseModel):
    """Sizes of the experiment.

    Attributes:
        captions: Captions of a pool, before curation. Each seed has pools of its own.
        repeats: Images a caption.
        fraction: Share of the curated captions that is selected; all arms but ``unselected`` and
            ``all`` have as many pairs.
        seeds: Repetitions, of pools, choices and trainings.
        image_steps: Denoising steps. So few, with so much guidance, leave a third of the images
            true: a pool in which it matters what is selected.
        guidance_scale: Classifier-free guidance.
        training: Replaces settings of the profile ``mini``; the same for all arms.
        evaluation: As ``training``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    captions: int = Field(default=1000, ge=10)
    repeats: int = Field(default=2, ge=2)
    fraction: float = Field(default=0.4, gt=0, lt=1)
    seeds: int = Field(default=5, ge=2)
    image_steps: int = Field(default=3, ge=1)
    guidance_scale: float = Field(default=4.0, ge=0)
    training: dict[str, Any] = Field(default_factory=dict)
    evaluation: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | None) -> "Design":
        """The design of a YAML file; without one, the design as it is meant."""
        if path is None:
            return cls()
        return cls.model_validate(load_yaml(path.read_text(encoding="utf-8")))

    @property
    def cells(self) -> list[tuple[int, str]]:
        """Every seed with every arm, seed by seed: an interrupted run has whole comparisons."""
        return [(seed, arm) for seed in range(self.seeds) for arm in ARMS]

    def core_seconds(self, pretrain_steps: int, finetune_steps: int) -> float:
        """What the whole experiment takes on one core, by the step costs that were measured."""
        cell = pretrain_steps * STAGE_1_STEP + finetune_steps * STAGE_2_STEP + EVALUATION + LOADING
        pools = self.seeds * self.captions * self.repeats * IMAGE
        return len(self.cells) * cell + pools
