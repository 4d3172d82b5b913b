"""SSIM by PyTorch against the compiled kernel and scikit-image, on PyTorch's CPU device."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthvlm.alignment import service, ssim_torch
from synthvlm.alignment.compiled import Pixels
from synthvlm.alignment.config import AlignmentSettings
from synthvlm.alignment.scorer import Pair, PairScore, ScoreParameters, Scorer
from synthvlm.alignment.ssim import KERNEL, MIN_SIDE, Similarity, ssim, ssim_score
from synthvlm.alignment.ssim_kernel import WINDOW
from synthvlm.alignment.ssim_torch import similarity_on, ssim_on
from synthvlm.progress import SILENT
from synthvlm.usage import metered
from tests.alignment.compared import as_scikit_image, pairs

TORCH = similarity_on("cpu")


def noise(*shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


@settings(max_examples=60, deadline=None)
@given(pairs(st.integers(MIN_SIDE, 90)))
def test_the_value_is_the_kernels(pair: tuple[Pixels, Pixels]) -> None:
    assert ssim_on("cpu", *pair) == pytest.approx(ssim(*pair), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(pairs(st.integers(WINDOW, 90)))
def test_the_value_is_scikit_images(pair: tuple[Pixels, Pixels]) -> None:
    assert ssim_on("cpu", *pair) == pytest.approx(as_scikit_image(*pair), abs=1e-10)


@settings(max_examples=25, deadline=None)
@given(pairs(st.integers(MIN_SIDE, 40)), st.integers(1, 5000))
def test_strips_do_not_change_the_value(pair: tuple[Pixels, Pixels], strip_values: int) -> None:
    assert ssim_on("cpu", *pair, strip_values) == pytest.approx(ssim_on("cpu", *pair), abs=1e-13)


@settings(max_examples=25, deadline=None)
@given(pairs(st.integers(MIN_SIDE, 40)))
def test_it_is_symmetric_and_one_for_equals(pair: tuple[Pixels, Pixels]) -> None:
    first, second = pair
    assert ssim_on("cpu", second, first) == pytest.approx(ssim_on("cpu", first, second), abs=1e-13)
    assert ssim_on("cpu", first, first) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            np.full((20, 30, 3), 7, np.uint8), np.full((20, 30, 3), 7, np.uint8), id="flat"
        ),
        pytest.param(np.zeros((12, 8, 3), np.uint8), np.full((12, 8, 3), 255, np.uint8), id="far"),
        pytest.param(np.full((11, 11, 3), 128, np.uint8), noise(11, 11), id="one window"),
        pytest.param(noise(MIN_SIDE, MIN_SIDE), noise(MIN_SIDE, MIN_SIDE, seed=1), id="tiny"),
        pytest.param(noise(8, 256), noise(8, 256, seed=1), id="long"),
        pytest.param(noise(900, 700), noise(900, 700, seed=1), id="several strips"),
    ],
)
def test_extremes_are_the_kernels_too(first: Pixels, second: Pixels) -> None:
    assert ssim_on("cpu", first, second) == pytest.approx(ssim(first, second), abs=1e-12)


def test_images_that_cannot_be_compared_are_refused_as_by_the_kernel() -> None:
    image = noise(8, 8)
    for other, words in ((image[:, :7], "differ"), (image[:7], "differ")):
        for compare in (KERNEL.compare, TORCH.compare):
            with pytest.raises(ValueError, match=words):
                compare(image, other)
    for compare in (KERNEL.compare, TORCH.compare):
        with pytest.raises(ValueError, match="7 x 8 pixels: at least 8"):
            compare(image[:, :7], image[:, :7])


def test_threads_do_not_change_a_value() -> None:
    images = [noise(40, 40 + n, seed=n) for n in range(12)]
    alone = [TORCH.compare(image, image[::-1]) for image in images]
    with ThreadPoolExecutor(4) as callers:
        assert list(callers.map(lambda one: TORCH.compare(one, one[::-1]), images)) == alone


def test_ssim_score_compares_by_what_it_is_given() -> None:
    image = Image.fromarray(noise(64, 48))
    expected = ssim_score(image, 16)
    assert expected < 0.9
    assert ssim_score(image, 16, TORCH) == pytest.approx(expected, abs=1e-12)


@pytest.fixture
def by_torch(hasher: Any, scorer_of: Callable[..., Scorer]) -> Scorer:
    """A scorer that compares by PyTorch."""
    return scorer_of(hasher(), similarity=TORCH)


def test_a_service_is_built_with_what_its_device_asks_for(
    hasher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def on(device: str) -> Similarity:
        asked.append(device)
        return TORCH  # there may be no GPU

    monkeypatch.setattr(ssim_torch, "similarity_on", on)
    monkeypatch.setattr(service, "load_engine", lambda _: hasher())
    for device in ("cpu", "cuda:1"):
        servicer = service.build(AlignmentSettings(device=device))
        service.close(servicer)
        assert ("ssim" in servicer.scorer.numerics) is (device != "cpu")
    assert asked == ["cuda:1"]


def test_a_scorers_numerics_name_pytorch_and_leave_the_kernel_out(
    by_torch: Scorer, scorer_of: Callable[..., Scorer], hasher: Any
) -> None:
    assert scorer_of(hasher()).numerics == {"executor": "hasher"}
    assert by_torch.numerics == {"executor": "hasher", "ssim": "torch"}


def test_scores_are_the_kernels_to_the_float32_that_is_stored(
    by_torch: Scorer,
    scorer_of: Callable[..., Scorer],
    hasher: Any,
    picture: Callable[..., bytes],
    parameters: ScoreParameters,
) -> None:
    wanted = [Pair(picture(seed), "a caption") for seed in range(6)]
    made, known = (
        [one for one in scorer.score(wanted, parameters, SILENT) if isinstance(one, PairScore)]
        for scorer in (by_torch, scorer_of(hasher()))
    )
    assert len(made) == 6
    for one, other in zip(made, known, strict=True):
        assert one.ssim_score == pytest.approx(other.ssim_score, abs=1e-7)
        assert one.clip_score == other.clip_score


@pytest.mark.parametrize(("similarity", "counts"), [(TORCH, True), (KERNEL, False)])
def test_the_time_of_the_device_is_the_callers(
    similarity: Similarity,
    counts: bool,
    hasher: Any,
    scorer_of: Callable[..., Scorer],
    picture: Callable[..., bytes],
    parameters: ScoreParameters,
) -> None:
    before_the_model: list[float] = []
    with metered() as usage:  # images are compared by other threads
        engine = hasher(lambda: before_the_model.append(usage.device_seconds))
        scorer = scorer_of(engine, similarity=similarity)
        scorer.score([Pair(picture(1), "a caption")], parameters, SILENT)
    assert (before_the_model[0] > 0) is counts
