"""Campaigns over the scene world, by simulated annotators."""

import random
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from synthvlm.review.sampling.design import CampaignDesign, SampleDesign
from synthvlm.review.sampling.drawing import draw
from synthvlm.review.statistics.bootstrap import SampleWeights
from synthvlm.review.statistics.dawid_skene import UNKNOWN, Votes
from synthvlm.review.statistics.truth_rate import Scores
from synthvlm.scenes.captions import meaning_of
from synthvlm.scenes.mutate import mutate
from synthvlm.scenes.truth import holds
from synthvlm.scenes.world import sample_scene

VERSION_PAIRS = 20_000
"""Pairs in a version: so many that a sample of some hundreds is as good as one with replacement."""


@dataclass(frozen=True)
class Campaign:
    """How a campaign is made.

    Attributes:
        truth: Share of the version's pairs that are aligned.
        pairs: Pairs in the sample.
        overlap: Verdicts a pair.
        annotators: Number of annotators.
        right: How often an annotator is right, on average.
        spread: Standard deviation of that over annotators.
        gold: Gold pairs that each annotator answers, half of them aligned.
        design: How the sample is drawn: a value of ``SampleDesign``.
    """

    truth: float
    pairs: int = 400
    overlap: int = 3
    annotators: int = 10
    right: float = 0.9
    spread: float = 0.0
    gold: int = 20
    design: str = "simple"


@cache
def world() -> NDArray[np.bool_]:
    """Whether the caption holds, of many scenes, most of them changed after they were described."""
    rng = random.Random(0)
    found = []
    for _ in range(2 * VERSION_PAIRS):
        scene = sample_scene(rng)
        meaning = meaning_of(scene, rng, 2)
        found.append(holds(meaning, scene if rng.random() < 0.4 else mutate(scene, rng)))
    return np.asarray(found)


def version(truth: float) -> NDArray[np.bool_]:
    """A version of ``VERSION_PAIRS`` pairs of the world: whether each is aligned."""
    pool = world()
    aligned = round(truth * VERSION_PAIRS)
    chosen = [
        np.flatnonzero(pool)[:aligned],
        np.flatnonzero(~pool)[: VERSION_PAIRS - aligned],
    ]
    made = pool[np.sort(np.concatenate(chosen))]
    if len(made) != VERSION_PAIRS:
        raise ValueError(f"the world has too few pairs for a truth rate of {truth}")
    return made


def simulate(plan: Campaign, seed: int) -> tuple[Votes, SampleWeights, Scores]:
    """The verdicts of a campaign, its sample, and scores that know a little of what is aligned.

    Gold pairs are twice as many as an annotator answers and follow the sample's.
    """
    rng = np.random.default_rng(seed)
    pairs = version(plan.truth)
    all_scores = 1.2 * pairs + rng.standard_normal(len(pairs))
    design = CampaignDesign(
        title="simulated",
        sample_design=SampleDesign(plan.design),
        sample_size=plan.pairs,
        borderline_score=0.6,
        seed=seed,
    )
    drawn = draw(design, len(pairs), all_scores)
    sampled = pairs[drawn.rows]
    asked = np.argsort(rng.random((plan.pairs, plan.annotators)))[:, : plan.overlap]
    gold = np.arange(2 * plan.gold) % 2 == 1
    answered = np.concatenate(
        [
            plan.pairs + rng.permutation(np.flatnonzero(gold == kind))[: plan.gold // 2]
            for _ in range(plan.annotators)
            for kind in (False, True)
        ]
    )
    truth = np.concatenate([sampled, gold])
    pair = np.concatenate([np.repeat(np.arange(plan.pairs), plan.overlap), answered])
    everyone = np.repeat(np.arange(plan.annotators), plan.gold)
    annotator = np.concatenate([asked.ravel(), everyone])
    skill = np.clip(plan.right + plan.spread * rng.standard_normal((plan.annotators, 2)), 0.6, 0.99)
    right = rng.random(len(pair)) < skill[annotator, truth[pair].astype(int)]
    votes = Votes(
        pair=pair,
        annotator=annotator,
        label=(truth[pair] == right).astype(np.int64),
        truth=np.concatenate([np.full(plan.pairs, UNKNOWN), gold.astype(np.int64)]),
        sampled=np.arange(len(truth)) < plan.pairs,
        annotators=plan.annotators,
    )
    ones = np.ones(len(gold))
    weights = np.concatenate([1 / drawn.inclusion, ones])
    strata = np.concatenate([drawn.strata, ones.astype(np.int64)])
    scores = np.concatenate([all_scores[drawn.rows], ones])
    return votes, SampleWeights(weights, strata), Scores(scores, float(all_scores.mean()))
