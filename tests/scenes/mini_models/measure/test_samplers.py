"""The comparison of samplers, on a few images of the bundled models."""

import numpy as np
import pytest

from synthvlm.model_folders import resolve_model
from synthvlm.scenes.mini_models.measure.samplers import (
    SCHEDULERS,
    compare_samplers,
    has_refiner_steps,
    use_scheduler,
)
from synthvlm.scenes.mini_models.measure.sdxl import Generator, held_out_captions

BASE, REFINER = resolve_model("bundled:mini-sdxl"), resolve_model("bundled:mini-sdxl-refiner")


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator(BASE, REFINER)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_starts_at_pure_noise(generator, name) -> None:
    use_scheduler(generator, name)
    for pipeline in (generator.base, generator.refiner):
        config = pipeline.scheduler.config
        assert config.prediction_type == "v_prediction"
        assert config.rescale_betas_zero_snr
        assert config.timestep_spacing == "trailing"


def test_schedulers_that_solve_the_same_equation_draw_nearly_the_same(generator) -> None:
    captions = held_out_captions("one", 2)
    images = {}
    for name in ("Euler", "DDIM", "DPM++ 2M", "UniPC"):
        use_scheduler(generator, name)
        images[name] = np.stack(generator(captions, 8000, 10, 2.5)).astype(int)
    apart = {name: np.abs(x - images["Euler"]).mean() for name, x in images.items()}
    # The first order is the same formula twice; the others differ by what their order gains.
    assert apart["DDIM"] < 0.1
    assert 0.1 < apart["DPM++ 2M"] < 5
    assert 0.1 < apart["UniPC"] < 5


def test_the_refiner_has_its_share_from_five_steps_on() -> None:
    assert [steps for steps in (3, 4, 5, 6, 10) if has_refiner_steps(steps)] == [5, 6, 10]


def test_the_table_leaves_out_what_cannot_be_measured() -> None:
    table = compare_samplers(BASE.parent, 1, 2.5, (4, 5), ("Euler",))
    four, five = table.rows
    assert four[:2] == ("Euler", "4")
    assert four[-3:] == ("", "", "")
    assert all(five)
    assert len(four) == len(five) == len(table.columns)
