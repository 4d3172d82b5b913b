"""The owner's figures, from the verdicts as they stand."""

import numpy as np
import pytest

from synthvlm.review.results import figures
from synthvlm.review.results.judged import GivenVerdict, JudgedPair, preferences_of
from synthvlm.review.statistics import preference
from synthvlm.review.verdicts import Alignment, Preference, Reason, Verdict

YES, PARTLY, NO = Alignment
PAIRS, GOLD = 120, 30
PEOPLE = ("ann", "bob", "eva")


def figures_of(*arguments, **options):
    return figures.figures_of(*arguments, **options)


def preference_rate(pairs, given):
    return preference.preference_rate(*preferences_of(pairs, given))


@pytest.fixture(scope="module")
def campaign():
    """Three people, right in 9 of 10; Bob guesses gold questions. A model that is always right."""
    rng = np.random.default_rng(0)
    truth = [YES if rng.random() < 0.8 else NO for _ in range(PAIRS)]
    pairs = [JudgedPair(i, 0.1, score=float(truth[i] is YES)) for i in range(PAIRS)]
    gold = [YES if i % 2 else NO for i in range(GOLD)]
    pairs += [JudgedPair(PAIRS + i, expected=gold[i]) for i in range(GOLD)]
    given = []
    for pair, right in enumerate(truth + gold):
        for name in PEOPLE:
            odds = 0.5 if name == "bob" and pair >= PAIRS else 0.9
            alignment = right if rng.random() < odds else {YES: NO, NO: YES}[right]
            reasons = frozenset({Reason.COLOUR}) if alignment is NO else frozenset()
            given.append(GivenVerdict(pair, name, Verdict(alignment, reasons, quality=3)))
        given.append(GivenVerdict(pair, "oracle", Verdict(right)))
    return pairs, given


@pytest.fixture(scope="module")
def found(campaign):
    return figures_of(*campaign, models={"oracle"})


def test_a_model_counts_as_nobody(campaign, found) -> None:
    pairs, given = campaign
    people = [one for one in given if one.annotator != "oracle"]
    assert [one.annotator for one in found.annotators] == list(PEOPLE)
    assert sum(found.verdicts.values()) == 3 * PAIRS
    alone = figures_of(pairs, people)
    assert alone.truth == found.truth
    assert alone.alpha == found.alpha
    assert alone.models == {}
    assert found.models["oracle"].value > 0.8


def test_gold_questions_count_for_annotators_alone(found) -> None:
    assert found.judged_pairs == PAIRS
    assert found.truth.pairs == PAIRS
    assert found.truth.gold_answers == 3 * GOLD
    ann, bob, _ = found.annotators
    assert (ann.verdicts, ann.gold_answered) == (PAIRS, GOLD)
    assert ann.gold_right / GOLD > 0.75 > bob.gold_right / GOLD
    assert ann.gold_interval[0] < ann.gold_right / GOLD < ann.gold_interval[1]
    assert ann.sensitivity > bob.sensitivity


def test_the_truth_rate_and_the_agreement_are_those_of_the_verdicts(found) -> None:
    assert found.truth.interval.low < 0.8 < found.truth.interval.high
    assert found.truth.with_scores is None
    assert 0.3 < found.alpha.value < 0.8
    assert found.fleiss.pairs == PAIRS
    assert found.quality_alpha.value is None
    assert found.reasons == {"colour": found.verdicts["no"]}


def test_pairs_of_which_people_say_different_things_are_disagreements(campaign, found) -> None:
    _, given = campaign
    said = {
        pair: {o.verdict.alignment for o in given if o.pair == pair and o.annotator in PEOPLE}
        for pair in range(PAIRS)
    }
    assert found.disagreements == [pair for pair in said if len(said[pair]) > 1]
    assert all(found.probabilities[pair] > 0.95 for pair in said if said[pair] == {YES})
    assert all(found.probabilities[pair] < 0.1 for pair in said if said[pair] == {NO})


def test_scores_of_all_pairs_help(campaign) -> None:
    found = figures_of(*campaign, models={"oracle"}, mean_score=0.8)
    assert found.truth.with_scores.width < found.truth.interval.width


@pytest.mark.parametrize("partly_is_true", [True, False])
def test_what_is_partly_right_counts_as_the_campaign_says(partly_is_true) -> None:
    pairs = [JudgedPair(i) for i in range(40)]
    given = [
        GivenVerdict(i, name, Verdict(YES if i % 2 else PARTLY))
        for i in range(40)
        for name in "abc"
    ]
    found = figures_of(pairs, given, partly_is_true=partly_is_true)
    assert found.truth.interval.estimate == pytest.approx(1 if partly_is_true else 0.5, abs=0.05)


def test_what_an_adjudicator_settled_stands() -> None:
    # Of ten false pairs, three are taken for true by two of three people.
    given = [
        GivenVerdict(i, name, Verdict(NO if i < 10 and (i < 7 or name == "a") else YES))
        for i in range(40)
        for name in "abc"
    ]
    open_, settled = (
        figures_of([JudgedPair(i, settled=one if i < 10 else None) for i in range(40)], given)
        for one in (None, NO)
    )
    assert open_.probabilities[8] > 0
    assert settled.probabilities[8] == 0
    assert settled.truth.interval.estimate < open_.truth.interval.estimate
    assert settled.truth.interval.estimate == pytest.approx(0.75, abs=0.03)


def test_before_the_first_verdict_there_are_no_figures() -> None:
    found = figures_of([JudgedPair(0), JudgedPair(1, expected=YES)], [])
    assert found.truth.interval is None
    assert found.truth.reason
    assert found.alpha.value is None
    assert (found.judged_pairs, found.annotators, found.probabilities) == (0, [], {})


def test_a_comparison_has_a_preference_and_no_truth_rate() -> None:
    rng = np.random.default_rng(0)
    pairs = [JudgedPair(i) for i in range(200)]
    choices = rng.choice(list(Preference), (200, 2), p=[0.6, 0.2, 0.2])
    given = [
        GivenVerdict(pair, "ab"[person], Verdict(preference=Preference(int(choice))))
        for (pair, person), choice in np.ndenumerate(choices)
    ]
    found = figures_of(pairs, given, compared=True)
    assert found.truth is None
    assert found.preference.low < 0.7 < found.preference.high
    assert set(found.verdicts) == {"left", "right", "equal"}
    assert found.annotators == []


def test_preferences_are_weighted_by_the_sample() -> None:
    pairs = [JudgedPair(i, inclusion=0.9 if i < 100 else 0.1) for i in range(200)]
    given = [
        GivenVerdict(i, "a", Verdict(preference=Preference.RIGHT if i < 100 else Preference.LEFT))
        for i in range(200)
    ]
    assert preference_rate(pairs, given).estimate == pytest.approx(0.9, abs=0.01)
    assert preference_rate(pairs[:1], given) is None
