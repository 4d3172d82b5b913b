"""Random moments of a run, and which two processes to kill then."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from synthvlm.local.words import WORDS
from synthvlm_pipelines.state import LOOPED, STAGES
from tests.e2e.victims import VICTIMS

START = "start"
"""The time before the first stage: the services load their models."""

MOMENTS = (START, *STAGES)

_PAUSE_SECONDS = 0.5
"""Longest time between the two: the run is being ended because of the first meanwhile."""


@dataclass(frozen=True)
class Aim:
    """Two kills to come, one shortly after the other.

    Attributes:
        stage: The stage after whose beginning it comes, or ``start``.
        shard: On which shard that stage begins.
        fraction: How late it is, as a part of the time up to the shard's next stage.
        victims: Two of ``VICTIMS``. The command comes second: what it started ends with it.
        pause: Seconds between the kills.
    """

    stage: str
    shard: int
    fraction: float
    victims: tuple[str, str]
    pause: float

    def delay(self, spans: Mapping[tuple[str, int], float]) -> float:
        """Seconds after the stage's beginning, given the spans of an undisturbed run."""
        return self.fraction * spans[self.stage, self.shard]


def draw_aims(rng: random.Random, number: int, shards: int) -> list[Aim]:
    """Aims at one run, in the order of its stages: so each meets work that is yet to be done."""
    aims = [_draw(rng, shards) for _ in range(number)]
    return sorted(aims, key=lambda aim: (MOMENTS.index(aim.stage), aim.fraction))


def _draw(rng: random.Random, shards: int) -> Aim:
    stage = rng.choice(MOMENTS)
    shard = rng.randrange(shards) if stage in LOOPED else 0
    victims = ("command", *WORDS) if stage == START else VICTIMS
    first, second = sorted(rng.sample(victims, 2), key="command".__eq__)
    return Aim(stage, shard, rng.random(), (first, second), rng.random() * _PAUSE_SECONDS)
