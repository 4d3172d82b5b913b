"""SSIM on a GPU: the compiled kernel's values, in bounded memory, whatever else is scored."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from synthvlm.alignment.compiled import Pixels
from synthvlm.alignment.config import AlignmentSettings
from synthvlm.alignment.decoding import MAX_PIXELS
from synthvlm.alignment.scorer import Pair, PairScore, ScoreParameters, Scorer
from synthvlm.alignment.service import load_engine, similarity_for
from synthvlm.alignment.ssim import ssim
from synthvlm.alignment.ssim_torch import similarity_on, ssim_on
from synthvlm.progress import SILENT

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU here"),
]
MOST_BYTES = 400 * 10**6
"""What a comparison takes of a GPU's memory at most."""


def noisy(height: int, width: int, seed: int = 0) -> tuple[Pixels, Pixels]:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 256, (height, width, 3), np.uint8)
    noise = rng.normal(0, 20, first.shape)
    return first, np.clip(first + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(8, 8), (9, 40), (64, 64), (301, 700), (1024, 1024)])
def test_the_value_is_the_kernels(size: tuple[int, int]) -> None:
    pair = noisy(*size)
    assert ssim_on("cuda", *pair) == pytest.approx(ssim(*pair), abs=1e-12)
    assert ssim_on("cuda", pair[0], pair[0]) == 1


@pytest.mark.parametrize("width", [1000, 4000, 16_000])
def test_the_largest_images_take_no_more_memory(width: int) -> None:
    pair = noisy(MAX_PIXELS // width, width)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    assert ssim_on("cuda", *pair) == pytest.approx(ssim(*pair), abs=1e-12)
    assert torch.cuda.max_memory_allocated() - before < MOST_BYTES


def test_a_value_is_the_same_again_and_beside_others() -> None:
    similarity = similarity_on("cuda")
    images = [noisy(200, 150 + 17 * n, n) for n in range(16)]
    alone = [similarity.compare(*pair) for pair in images]
    with ThreadPoolExecutor(4) as callers:
        assert list(callers.map(lambda pair: similarity.compare(*pair), images)) == alone


def test_the_scores_of_pairs_do_not_depend_on_their_batch(
    picture: Callable[..., bytes], parameters: ScoreParameters
) -> None:
    settings = AlignmentSettings(device="cuda", batch_size=8, batch_multiple=8)
    engine, similarity = load_engine(settings), similarity_for(settings)
    assert dict(similarity.numerics) == {"ssim": "torch"}
    scorer = Scorer(engine, settings.batch_size, settings.threads, similarity)
    pairs = [Pair(picture(seed), f"{seed} red circles") for seed in range(8)]
    together = scorer.score(pairs, parameters, SILENT)
    assert all(isinstance(one, PairScore) for one in together)
    assert [scorer.score([pair], parameters, SILENT)[0] for pair in pairs] == together
    scorer.close()
