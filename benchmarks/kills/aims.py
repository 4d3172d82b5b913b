"""Random moments of a run, and whom to kill then."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from synthvlm.cli.run.state import LOOPED, STAGES
from synthvlm.local.words import WORDS
from tests.e2e.victims import VICTIMS

START = "start"
"""The time before the first stage: the services load their models."""

MOMENTS = (START, *STAGES)


@dataclass(frozen=True)
class Aim:
    """A kill to come.

    Attributes:
        stage: The stage after whose beginning it comes, or ``start``.
        shard: On which shard that stage begins.
        fraction: How late it is, as a part of the time up to the shard's next stage.
        victim: One of ``VICTIMS``.
    """

    stage: str
    shard: int
    fraction: float
    victim: str

    def delay(self, spans: Mapping[tuple[str, int], float]) -> float:
        """Seconds after the stage's beginning, given the spans of an undisturbed run."""
        return self.fraction * spans[self.stage, self.shard]


def draw_aims(rng: random.Random, kills: int, shards: int) -> list[Aim]:
    """Aims at one run, in the order of its stages: so each meets work that is yet to be done."""
    aims = [_draw(rng, shards) for _ in range(kills)]
    return sorted(aims, key=lambda aim: (MOMENTS.index(aim.stage), aim.fraction))


def _draw(rng: random.Random, shards: int) -> Aim:
    stage = rng.choice(MOMENTS)
    shard = rng.randrange(shards) if stage in LOOPED else 0
    victims = ("command", *WORDS) if stage == START else VICTIMS
    return Aim(stage, shard, rng.random(), rng.choice(victims))
