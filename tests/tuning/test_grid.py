"""The grid: names, values and their combinations."""

import pytest

from synthvlm.errors import InvalidInput
from synthvlm.tuning.grid import MOST_CELLS, Cell, cells
from synthvlm.tuning.run import require_refiner


def test_a_grid_is_every_combination_the_last_parameter_fastest():
    found = cells(["steps=8,10", "guidance_scale=2,2.5"])
    assert [str(cell) for cell in found] == [
        "steps=8 guidance_scale=2",
        "steps=8 guidance_scale=2.5",
        "steps=10 guidance_scale=2",
        "steps=10 guidance_scale=2.5",
    ]
    assert found[0].given == {"steps": 8, "guidance_scale": 2.0}


def test_one_text_may_hold_the_whole_grid_and_values_count_once():
    assert cells(["steps=8,8  high_noise_fraction=1.0,1"]) == [
        Cell(steps=8, high_noise_fraction=1.0)
    ]


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (["width=64"], "is not of the form"),
        (["steps"], "is not of the form"),
        ([""], "no parameter is given"),
        (["steps=8", "steps=9"], "steps is given twice"),
        (["steps=0"], "steps must be from 1 to 500, not '0'"),
        (["steps=2.5"], "steps must be from 1 to 500"),
        (["steps=8,"], "not ''"),
        (["guidance_scale=0"], "guidance_scale must be above 0 to 50"),
        (["guidance_scale=nan"], "guidance_scale must be above 0 to 50"),
        (["high_noise_fraction=1.1"], "high_noise_fraction must be above 0 to 1"),
        ([f"steps={','.join(map(str, range(1, 41)))} guidance_scale=" +
          ",".join(map(str, range(1, 21)))], f"{MOST_CELLS} are allowed"),
    ],
)  # fmt: skip
def test_an_invalid_grid_is_rejected(wrong, problem):
    with pytest.raises(InvalidInput, match=problem):
        cells(wrong)


def test_without_a_refiner_the_base_does_the_whole_schedule():
    with pytest.raises(InvalidInput, match="has no refiner"):
        require_refiner(cells(["high_noise_fraction=0.8,1"]), {"pipeline": {"model": "m"}})
    require_refiner(cells(["high_noise_fraction=0.8,1"]), {"pipeline": {"refiner": "r"}})
    require_refiner(cells(["high_noise_fraction=1 steps=3"]), {"pipeline": {"model": "m"}})
