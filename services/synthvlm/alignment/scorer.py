"""Scores of pairs: decoding, SSIMScore, CLIPScore and their mean, one batch at a time.

All calls share one scorer. Work on single images (decoding, resizing, SSIM) runs on a thread pool,
and a decoded image is released once it has been reduced to the model's small input: memory is
bounded by the number of threads, not by what callers send. The model runs one batch at a time.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass

import numpy as np
from prometheus_client import Histogram

from synthvlm.alignment.clip_score import clip_scores, distinct, prompt
from synthvlm.alignment.decoding import Unusable, decode
from synthvlm.alignment.engine import Engine, Floats
from synthvlm.alignment.ssim import KERNEL, Similarity, ssim_score
from synthvlm.alignment.weighted import Weighting
from synthvlm.progress import Reporter
from synthvlm.usage import used_device

_POLL_SECONDS = 0.05

_BATCH_SECONDS = Histogram(
    "synthvlm_alignment_batch_seconds",
    "Seconds that a batch of pairs took, including waiting for the model.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


@dataclass(frozen=True)
class Pair:
    """An encoded image and its caption."""

    image: bytes
    caption: str


@dataclass(frozen=True)
class ScoreParameters:
    """Complete scoring parameters.

    Attributes:
        prompt_prefix: Put before each caption.
        vlm_size: Size that SSIMScore downsamples to, in pixels.
    """

    prompt_prefix: str
    vlm_size: int
    weighting: Weighting


@dataclass(frozen=True)
class PairScore:
    """Scores of one pair, rounded to the float32 that is sent and stored.

    Attributes:
        clip_score: 0 to 1.
        ssim_score: -1 to 1.
        weighted_score: 0 to 1.
    """

    clip_score: float
    ssim_score: float
    weighted_score: float


def pair_score(clip_score: float, ssim: float, weighting: Weighting) -> PairScore:
    """The scores of a pair, the weighted one formed of the other two.

    It is formed from what is stored, so that anyone can form it again.
    """
    clip32, ssim32 = float(np.float32(clip_score)), float(np.float32(ssim))
    weighted = weighting.score(clip32, ssim32)
    return PairScore(clip32, ssim32, float(np.float32(weighted)))


@dataclass(frozen=True, eq=False)
class _Prepared:
    """What is kept of a decoded image: its SSIMScore and the model's input."""

    ssim_score: float
    model_input: Floats


class Scorer:
    """Scores pairs with one engine; calls may come from many threads.

    Args:
        engine: The engine; only the scorer may call it.
        batch_size: Maximum number of pairs in a batch.
        threads: Images decoded and compared at the same time.
        similarity: What computes SSIM.
    """

    def __init__(
        self, engine: Engine, batch_size: int, threads: int, similarity: Similarity = KERNEL
    ) -> None:
        self.engine = engine
        self.batch_size = batch_size
        self._similarity = similarity
        self._model = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="images")

    @property
    def numerics(self) -> Mapping[str, str | int]:
        """Everything besides pair, parameters and model that affects the last bit of a score."""
        return {**self.engine.numerics, **self._similarity.numerics}

    def score(
        self, pairs: Sequence[Pair], parameters: ScoreParameters, reporter: Reporter
    ) -> list[PairScore | Unusable]:
        """Scores any number of pairs, in batches.

        A pair's scores do not depend on the other pairs.

        Returns:
            For each pair, in order, its scores or the reason why it has none.

        Raises:
            OperationCancelled: The caller has gone.
        """
        batches = range(0, len(pairs), self.batch_size)
        return [
            score
            for start in batches
            for score in self._batch(pairs[start : start + self.batch_size], parameters, reporter)
        ]

    def close(self) -> None:
        """Stops the pool."""
        self._pool.shutdown()

    @_BATCH_SECONDS.time()
    def _batch(
        self, pairs: Sequence[Pair], parameters: ScoreParameters, reporter: Reporter
    ) -> list[PairScore | Unusable]:
        def prepare(pair: Pair) -> _Prepared | Unusable:
            reporter.check()
            image = decode(pair.image)
            if isinstance(image, Unusable):
                return image
            reporter.check()
            similar = ssim_score(image, parameters.vlm_size, self._similarity)
            return _Prepared(similar, self.engine.preprocess(image))

        # In the caller's context, in which the device's time is counted.
        contexts = [copy_context() for _ in pairs]
        prepared = list(
            self._pool.map(lambda context, pair: context.run(prepare, pair), contexts, pairs)
        )
        usable = [
            (one.model_input, prompt(parameters.prompt_prefix, pair.caption))
            for one, pair in zip(prepared, pairs, strict=True)
            if isinstance(one, _Prepared)
        ]
        cosines = iter(self._clip_scores(usable, reporter))
        return [
            one if isinstance(one, Unusable) else _finish(next(cosines), one.ssim_score, parameters)
            for one in prepared
        ]

    def _clip_scores(self, usable: Sequence[tuple[Floats, str]], reporter: Reporter) -> list[float]:
        if not usable:
            return []
        texts, places = distinct([text for _, text in usable])
        with self._turn(reporter):
            began = time.monotonic()
            images = self.engine.embed_images([model_input for model_input, _ in usable])
            embedded = self.engine.embed_texts(texts)
            used_device(time.monotonic() - began)
        return [float(score) for score in clip_scores(images, embedded[places])]

    @contextmanager
    def _turn(self, reporter: Reporter) -> Iterator[None]:
        """Waits for the model, unless the caller goes away first."""
        while not self._model.acquire(timeout=_POLL_SECONDS):
            reporter.check()
        try:
            yield
        finally:
            self._model.release()


def _finish(clip_score: float, ssim: float, parameters: ScoreParameters) -> PairScore | Unusable:
    if not np.isfinite(clip_score):
        return Unusable("not_finite", "gives no finite embedding")
    return pair_score(clip_score, ssim, parameters.weighting)
