"""Labels by hand: drawn, written, read and compared, with an artist in the model's place."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from synthvlm.scenes.captions import describe
from synthvlm.scenes.mutate import mutate
from synthvlm.scenes.recipes.hand_labels import (
    Label,
    choose,
    compare,
    read_labels,
    report,
    write_labels,
    write_sheets,
)
from synthvlm.scenes.render import render
from synthvlm.scenes.world import Scene, sample_scene


def scene_of(seed: int) -> Scene:
    return sample_scene(random.Random(seed))


def artist(prompts: Sequence[str], seeds: Sequence[int]) -> list[NDArray[np.uint8]]:
    assert len(prompts) == len(seeds)
    return [render(scene_of(seed)) for seed in seeds]


def labelled(seed: int, label: str) -> Label:
    caption = describe(scene_of(seed), random.Random(seed), 1)
    return Label(seed, seed, caption, caption, "sha256:0", label)


def test_choices_are_reproducible_and_partly_of_another_scene() -> None:
    labels = choose(3, 300, "sha256:0")
    assert labels == choose(3, 300, "sha256:0")
    assert 0.2 < sum(label.caption != label.prompt for label in labels) / 300 < 0.45
    assert len({label.seed for label in labels}) == 300


def test_what_is_written_is_read_once_it_is_labelled(tmp_path) -> None:
    labels = [replace(label, label="true") for label in choose(1, 5, "sha256:0")]
    write_labels([*labels, *choose(2, 3, "sha256:0")], tmp_path / "labels.csv")
    assert read_labels(tmp_path / "labels.csv") == labels


def test_anything_but_true_and_false_is_an_error(tmp_path) -> None:
    write_labels([labelled(4, "perhaps")], tmp_path / "labels.csv")
    with pytest.raises(ValueError, match="see the rows 4"):
        read_labels(tmp_path / "labels.csv")


def test_disagreement_is_counted_and_named() -> None:
    comparisons = compare([labelled(1, "true"), labelled(2, "true"), labelled(3, "false")], artist)
    assert [c.agrees for c in comparisons] == [True, True, False]
    first, second = report(comparisons).splitlines()
    assert first == "2 of 3 agree (66.7%)"
    assert second.startswith("3: person false, oracle true")


def test_a_false_caption_agrees_with_the_label_false() -> None:
    rng = random.Random(1)
    caption = describe(mutate(scene_of(1), rng), rng, 3)
    (comparison,) = compare([replace(labelled(1, "false"), caption=caption)], artist)
    assert comparison.agrees
    assert comparison.verdict.reasons


def test_sheets_are_numbered(tmp_path) -> None:
    paths = write_sheets([labelled(n, "") for n in range(41)], artist, tmp_path)
    assert [path.name for path in paths] == ["sheet-01.png", "sheet-02.png"]
    assert all(path.stat().st_size > 1000 for path in paths)
