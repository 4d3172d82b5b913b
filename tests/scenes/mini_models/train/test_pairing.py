"""Pairing noise with scenes: the scene is true, and as near to the teacher's image as can be."""

import random
from dataclasses import replace
from itertools import islice

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.scenes.captions import DETAILS, meaning_of
from synthvlm.scenes.grammar import Group, Meaning
from synthvlm.scenes.mini_models.train.pairing import nearest_drawing, similar_scenes
from synthvlm.scenes.render import render
from synthvlm.scenes.truth import holds
from synthvlm.scenes.world import Scene, Thing, sample_scene


@given(st.integers(0, 2**32), st.sampled_from(DETAILS))
@settings(max_examples=50)
def test_similar_scenes_keep_what_is_claimed(seed: int, detail: int) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng)
    meaning = meaning_of(scene, rng, detail)
    for other in islice(similar_scenes(scene, meaning, rng), 5):
        assert holds(meaning, other)


def test_similar_scenes_vary_in_what_is_not_claimed() -> None:
    scene = Scene("grey", (Thing("star", "red", "big", 32, 32),))
    meaning = Meaning((Group(1, "red", "star"),))
    found = list(islice(similar_scenes(scene, meaning, random.Random(0)), 200))
    assert {s.background for s in found} == {"white", "grey", "cream", "cyan"}
    assert {s.things[0].size for s in found} == {"small", "big"}
    assert min(s.things[0].x for s in found) < 20 < 45 < max(s.things[0].x for s in found)


def test_two_things_where_one_is_asked_for_become_one_of_them() -> None:
    star = Thing("star", "red", "small", 17, 17)
    image = render(Scene("cyan", (star, replace(star, x=47, y=47))))
    meaning = Meaning((Group(1, "red", "star"),), background="cyan")
    asked = Scene("cyan", (replace(star, x=32, y=32),))
    drawing = nearest_drawing(image, asked, meaning, random.Random(0))
    (thing,) = drawing.scene.things
    assert min(abs(thing.x - 17) + abs(thing.y - 17), abs(thing.x - 47) + abs(thing.y - 47)) < 4
    assert (drawing.pixels == render(drawing.scene)).all()


def test_a_true_image_finds_nearly_itself() -> None:
    rng = random.Random(3)
    gaps = []
    for _ in range(20):
        scene = sample_scene(rng)
        meaning = meaning_of(scene, rng, 1)
        drawing = nearest_drawing(render(scene), scene, meaning, rng)
        gaps.append(np.abs(render(scene).astype(float) - drawing.pixels).mean())
    assert np.median(gaps) < 5
