"""Scenes and their images: the same seed, the same bytes; nothing overlaps or leaves the image."""

import random
from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthvlm.scenes.mutate import mutate
from synthvlm.scenes.render import distance, render
from synthvlm.scenes.world import RADII, SIZE, Mix, Scene, sample_scene

seeds = st.integers(0, 2**32)


@given(seeds)
def test_the_same_seed_gives_the_same_scene_and_bytes(seed: int) -> None:
    one, two = (sample_scene(random.Random(seed)) for _ in range(2))
    assert one == two
    assert render(one).tobytes() == render(two).tobytes()
    assert render(one).shape == (SIZE, SIZE, 3)


@given(seeds)
def test_things_lie_inside_and_apart(seed: int) -> None:
    scene = sample_scene(random.Random(seed))
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) + 0.5
    covers = [
        distance(t.shape, RADII[t.size], x - np.float32(t.x), y - np.float32(t.y)) < 0
        for t in scene.things
    ]
    for cover in covers:
        assert not (cover[0].any() or cover[-1].any() or cover[:, 0].any() or cover[:, -1].any())
    assert not any((a & b).any() for a, b in combinations(covers, 2))


@given(seeds)
def test_a_mutation_changes_the_picture(seed: int) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng)
    while not _changes(scene, changed := mutate(scene, rng)):
        # Swapping what two things have in common is no change.
        assert len(scene.things) == 2
    assert (render(scene) != render(changed)).any()


def _changes(scene: Scene, other: Scene) -> bool:
    return scene != other


def test_the_mix_decides_the_number_of_things() -> None:
    rng = random.Random(3)
    assert {len(sample_scene(rng, Mix(1, 0, 0)).things) for _ in range(50)} == {1}
    assert {len(sample_scene(rng, Mix(0, 1, 0)).things) for _ in range(50)} == {2}
    assert {len(sample_scene(rng, Mix(0, 0, 1)).things) for _ in range(100)} == {2, 3, 4}
