"""Padding of layers gives way to padding of batches where it is not enough."""

from typing import ClassVar

import numpy as np
import pytest

from synthvlm.generation import service
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import Sample
from synthvlm.generation.loading import settle_padding

SETTINGS = GenerationSettings()
assert SETTINGS.pipeline.batch_multiple == 4


class Painter:
    """Images of their seed, a level brighter in batches of fewer than ``least``."""

    model_digest = "sha256:0"
    numerics: ClassVar[dict[str, str]] = {}

    def __init__(self, least):
        self.least = least
        self.padded = False

    def pad_batches(self):
        self.padded = True

    def generate(self, requests, reporter):
        level = int(len(requests) < self.least)
        return [Sample(np.full((8, 8, 3), one.seed + level, np.uint8)) for one in requests]


@pytest.mark.parametrize(("least", "padded"), [(1, False), (2, True), (4, True)])
def test_batches_are_padded_where_small_ones_compute_otherwise(least, padded):
    painter = Painter(least)
    settle_padding(painter, SETTINGS)
    assert painter.padded is padded


def test_nothing_is_tried_where_batches_are_padded_anyway():
    pipeline = SETTINGS.pipeline.model_copy(update={"pad_batches": True})
    painter = Painter(4)
    settle_padding(painter, SETTINGS.model_copy(update={"pipeline": pipeline}))
    assert not painter.padded


def test_the_service_pads_batches_before_it_opens(monkeypatch):
    painter = Painter(4)
    monkeypatch.setattr(service, "load_pipelines", lambda _: painter)
    service.open_engine(SETTINGS).close()
    assert painter.padded
