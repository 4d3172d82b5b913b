"""``synthvlm capacity --compare``: what a run took, beside what was planned."""

import json

import pytest

from synthvlm.cli.__main__ import run
from synthvlm.local.home import Home
from synthvlm.report.write import store_record
from synthvlm.storage import open_store
from synthvlm.storage.ledger import attempted
from synthvlm.usage import used_device, work_for
from tests.report.reported_run import make_run
from tests.report.trained_run import with_training

FOLDER = "20260304-050607-demo"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a run of two seconds an image, whose record is in the store too."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.prepare()
    store = open_store(home.store_location)
    record = with_training(store, make_run(store, captions=12, repeats=2, top_k=4, shards=1))
    made = next(one.done - one.resumed for one in record.stages if one.stage == "generate")
    work_for(FOLDER)
    with attempted(store, "images", "images/abc") as count:
        used_device(2.0 * made)
        count.made = made
    work_for("")
    record = record.model_copy(update={"run": FOLDER})
    folder = home.runs / FOLDER
    folder.mkdir()
    (folder / "record.json").write_text(record.model_dump_json())
    store_record(store, "reports/nightly", record)
    return home


def compared(capsys, *options):
    assert run(["capacity", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_images_of_20_steps_at_half_a_second_each_are_what_the_rate_promises(home, capsys):
    (one,) = compared(capsys, "--compare", "demo", "--home", str(home.root), "--gpu", "H100")
    # The rate that is published for the H100 is 2.04 images a second at 20 steps.
    assert one["an_hour"] == pytest.approx(1800)
    assert one["efficiency"] == pytest.approx(0.5 / 2.04)
    assert one["planned_hours"] == pytest.approx(one["taken_hours"] * one["efficiency"])
    assert one["taken_cost"] is None


def test_a_run_is_found_by_its_folder_and_in_its_store(home, capsys):
    by_name = compared(capsys, "--compare", "demo", "--home", str(home.root))
    by_folder = compared(capsys, "--compare", FOLDER, "--home", str(home.root))
    in_store = compared(capsys, "--compare", "nightly", "--store", home.store_uri)
    assert by_name == by_folder == in_store
    assert [one["gpu"] for one in by_name] == ["H100", "A100", "L40S"]


def test_a_training_is_compared_by_its_samples(home, capsys):
    (one,) = compared(capsys, "--compare", "demo", "--train", "7b", "--home", str(home.root))
    assert (one["stage"], one["made"], one["gpu"]) == ("train", 8 * 850, "A100")
    assert one["planned_hours"] == pytest.approx((1200 / 5.537 + 5600 / 2.310) / 3600, rel=0.01)


def test_the_table_says_what_to_plan_with(home, capsys):
    assert run(["capacity", "--compare", "demo", "--home", str(home.root), "--gpu", "H100"]) == 0
    printed = capsys.readouterr().out
    assert "1,800 in a GPU hour" in printed
    assert "0.245" in printed


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--compare", "other"], "no finished run in"),
        (["--compare", "absent", "--store"], "there is no reports/absent/record.json"),
        (["--compare", "../demo", "--store"], "there is no reports/../demo/record.json"),
    ],
)
def test_a_run_that_is_not_there_is_an_error(home, capsys, options, told):
    more = [home.store_uri] if options[-1] == "--store" else ["--home", str(home.root)]
    assert run(["capacity", *options, *more]) != 0
    assert told in capsys.readouterr().err
