"""What a run took: from its ledger, its shards and its training, in numbers and in money."""

import json

import pytest

from synthvlm.errors import DataCorrupt, InvalidInput
from synthvlm.report.collect import collect
from synthvlm.report.cost import run_cost
from synthvlm.report.record import Prices
from synthvlm.report.render import render_report
from synthvlm.storage import file_location, open_shard, open_store
from synthvlm.storage.ledger import attempted
from synthvlm.usage import used_device, work_for
from tests.report.reported_run import make_run
from tests.report.test_report import Page
from tests.report.trained_run import STEPS, with_training

TAKEN = {"images": (7200.0, 20), "scores": (360.0, 24)}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    store = open_store(file_location(tmp_path_factory.mktemp("run") / "store"))
    record = with_training(store, make_run(store, captions=12, repeats=2, top_k=4, shards=2))
    work_for("run-1")
    for kind, (seconds, made) in TAKEN.items():
        with attempted(store, kind, f"{kind}/abc") as count:
            used_device(seconds)
            count.made = made
    work_for("")
    return store, record.model_copy(update={"run": "run-1"})


def by_stage(reported, **update):
    store, record = reported
    cost = run_cost(store, record.model_copy(update=update))
    return cost, {stage.stage: stage for stage in cost.stages}


def test_device_time_is_what_attempts_have_written_down(run):
    _, stages = by_stage(run)
    assert stages["generate"].device_seconds == 7200.0
    assert stages["score"].device_seconds == 360.0
    assert stages["generate"].rate == stages["generate"].made / 7200
    assert {name for name, stage in stages.items() if stage.device_seconds is None} == {
        *("import", "curate", "select", "assemble")
    }


def test_bytes_are_those_of_the_manifests(run):
    store, record = run
    cost, stages = by_stage(run)
    images = [open_shard(store, shard.image_set).manifest for shard in record.shards]
    assert stages["generate"].bytes == sum(file.size for one in images for file in one.files)
    assert stages["assemble"].bytes == record.version.bytes
    assert cost.bytes == sum(stage.bytes for stage in stages.values())
    assert all(stage.bytes for stage in stages.values())


def test_a_training_is_charged_by_its_steps_on_all_processes(run):
    _, stages = by_stage(run)
    training = stages["train"]
    assert training.parts == {name: 8 * steps for name, steps in STEPS.items()}
    assert training.tokens == 180 * sum(STEPS.values())
    assert training.device_seconds == pytest.approx(8 * sum(STEPS.values()) / 50.5, rel=0.01)


def test_a_model_that_was_found_costs_nothing(run):
    _, record = run
    stages = [
        timing.model_copy(update={"resumed": timing.done})
        if timing.stage in ("train", "evaluate")
        else timing
        for timing in record.stages
    ]
    _, costs = by_stage(run, stages=stages)
    assert (costs["train"].device_seconds, costs["train"].tokens) == (0.0, 0)
    assert costs["evaluate"].device_seconds == 0.0
    assert costs["evaluate"].noun == "parts"


def test_a_run_that_did_not_say_its_name_has_unknown_device_time(run):
    _, stages = by_stage(run, run="")
    assert stages["generate"].device_seconds is None
    assert stages["generate"].made


def test_without_prices_there_are_only_quantities(run):
    cost, _ = by_stage(run)
    assert (cost.compute, cost.storage) == (None, None)
    assert "names no prices" in render_report(collect(*run))


def test_prices_make_a_bill(run):
    prices = Prices.of({"currency": "EUR", "gpu_hour": {"generate": 2.5}, "gb_month": 1000.0})
    cost, stages = by_stage(run, prices=prices)
    assert stages["generate"].compute == cost.compute == 5.0
    assert stages["score"].compute is None
    assert cost.storage == pytest.approx(cost.bytes / 10**6)
    one_price, _ = by_stage(run, prices=Prices.of({"gpu_hour": 3.6}))
    assert one_price.compute == pytest.approx(one_price.device_seconds / 1000)
    store, record = run
    page = Page(render_report(collect(store, record.model_copy(update={"prices": prices}))))
    text = "".join(page.text)
    assert "compute, EUR" in text
    assert "5.00" in text
    assert "2 h 00 min" in text


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ({"gpu_hour": -1}, "cost.gpu_hour"),
        ({"gpu_hour": {"import": 1.0}}, "cost.gpu_hour"),
        ({"gb_month": "cheap"}, "cost.gb_month"),
        ({"price": 1}, "cost.price"),
    ],
)
def test_a_wrong_price_is_named(section, named):
    with pytest.raises(InvalidInput, match=named):
        Prices.of(section)


def test_a_damaged_speed_of_a_training_is_an_error(run):
    store, record = run
    path = f"{record.model.path}/throughput.jsonl"
    whole = store.read(path)
    try:
        store.write(path, json.dumps({"stage": "pretrain"}).encode())
        with pytest.raises(DataCorrupt, match="damaged"):
            run_cost(store, record)
    finally:
        store.write(path, whole)
