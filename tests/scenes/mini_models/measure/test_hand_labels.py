"""Labels by hand: written, read and compared; and the oracle against those of this folder."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from synthvlm.scenes.captions import describe
from synthvlm.scenes.mini_models.measure.hand_labels import (
    Label,
    choose,
    compare,
    read_images,
    read_labels,
    report,
    write_images,
    write_labels,
    write_sheets,
)
from synthvlm.scenes.mutate import mutate
from synthvlm.scenes.render import render
from synthvlm.scenes.world import Scene, sample_scene

LABELLED = Path(__file__).parent / "labelled"


def scene_of(seed: int) -> Scene:
    return sample_scene(random.Random(seed))


def images_of(*seeds: int) -> list[NDArray[np.uint8]]:
    return [render(scene_of(seed)) for seed in seeds]


def labelled(seed: int, label: str) -> Label:
    caption = describe(scene_of(seed), random.Random(seed), 1)
    return Label(seed, seed, caption, caption, label)


def test_choices_are_reproducible_and_partly_of_another_scene() -> None:
    labels = choose(3, 300)
    assert labels == choose(3, 300)
    assert 0.2 < sum(label.caption != label.prompt for label in labels) / 300 < 0.45
    assert len({label.seed for label in labels}) == 300


def test_what_is_written_is_read(tmp_path: Path) -> None:
    labels = [*(replace(label, label="true") for label in choose(1, 5)), *choose(2, 3)]
    write_labels(labels, tmp_path / "labels.csv")
    assert read_labels(tmp_path / "labels.csv") == labels


def test_images_are_kept_as_they_are(tmp_path: Path) -> None:
    images = images_of(*range(23))
    write_images(images, tmp_path / "images.png")
    kept = read_images(tmp_path / "images.png", 23)
    assert all(np.array_equal(a, b) for a, b in zip(kept, images, strict=True))


def test_anything_but_true_and_false_is_an_error(tmp_path: Path) -> None:
    write_labels([labelled(4, "perhaps")], tmp_path / "labels.csv")
    with pytest.raises(ValueError, match="see the rows 4"):
        read_labels(tmp_path / "labels.csv")


def test_disagreement_is_counted_and_named() -> None:
    labels = [labelled(1, "true"), labelled(2, "true"), labelled(3, "false"), labelled(4, "")]
    comparisons = compare(labels, images_of(1, 2, 3, 4))
    assert [c.agrees for c in comparisons] == [True, True, False]
    first, second = report(comparisons).splitlines()
    assert first == "2 of 3 agree (66.7%)"
    assert second.startswith("3: person false, oracle true")


def test_a_false_caption_agrees_with_the_label_false() -> None:
    rng = random.Random(1)
    caption = describe(mutate(scene_of(1), rng), rng, 3)
    (comparison,) = compare([replace(labelled(1, "false"), caption=caption)], images_of(1))
    assert comparison.agrees
    assert comparison.verdict.reasons


def test_sheets_are_numbered(tmp_path: Path) -> None:
    paths = write_sheets([labelled(n, "") for n in range(41)], images_of(*range(41)), tmp_path)
    assert [path.name for path in paths] == ["sheet-01.png", "sheet-02.png"]
    assert all(path.stat().st_size > 1000 for path in paths)


def test_the_oracle_agrees_with_the_labels_of_generated_images() -> None:
    labels = read_labels(LABELLED / "labels.csv")
    comparisons = compare(labels, read_images(LABELLED / "images.png", len(labels)))
    assert len(comparisons) >= 200
    assert sum(c.agrees for c in comparisons) / len(comparisons) >= 0.97, report(comparisons)
