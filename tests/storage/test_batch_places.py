"""Records and the reserved places of their batches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthvlm.storage.batch_places import Places

PLACES = st.integers(1, 12).flatmap(
    lambda total: st.builds(Places, st.just(total), st.integers(0, total - 1))
)


def draws(places):
    return st.lists(
        st.none() | st.integers(places.total - places.reserved, places.total - 1)
        if places.reserved
        else st.none(),
        max_size=60,
    )


@given(PLACES.flatmap(lambda places: st.tuples(st.just(places), draws(places))))
def test_each_record_is_in_one_batch_at_a_place_of_its_own_kind(case):
    places, drawn = case
    batches = list(places.batches(drawn))
    assert sorted(number for batch in batches for number in batch.values()) == list(
        range(len(drawn))
    )
    for batch in batches:
        for place, number in batch.items():
            assert 0 <= place < places.total
            reserved = place >= places.total - places.reserved
            assert drawn[number] == (place if reserved else None)


@given(PLACES.flatmap(lambda places: st.tuples(st.just(places), draws(places))))
def test_there_are_no_more_batches_than_the_fullest_kind_of_place_needs(case):
    places, drawn = case
    free = places.total - places.reserved
    least = [-(-drawn.count(None) // free), *(drawn.count(one) for one in set(drawn) - {None})]
    assert len(list(places.batches(drawn))) == max(least)


@given(PLACES, st.text(), st.integers(0, 2**63 - 1))
def test_a_draw_depends_on_the_record_alone(places, prompt, seed):
    drawn = places.drawn(prompt, seed)
    assert drawn == Places(places.total, places.reserved).drawn(prompt, seed)
    assert drawn is None or places.total - places.reserved <= drawn < places.total


@pytest.mark.parametrize("total", [2, 4, 8, 16, 32])
def test_a_thousand_records_fill_their_batches(total):
    places = Places(total, 1)
    drawn = [places.drawn("a red circle", seed) for seed in range(1000)]
    assert 1000 / (total * len(list(places.batches(drawn)))) > 0.93


def test_the_first_ones_that_fit_are_taken_first():
    places = Places(3, 1)
    assert places.first([2, None, 2, None, None]) == [0, 1, 3]
    assert places.first([None, None, None, 2]) == [0, 1, 3]
    assert list(places.batches([2, None, 2, None, None])) == [{2: 0, 0: 1, 1: 3}, {2: 2, 0: 4}]
