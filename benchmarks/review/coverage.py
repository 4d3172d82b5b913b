"""How often intervals of the truth rate contain the truth, and how wide they are.

    python -m benchmarks.review.coverage --campaigns 1000

Campaigns over the scene world whose truth is known, by simulated annotators; prints a Markdown
table with the interval of the review service beside the alternatives. Exits with an error if the
coverage of the first leaves 93.5% to 96.5% (with 1,000 campaigns, chance alone moves it by 0.7
points).
"""

import argparse
import os
import sys
import time
from dataclasses import replace

import numpy as np
from scipy.stats import norm

from benchmarks.review.simulated import Campaign, simulate
from synthvlm.review.sampling.design import SampleDesign
from synthvlm.review.statistics.bootstrap import SampleWeights, wilson
from synthvlm.review.statistics.dawid_skene import Votes
from synthvlm.review.statistics.truth_rate import Scores, truth_rate

BAND = (0.935, 0.965)
Z = float(norm.ppf(0.975))

OURS = "Dawid-Skene with gold, bootstrap SE on the logit scale"
POWERED = "the same, with the scores of all pairs"
PLAIN = "the same, plus and minus 1.96 SE"

Ends = tuple[float, float]


def intervals(votes: Votes, sample: SampleWeights, scores: Scores, seed: int) -> dict[str, Ends]:
    """The intervals of all methods for a campaign."""
    rate = truth_rate(votes, sample, scores, seed=seed)
    if rate.interval is None or rate.with_scores is None:
        raise ValueError(rate.reason)
    sampled = votes.sampled[votes.pair]
    pair, label = votes.pair[sampled], votes.label[sampled]
    accepted = np.bincount(pair, label) / np.bincount(pair)
    first = label[np.unique(pair, return_index=True)[1]]
    centre, reach = rate.interval.estimate, Z * rate.interval.standard_error
    return {
        OURS: (rate.interval.low, rate.interval.high),
        POWERED: (rate.with_scores.low, rate.with_scores.high),
        PLAIN: (centre - reach, centre + reach),
        "Rogan-Gladen, one verdict a pair, all gold": rogan_gladen(votes, float(first.mean())),
        "Wilson on the majority": wilson(float((accepted > 0.5).mean()), len(accepted)),
        "Wilson on one verdict": wilson(float(first.mean()), len(first)),
    }


def rogan_gladen(votes: Votes, share: float) -> Ends:
    """Rogan and Gladen's estimate with the interval of Lang and Reiczigel (2014)."""
    pairs = votes.sampled.sum()
    gold = ~votes.sampled[votes.pair]
    label, truth = votes.label[gold], votes.truth[votes.pair[gold]]
    count = [(truth == 1).sum(), (truth == 0).sum()]
    right = [((label == k) & (truth == k)).sum() for k in (1, 0)]
    share = (pairs * share + Z**2 / 2) / (pairs + Z**2)
    sensitivity, specificity = ((r + 1) / (c + 2) for r, c in zip(right, count, strict=True))
    youden = sensitivity + specificity - 1
    rate = (share + specificity - 1) / youden
    spread = [sensitivity * (1 - sensitivity), specificity * (1 - specificity)]
    shift = 2 * Z**2 * (rate * spread[0] / count[0] - (1 - rate) * spread[1] / count[1])
    variance = (
        share * (1 - share) / (pairs + Z**2)
        + rate**2 * spread[0] / (count[0] + 2)
        + (1 - rate) ** 2 * spread[1] / (count[1] + 2)
    )
    reach = Z * np.sqrt(variance) / youden
    return max(0.0, float(rate + shift - reach)), min(1.0, float(rate + shift + reach))


def measure(plan: Campaign, campaigns: int) -> dict[str, tuple[float, float]]:
    """Coverage and mean width of each method."""
    found: dict[str, list[tuple[bool, float]]] = {}
    for seed in range(campaigns):
        for name, (low, high) in intervals(*simulate(plan, seed), seed).items():
            found.setdefault(name, []).append((low <= plan.truth <= high, high - low))
    return {name: tuple(np.mean(each, axis=0)) for name, each in found.items()}


def main() -> int:
    """Runs the campaigns and prints the table."""
    parser = argparse.ArgumentParser(description="coverage of the truth rate's intervals")
    parser.add_argument("--campaigns", type=int, default=1000)
    parser.add_argument("--truth", type=float, nargs="+", default=[0.91, 0.8, 0.6])
    for field in ("pairs", "overlap", "annotators", "gold"):
        parser.add_argument(f"--{field}", type=int, default=getattr(Campaign(0.5), field))
    parser.add_argument("--design", choices=list(SampleDesign), default=SampleDesign.SIMPLE)
    for field in ("right", "spread"):
        parser.add_argument(f"--{field}", type=float, default=getattr(Campaign(0.5), field))
    options = vars(parser.parse_args())
    campaigns, truths = options.pop("campaigns"), options.pop("truth")
    plan = Campaign(truth=0.5, **options)
    print(f"{plan}, {campaigns} campaigns a truth rate, {os.cpu_count()} cores")
    begin = time.perf_counter()
    tables = [measure(replace(plan, truth=truth), campaigns) for truth in truths]
    print(f"{time.perf_counter() - begin:.0f} s\n")
    print("| method |" + "".join(f" truth {truth:.0%} |" for truth in truths))
    print("|---|" + "---|" * len(truths))
    for name in tables[0]:
        cells = "".join(f" {t[name][0]:.1%}, {100 * t[name][1]:.1f} |" for t in tables)
        print(f"| {name} |{cells}")
    return 0 if all(BAND[0] <= t[OURS][0] <= BAND[1] for t in tables) else 1


if __name__ == "__main__":
    sys.exit(main())
