"""Figures that take long are computed when verdicts have come, and not too often."""

from dataclasses import replace

import pytest

from synthvlm.review.people import OPERATOR
from synthvlm.review.web.kept_figures import KeptFigures


@pytest.fixture
def watched(campaign):
    """Kept figures of a real campaign that take 2 s each, and a way to let time pass."""
    reviews, campaign_id = campaign
    now, computed = [0.0], []

    def compute(person, one):
        computed.append(now[0])
        now[0] += 2
        return reviews.statistics(person, one)

    def wait(seconds):
        now[0] += seconds

    kept = KeptFigures(compute, lambda: now[0])
    return kept, reviews.progress(OPERATOR, campaign_id), computed, wait


def judged(progress, more):
    return replace(
        progress, campaign=replace(progress.campaign, done=progress.campaign.done + more)
    )


def test_nothing_new_is_nothing_to_compute(watched):
    kept, progress, computed, wait = watched
    first = kept.get(OPERATOR, progress)
    wait(3600)
    assert kept.get(OPERATOR, progress) is first
    assert len(computed) == 1


def test_verdicts_wait_ten_times_as_long_as_the_figures_took(watched):
    kept, progress, computed, wait = watched
    first = kept.get(OPERATOR, progress)
    wait(19)
    assert kept.get(OPERATOR, judged(progress, 1)) is first
    wait(1)
    assert kept.get(OPERATOR, judged(progress, 2)) is not first
    assert computed == [0, 22]
