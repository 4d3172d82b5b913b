"""Batches, verdicts and cancellation, with an engine that needs no model."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthvlm.alignment.decoding import Unusable
from synthvlm.alignment.scorer import Pair, PairScore
from synthvlm.errors import OperationCancelled
from synthvlm.progress import SILENT


def pairs_of(picture, count):
    return [Pair(picture(seed), f"caption {seed // 2}") for seed in range(count)]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations(range(7)), size=st.integers(1, 8))
def test_a_score_does_not_depend_on_the_others(hasher, scorer_of, picture, parameters, order, size):
    pairs = pairs_of(picture, 7)
    alone = [scorer_of(hasher(), 1).score([pair], parameters, SILENT)[0] for pair in pairs]
    together = scorer_of(hasher(), size).score([pairs[i] for i in order], parameters, SILENT)
    assert together == [alone[i] for i in order]


def test_the_scores_are_float32_and_consistent(hasher, scorer_of, picture, parameters):
    for score in scorer_of(hasher()).score(pairs_of(picture, 5), parameters, SILENT):
        for value in (score.clip_score, score.ssim_score, score.weighted_score):
            assert float(np.float32(value)) == value
        again = parameters.weighting.score(score.clip_score, score.ssim_score)
        assert score.weighted_score == float(np.float32(again))


def test_each_text_of_a_batch_is_embedded_once_with_its_prefix(
    hasher, scorer_of, picture, parameters
):
    engine = hasher()
    scorer_of(engine, 8).score(pairs_of(picture, 6), parameters, SILENT)
    assert engine.texts == [f"A photo depicts caption {n}" for n in range(3)]
    assert engine.images == 6


def test_unusable_images_do_not_touch_the_others(hasher, scorer_of, picture, parameters):
    good = pairs_of(picture, 3)
    mixed = [Pair(b"junk", "x"), good[0], Pair(picture(1, side=4), "y"), *good[1:]]
    scorer = scorer_of(hasher())
    made = scorer.score(mixed, parameters, SILENT)
    assert [one.reason for one in made if isinstance(one, Unusable)] == [
        "unsupported_format",
        "too_small",
    ]
    scores = [one for one in made if isinstance(one, PairScore)]
    assert scores == scorer.score(good, parameters, SILENT)


def test_a_batch_without_a_usable_image_does_not_reach_the_model(hasher, scorer_of, parameters):
    engine = hasher()
    scorer_of(engine).score([Pair(b"junk", "x")] * 3, parameters, SILENT)
    assert (engine.images, engine.texts) == (0, [])
    assert scorer_of(engine).score([], parameters, SILENT) == []


def test_embeddings_that_are_not_finite_are_a_verdict(hasher, scorer_of, picture, parameters):
    class Broken(hasher):
        def embed_images(self, inputs):
            made = super().embed_images(inputs)
            made[1] = np.nan
            return made

    made = scorer_of(Broken()).score(pairs_of(picture, 3), parameters, SILENT)
    assert [getattr(one, "reason", None) for one in made] == [None, "not_finite", None]


def test_many_callers_share_one_model(hasher, scorer_of, picture, parameters):
    pairs = pairs_of(picture, 24)
    scorer = scorer_of(hasher(), 3)
    alone = scorer.score(pairs, parameters, SILENT)
    with ThreadPoolExecutor(6) as callers:
        parts = callers.map(
            lambda ends: scorer.score(pairs[ends[0] : ends[1]], parameters, SILENT),
            pairwise(range(0, 25, 4)),
        )
        assert [score for part in parts for score in part] == alone


def test_a_caller_who_has_gone_does_not_wait_for_the_model(hasher, scorer_of, picture, parameters):
    entered, leave, gone = threading.Event(), threading.Event(), threading.Event()

    class Caller:
        def report(self, done, total, resumed=0, reused=0):
            self.check()

        def check(self):
            if gone.is_set():
                raise OperationCancelled("gone")

    def block():
        entered.set()
        assert leave.wait(60)

    scorer = scorer_of(hasher(block))
    with ThreadPoolExecutor(2) as callers:
        first = callers.submit(scorer.score, pairs_of(picture, 1), parameters, SILENT)
        assert entered.wait(60)
        second = callers.submit(scorer.score, pairs_of(picture, 1), parameters, Caller())
        gone.set()
        with pytest.raises(OperationCancelled):
            second.result(60)
        leave.set()
        assert len(first.result(60)) == 1
