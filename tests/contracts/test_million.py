"""docs/million.md says what the code computes, and that what was measured."""

import pytest

from benchmarks.simulation.growth import QUANTITIES, growth
from benchmarks.simulation.measure import Measured
from benchmarks.simulation.million import Design, operations
from benchmarks.simulation.page import PAGE, measured_runs, with_tables
from benchmarks.simulation.services import BATCH

RUNS = measured_runs()


def test_the_page_has_the_tables_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert with_tables(text) == text


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.setting.captions}-captions")
def test_store_operations_are_counted_as_they_were_measured(run: Measured) -> None:
    design = Design(
        captions=run.setting.captions,
        repeats=run.setting.repeats,
        shard_size=run.setting.shard_size,
        selected=run.selected,
        image_bytes=run.stored["images"] // run.images,
        generation_batch=BATCH,
        scoring_batch=BATCH,
    )
    for kind, counted in operations(design).items():
        measured = sum(service.get(kind, 0.0) for service in run.operations.values())
        assert counted == pytest.approx(measured, rel=0.05, abs=8), kind


def test_nothing_that_was_measured_grows_faster_than_linearly() -> None:
    assert [run.setting.captions for run in RUNS] == [1_000, 10_000, 100_000]
    for quantity in QUANTITIES:
        exponent = growth(quantity, RUNS).exponent
        assert exponent is None or exponent < 1.15, quantity.name


def test_each_process_stays_within_half_a_gibibyte() -> None:
    for one in (growth(quantity, RUNS) for quantity in QUANTITIES):
        if one.quantity.name.startswith("memory"):
            assert one.values[-1] < 512, one.quantity.name
