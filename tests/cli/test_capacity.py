"""The arithmetic of ``synthvlm capacity``, and that docs/capacity.md agrees with it."""

import json
import math
import re
from pathlib import Path

import pytest

from synthvlm.cli.__main__ import run
from synthvlm.cli.commands.capacity.estimates import GPUS, Plan, estimates
from synthvlm.cli.commands.capacity.training import GIVEN, RATES, TrainingPlan, training_estimates
from synthvlm.errors import InvalidInput

TEXT = (Path(__file__).parents[2] / "docs" / "capacity.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Cells of the first table below a heading of the document."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_a_published_rate_is_unchanged_at_its_own_steps() -> None:
    (one,) = estimates(Plan(images=7344, steps=20, gpus=1), ["H100"])
    assert one.images_an_hour == pytest.approx(2.04 * 3600)
    assert one.gpu_hours == pytest.approx(1)
    assert one.cost == pytest.approx(GPUS["H100"].price)


def test_a_million_images_at_20_to_60_steps_are_136_to_409_h100_hours() -> None:
    hours = [estimates(Plan(steps=steps), ["H100"])[0].gpu_hours for steps in (20, 60)]
    assert [round(hour) for hour in hours] == [136, 408]


def test_twice_the_steps_or_half_the_efficiency_are_twice_the_hours() -> None:
    plans = (Plan(steps=30), Plan(steps=60), Plan(steps=30, efficiency=0.5))
    once, steps, efficiency = (estimates(plan, ["L40S"])[0] for plan in plans)
    assert steps.gpu_hours == pytest.approx(2 * once.gpu_hours)
    assert efficiency == steps


def test_more_gpus_take_less_time_for_the_same_money() -> None:
    one, many = (estimates(Plan(gpus=gpus), ["H100"])[0] for gpus in (1, 20))
    assert many.days == pytest.approx(one.days / 20)
    assert many.cost == one.cost
    assert (one.nodes, many.nodes) == (1, 3)


def test_a_given_price_replaces_the_default() -> None:
    (one,) = estimates(Plan(prices={"H100": 2.0}), ["H100"])
    assert one.cost == pytest.approx(2 * one.gpu_hours)


@pytest.mark.parametrize(
    "wrong",
    [{"images": 0}, {"gpus": 0}, {"efficiency": 0.0}, {"prices": {"Z9": 1.0}}]
    + [{"prices": {"H100": price}} for price in (-1.0, math.nan, math.inf)],
)
def test_an_invalid_plan_is_rejected(wrong: dict) -> None:
    with pytest.raises(InvalidInput):
        Plan(**wrong)


def test_the_document_has_the_products_with_rate_steps_and_price() -> None:
    published = {name: cells for name, *cells in rows("What was published")}
    assert set(published) == set(GPUS)
    for name, (rate, steps, source, price) in published.items():
        gpu = GPUS[name]
        assert (float(rate), int(steps), float(price)) == (gpu.rate, gpu.steps, gpu.price)
        assert source in gpu.source


def test_a_measured_rate_stands_before_a_published_one_and_is_called_so() -> None:
    measured, published = estimates(Plan(steps=20), ["H200", "H100"])
    assert (measured.rate, published.rate) == ("measured", "published")
    assert measured.images_an_hour == pytest.approx(1.55 * 3600)
    documented = {name: cells for name, *cells in rows("What was measured")}
    assert set(documented) == {gpu.name for gpu in GPUS.values() if gpu.measured is not None}
    for name, (rate, steps, known, share) in documented.items():
        gpu = GPUS[name]
        assert gpu.measured is not None
        assert (float(rate), int(steps), float(known)) == (gpu.measured, gpu.steps, gpu.rate)
        assert share == f"{gpu.measured / gpu.rate:.2f}"


def test_the_document_says_what_the_command_estimates(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["capacity", "--json"]) == 0
    found = {one["gpu"]: one for one in json.loads(capsys.readouterr().out)}
    documented = rows("A million images at 60 steps")
    assert {cells[0] for cells in documented} == set(found)
    for name, *cells in documented:
        one = found[name]
        assert cells == [
            f"{one['images_an_hour']:,.0f}",
            f"{one['gpu_hours']:,.0f}",
            f"{one['days']:,.1f}",
            f"{one['cost']:,.0f}",
            one["rate"],
        ]


def test_the_table_for_people_has_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["capacity", "--gpu", "L40S", "--gpus", "64"]) == 0
    printed = capsys.readouterr().out
    assert "1,000,000 images of 60 steps" in printed
    assert re.search(r"L40S\s+828\s+1,208\s+0\.8\s+16\s+2,415\s+published", printed)


LLAVA = {"pretrain": 558_128, "finetune": 665_298}


def test_llava_s_own_data_takes_the_hours_that_llava_published() -> None:
    hours = {
        model: [round(one.hours, 6) for one in training_estimates(TrainingPlan(model, LLAVA))]
        for model in RATES
    }
    assert hours == {"7b": [3.5, 10.0], "13b": [5.5, 20.0]}


def test_a_measured_rate_replaces_the_published_one_and_says_so() -> None:
    samples = {"pretrain": 3600, "finetune": 1}
    plan = TrainingPlan("7b", samples, gpus=2, rates={"pretrain": 1.0}, efficiency=0.5)
    pretrain, finetune = training_estimates(plan)
    assert (pretrain.source, pretrain.gpu_hours, pretrain.hours) == (GIVEN, 2.0, 1.0)
    assert finetune.source.startswith("published")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--train", "70b"], "--train must be one of 7b, 13b"),
        (["--train", "7b", "--gpu", "H100"], "published for the A100 alone"),
        (["--train", "7b", "--gpu", "Z9"], "no GPU is called 'Z9'"),
        (["--train", "7b", "--rate", "both=3"], "give pretrain or finetune"),
        (["--train", "7b", "--rate", "pretrain"], "not of the form STAGE=SAMPLES"),
        (["--train", "7b", "--pretrain-samples", "0"], "--pretrain-samples must be at least 1"),
        (["--train", "7b", "--gpu", "A100", "--gpu", "L4"], "one product at a time"),
    ],
)
def test_a_wrong_training_is_rejected(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["capacity", *options]) == 2
    assert told in capsys.readouterr().err


def test_the_document_s_trainings_are_the_command_s(capsys: pytest.CaptureFixture[str]) -> None:
    documented = rows("Training")
    for model in RATES:
        assert run(["capacity", "--train", model, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert [cells[1:] for cells in documented if cells[0] == model] == [
            [
                one["stage"],
                f"{one['samples']:,}",
                f"{one['rate']:,.2f}",
                f"{one['gpu_hours']:,.1f}",
                f"{one['hours']:,.1f}",
                f"{one['cost']:,.0f}",
                one["source"].partition(":")[0],
            ]
            for one in found
        ]
    assert run(["capacity", "--train", "7b", "--rate", "pretrain=9"]) == 0
    printed = capsys.readouterr().out
    assert "training of 7b on A100" in printed
    assert "given" in printed
