"""The report on the mini models: its tables and its measure of how cleanly images are drawn."""

import random

import numpy as np

from synthvlm.scenes.captions import describe
from synthvlm.scenes.recipes.report import Table, likeness, truth_of
from synthvlm.scenes.render import render
from synthvlm.scenes.world import sample_scene


def test_a_table_is_markdown() -> None:
    table = Table("Selection", ("pairs", "true"), [("all", "61.0%")])
    assert str(table).splitlines() == [
        "### Selection",
        "",
        "| pairs | true |",
        "| --- | --- |",
        "| all | 61.0% |",
    ]


def test_noise_and_blots_lower_the_likeness() -> None:
    rng = random.Random(1)
    images = [render(sample_scene(rng)) for _ in range(20)]
    noise = np.random.default_rng(0).normal(0, 12, images[0].shape)
    noisy = [np.clip(x + noise, 0, 255).astype(np.uint8) for x in images]
    assert likeness(images) > likeness(noisy) + 3


def test_truth_is_the_oracles() -> None:
    rng = random.Random(2)
    scenes = [sample_scene(rng) for _ in range(10)]
    captions = [describe(scene, rng) for scene in scenes]
    images = [render(scene) for scene in scenes]
    assert truth_of(images, captions).all()
    assert not truth_of(images, ["a red star, on a white wall"] * 10).all()
