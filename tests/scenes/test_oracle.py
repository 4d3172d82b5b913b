"""The oracle reads drawn scenes back, also degraded ones, and judges captions by what it reads."""

import io
import random

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from synthvlm.scenes.captions import describe
from synthvlm.scenes.grammar import parse
from synthvlm.scenes.mutate import mutate
from synthvlm.scenes.oracle import judge, read
from synthvlm.scenes.render import render
from synthvlm.scenes.truth import holds
from synthvlm.scenes.world import sample_scene

Pixels = NDArray[np.uint8]


def untouched(image: Pixels, seed: int) -> Pixels:
    return image


def jpeg(image: Pixels, seed: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=85)
    return np.asarray(Image.open(buffer))


def blurred(image: Pixels, seed: int) -> Pixels:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(0.7)))


def noisy(image: Pixels, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, 5, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("degrade", [untouched, jpeg, blurred, noisy])
def test_true_captions_are_true_and_false_ones_false(degrade) -> None:
    rng = random.Random(17)
    right = total = 0
    for i in range(110):
        scene = sample_scene(rng)
        image = degrade(render(scene), i)
        other = describe(mutate(scene, rng), rng)
        for caption in (describe(scene, rng), other):
            meaning = parse(caption)
            assert meaning is not None
            total += 1
            right += judge(image, caption).true == holds(meaning, scene)
    assert right / total >= 0.99


def test_a_caption_of_another_language_is_neither_true_nor_false() -> None:
    verdict = judge(render(sample_scene(random.Random(1))), "a dog on a beach")
    assert verdict.true is None
    assert verdict.reasons


def test_a_blob_is_an_oddity_and_makes_captions_false() -> None:
    image = np.full((64, 64, 3), 249, np.uint8)
    image[20:24, 10:50] = (222, 38, 42)
    image[20:44, 10:14] = (222, 38, 42)
    reading = read(image)
    assert reading.oddities
    assert judge(image, "a red square").true is False


def test_equal_oddities_are_said_once() -> None:
    image = np.full((64, 64, 3), 249, np.uint8)
    for top in (6, 26, 46):
        image[top : top + 4, 10:50] = (222, 38, 42)
    assert read(image).oddities == ("3 red things have no clear shape",)


def test_an_empty_image_has_no_things() -> None:
    assert read(np.full((64, 64, 3), 249, np.uint8)).scene.things == ()


def test_larger_images_are_read_too() -> None:
    rng = random.Random(4)
    scene = sample_scene(rng)
    large = np.asarray(Image.fromarray(render(scene)).resize((256, 256), Image.Resampling.BICUBIC))
    assert judge(large, describe(scene, rng)).true
