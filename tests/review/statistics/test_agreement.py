"""Agreement beyond chance, against the references and where the references give up."""

import krippendorff
import numpy as np
import pytest
from statsmodels.stats import inter_rater

from synthvlm.review.statistics.agreement import (
    ALL_EQUAL,
    NO_OVERLAP,
    ONE_ANNOTATOR,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
)

TABLES = 1000
_ = np.nan


def random_tables(missing: float):
    """Tables of all shapes, from annotators that agree hardly to ones that agree mostly."""
    for seed in range(TABLES):
        rng = np.random.default_rng(seed)
        pairs, annotators = rng.integers(2, 30), rng.integers(2, 7)
        values = np.sort(rng.choice(12, rng.integers(2, 6), replace=False)).astype(float)
        truth = rng.choice(values, pairs)[:, None]
        noise = rng.random((pairs, annotators)) < rng.random()
        table = np.where(noise, rng.choice(values, (pairs, annotators)), truth)
        table[rng.random(table.shape) < missing * rng.random()] = np.nan
        yield table


def overlaps(table) -> bool:
    rated = table[(~np.isnan(table)).sum(axis=1) >= 2]
    return len(np.unique(rated[~np.isnan(rated)])) > 1


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_equals_the_reference_on_random_tables(level) -> None:
    compared = 0
    for table in random_tables(missing=0.6):
        alpha = krippendorff_alpha(table, level)
        if not overlaps(table):
            assert alpha.value is None
            continue
        expected = krippendorff.alpha(table.T, level_of_measurement=level)
        assert alpha.value == pytest.approx(expected, abs=1e-9)
        compared += 1
    assert compared > 0.9 * TABLES


def test_cohen_kappa_equals_the_reference_on_random_tables() -> None:
    compared = 0
    for table in random_tables(missing=0.3):
        first, second = table[:, 0], table[:, 1]
        both = ~np.isnan(first) & ~np.isnan(second)
        kappa = cohen_kappa(first, second)
        values = np.unique(table[both][:, :2])
        if len(values) < 2:
            assert kappa.value is None
            continue
        codes = np.searchsorted(values, table[both][:, :2])
        counts = np.zeros((len(values), len(values)))
        np.add.at(counts, (codes[:, 0], codes[:, 1]), 1)
        expected = inter_rater.cohens_kappa(counts, return_results=False)
        assert kappa.value == pytest.approx(expected, abs=1e-9)
        assert kappa.pairs == both.sum()
        compared += 1
    assert compared > 0.9 * TABLES


def test_fleiss_kappa_equals_the_reference_on_random_tables() -> None:
    compared = 0
    for table in random_tables(missing=0):
        kappa = fleiss_kappa(table)
        if not overlaps(table):
            assert kappa.value is None
            continue
        counts, _values = inter_rater.aggregate_raters(table)
        assert kappa.value == pytest.approx(inter_rater.fleiss_kappa(counts), abs=1e-9)
        compared += 1
    assert compared > 0.9 * TABLES


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_annotators_who_always_agree_have_exactly_one(level) -> None:
    table = [[1, 1], [3, 3], [2, 2]]
    assert krippendorff_alpha(table, level).value == 1
    assert fleiss_kappa(table).value == 1
    assert cohen_kappa(*np.transpose(table)).value == 1


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ([[1, 1], [1, 1]], ALL_EQUAL),
        ([[1, _], [_, 2]], NO_OVERLAP),
        ([[1, _], [2, _]], ONE_ANNOTATOR),
        ([[1], [2]], ONE_ANNOTATOR),
        ([[_, _], [_, _]], NO_OVERLAP),
        (np.empty((0, 3)), NO_OVERLAP),
        # What only one annotator has said does not make the rest differ.
        ([[1, 1], [2, _]], ALL_EQUAL),
    ],
)
def test_what_is_not_determined_has_a_reason_and_no_value(table, reason) -> None:
    for found in (krippendorff_alpha(table, "ordinal"), fleiss_kappa(table)):
        assert found.value is None
        assert found.reason == reason


def test_cohen_kappa_without_common_pairs_or_differences_is_not_determined() -> None:
    assert cohen_kappa([1, _], [_, 1]).reason == NO_OVERLAP
    assert cohen_kappa([2, 2], [2, 2]).reason == ALL_EQUAL


def test_annotators_who_disagree_more_than_by_chance_are_below_zero() -> None:
    assert cohen_kappa([0, 1], [1, 0]).value == -1


def test_fleiss_kappa_rests_on_the_pairs_with_the_commonest_number_of_ratings() -> None:
    three = np.array([[1, 1, 2], [2, 2, 2], [1, 1, 1]])
    fewer = np.array([[1, 2, _], [2, _, _], [1, _, _], [2, _, _], [1, _, _]])
    found = fleiss_kappa(np.concatenate([three, fewer]))
    assert found == fleiss_kappa(three)
    assert found.pairs == 3


def test_of_two_numbers_of_ratings_that_are_as_common_the_larger_counts() -> None:
    found = fleiss_kappa(np.array([[1, 2, _], [1, 1, _], [1, 1, 2], [2, 2, 2]]))
    assert found == fleiss_kappa([[1, 1, 2], [2, 2, 2]])
