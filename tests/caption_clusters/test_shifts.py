"""How the shares of clusters shift between two sets of captions."""

import pytest

from synthvlm.caption_clusters.shifts import COMPARED, cluster_shifts
from synthvlm.caption_mix import CaptionMix
from tests.caption_clusters.topics import captions_of


def mix_of(*texts):
    mix = CaptionMix()
    for some in texts:
        mix.add(some)
    return mix


def test_shares_are_those_of_each_set():
    sea, kitchen = captions_of("sea", 90), captions_of("kitchen", 90)
    before = mix_of(sea, kitchen, ["nothing alike"] * 1)
    after = mix_of(sea[:30])
    shifts = cluster_shifts(before, after)
    assert sum(one.before for one in shifts) == pytest.approx(1)
    assert sum(one.after for one in shifts) == pytest.approx(1)
    assert 2 <= len(shifts) <= COMPARED + 1
    assert (shifts[-1].name, shifts[-1].before, shifts[-1].after) == ("other words", 1 / 181, 0)
    lost = [one for one in shifts if not one.after]
    assert sum(one.before for one in lost) == pytest.approx(91 / 181)


def test_the_other_way_round_is_the_same_the_other_way_round():
    one = mix_of(captions_of("sea", 40), captions_of("street", 20))
    other = mix_of(captions_of("sea", 10), captions_of("kitchen", 30))
    there, back = cluster_shifts(one, other), cluster_shifts(other, one)
    assert [(s.name, s.before, s.after) for s in there] == [
        (s.name, s.after, s.before) for s in back
    ]


def test_without_captions_there_are_none():
    assert cluster_shifts(CaptionMix(), CaptionMix()) == []
