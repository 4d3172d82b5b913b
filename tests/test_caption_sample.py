"""The sample of captions: the same ones in whatever order they come."""

import random

from hypothesis import given
from hypothesis import strategies as st

from synthvlm.caption_sample import CaptionSample

texts = st.lists(st.text(max_size=4), max_size=60)


@given(texts, st.integers(1, 30), st.randoms(), st.integers(1, 7))
def test_order_and_chunks_do_not_matter(captions, most, random, chunk):
    whole, parts = CaptionSample(most), CaptionSample(most)
    whole.add(captions)
    shuffled = random.sample(captions, len(captions))
    for begin in range(0, len(shuffled), chunk):
        parts.add(shuffled[begin : begin + chunk])
    assert whole.texts() == parts.texts()
    assert len(whole.texts()) == min(most, len(captions))
    if len(captions) <= most:
        assert sorted(whole.texts()) == sorted(captions)


def test_shares_are_those_of_all_captions():
    sample = CaptionSample(5_000)
    sample.add(f"{'dog' if number % 4 else 'cat'} {number}" for number in range(50_000))
    cats = sum(text.startswith("cat") for text in sample.texts())
    # Four standard errors of a share of 1/4.
    assert abs(cats / 5_000 - 0.25) < 4 * (0.25 * 0.75 / 5_000) ** 0.5


def test_memory_is_that_of_two_samples():
    sample = CaptionSample(100)
    numbers = list(range(10_000))
    random.Random(0).shuffle(numbers)
    for number in numbers:
        sample.add([str(number)])
        assert len(sample._held) < 200
