"""The figures of a campaign for its owner, from the verdicts as they stand."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from synthvlm.review.results.judged import (
    GivenVerdict,
    JudgedPair,
    preferences_of,
    table_of,
    votes_of,
    weights_of,
)
from synthvlm.review.results.model_agreement import agreement_with_people
from synthvlm.review.statistics.agreement import Agreement, fleiss_kappa, krippendorff_alpha
from synthvlm.review.statistics.bootstrap import CONFIDENCE, Interval, relative_weights, wilson
from synthvlm.review.statistics.calibration import Curve
from synthvlm.review.statistics.dawid_skene import Fit, Votes, fit
from synthvlm.review.statistics.joint import rate_and_curve
from synthvlm.review.statistics.preference import preference_rate
from synthvlm.review.statistics.truth_rate import ACCEPTED, REJECTED, Scores, TruthRate, truth_rate


@dataclass(frozen=True)
class AnnotatorFigures:
    """How good an annotator is.

    Attributes:
        annotator: Their name.
        verdicts: Verdicts on pairs of the sample.
        gold_answered: Gold questions answered.
        gold_right: Gold questions answered rightly.
        gold_interval: 95% interval (Wilson) of the share that is right; None without answers.
        sensitivity: Estimated probability of calling a true pair true.
        specificity: Estimated probability of calling a false pair false.
    """

    annotator: str
    verdicts: int
    gold_answered: int
    gold_right: int
    gold_interval: tuple[float, float] | None
    sensitivity: float
    specificity: float


@dataclass(frozen=True)
class Figures:
    """What the verdicts of people say; gold questions count for annotators alone.

    Attributes:
        judged_pairs: Pairs with a verdict.
        verdicts: Number of verdicts by alignment or preference, by its name in lower case.
        reasons: Number of verdicts that give a reason, by its name in lower case.
        alpha: Krippendorff's alpha: ordinal for alignment, nominal for preferences.
        quality_alpha: Krippendorff's alpha (ordinal) of the quality.
        fleiss: Fleiss' kappa of the alignment or the preferences.
        truth: The truth rate; None in a comparison.
        thresholds: What thresholds of the weighted score would give; empty in a comparison, and
            where there are no scores.
        preference: The share in which the source is preferred; None unless two are compared.
        annotators: All annotators, by name; none in a comparison or before the first verdict.
        disagreements: Pairs that people judged differently, in the order of the pairs.
        probabilities: Probability that a judged pair is true, by pair; empty in a comparison.
        models: Alpha (ordinal) of each model with the people, by the model's name.
    """

    judged_pairs: int
    verdicts: dict[str, int]
    reasons: dict[str, int]
    alpha: Agreement
    quality_alpha: Agreement
    fleiss: Agreement
    truth: TruthRate | None
    thresholds: Curve
    preference: Interval | None
    annotators: list[AnnotatorFigures]
    disagreements: list[int]
    probabilities: dict[int, float]
    models: dict[str, Agreement]


def figures_of(
    pairs: Sequence[JudgedPair],
    given: Sequence[GivenVerdict],
    *,
    models: Collection[str] = (),
    compared: bool = False,
    partly_is_true: bool = False,
    mean_score: float | None = None,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Figures:
    """Computes the figures.

    Args:
        pairs: All pairs of the campaign, gold questions included.
        given: The verdicts as they stand.
        models: Annotators that are models, whose verdicts count as nobody's.
        compared: Whether two images are compared.
        partly_is_true: Whether a pair that is partly right counts as true.
        mean_score: Mean score of all pairs that the sample was drawn from; None: unknown.
        confidence: How often intervals are to contain the truth.
        seed: Seed of the bootstrap.
    """
    sampled = {pair.pair for pair in pairs if pair.expected is None}
    people = [one for one in given if one.annotator not in models]
    own = [one for one in people if one.pair in sampled]
    field = "preference" if compared else "alignment"
    table = table_of(own, field)
    truth, probabilities = None, {}
    curve = Curve((), "there is nothing to set a threshold of")
    annotators: list[AnnotatorFigures] = []
    if not compared:
        votes, names = votes_of(pairs, people, partly_is_true=partly_is_true)
        scores = _scores(pairs, mean_score)
        weights = weights_of(pairs)
        if scores is None:
            truth = truth_rate(votes, weights, confidence=confidence, seed=seed)
        else:
            truth, curve = rate_and_curve(votes, weights, scores, confidence=confidence, seed=seed)
    if own and not compared:
        seen = {one.pair for one in people}
        judged = [pair for pair in pairs if pair.pair in seen]
        votes, names = votes_of(judged, people, partly_is_true=partly_is_true)
        fitted = fit(votes, relative_weights(votes, weights_of(judged))[:, None])
        annotators = _annotators(votes, names, fitted)
        probabilities = {
            pair.pair: float(probability)
            for pair, probability in zip(judged, fitted.posterior[ACCEPTED, :, 0], strict=True)
            if pair.expected is None
        }
    values = [getattr(one.verdict, field) for one in own]
    return Figures(
        judged_pairs=len({one.pair for one in own}),
        verdicts=dict(sorted(Counter(v.name.lower() for v in values if v is not None).items())),
        reasons=dict(
            sorted(Counter(r.name.lower() for o in own for r in o.verdict.reasons).items())
        ),
        alpha=krippendorff_alpha(table, "nominal" if compared else "ordinal"),
        quality_alpha=krippendorff_alpha(table_of(own, "quality"), "ordinal"),
        fleiss=fleiss_kappa(table),
        truth=truth,
        thresholds=curve,
        preference=preference_rate(*preferences_of(pairs, own), confidence) if compared else None,
        annotators=annotators,
        disagreements=_disagreements(pairs, own, field),
        probabilities=probabilities,
        models={
            model: agreement_with_people(
                [one for one in given if one.annotator == model and one.pair in sampled], own
            )
            for model in sorted(models)
        },
    )


def _scores(pairs: Sequence[JudgedPair], mean: float | None) -> Scores | None:
    """The scores, if all pairs of the sample have one."""
    if mean is None or any(pair.score is None and pair.expected is None for pair in pairs):
        return None
    return Scores(np.array([pair.score or 0.0 for pair in pairs]), mean)


def _annotators(votes: Votes, names: Sequence[str], fitted: Fit) -> list[AnnotatorFigures]:
    confusion = fitted.confusion[..., 0]
    on_gold = ~votes.sampled[votes.pair]
    right = votes.label == votes.truth[votes.pair]
    found = []
    for number, name in enumerate(names):
        own = votes.annotator == number
        answered, correct = int((own & on_gold).sum()), int((own & on_gold & right).sum())
        found.append(
            AnnotatorFigures(
                annotator=name,
                verdicts=int((own & ~on_gold).sum()),
                gold_answered=answered,
                gold_right=correct,
                gold_interval=wilson(correct / answered, answered) if answered else None,
                sensitivity=float(confusion[number, ACCEPTED, ACCEPTED]),
                specificity=float(confusion[number, REJECTED, REJECTED]),
            )
        )
    return found


def _disagreements(
    pairs: Sequence[JudgedPair], own: Sequence[GivenVerdict], field: str
) -> list[int]:
    said: defaultdict[int, set[int]] = defaultdict(set)
    for one in own:
        value = getattr(one.verdict, field)
        if value is not None:
            said[one.pair].add(value)
    return [pair.pair for pair in pairs if len(said[pair.pair]) > 1]
