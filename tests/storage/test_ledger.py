"""What runs have taken is written down beside their shards, and is no part of these."""

import json

import pytest

from synthvlm.errors import DataCorrupt, Unavailable
from synthvlm.storage import open_store, parse_location
from synthvlm.storage.ledger import Taken, attempted, run_usage
from synthvlm.usage import metered, used_device, work_for


@pytest.fixture
def store(tmp_path):
    return open_store(parse_location(f"file://{tmp_path}/store"))


@pytest.fixture(autouse=True)
def run():
    work_for("run-1")
    yield "run-1"
    work_for("")


def test_attempts_of_a_run_are_added_up_by_kind(store, run):
    for kind, seconds, made in (("images", 1.5, 3), ("images", 0.5, 4), ("scores", 0.25, 7)):
        with attempted(store, kind, f"{kind}/abc") as count:
            used_device(seconds)
            count.made += made
    usage = run_usage(store, run)
    images = usage.of("images")
    assert (images.attempts, images.made, images.device_seconds) == (2, 7, 2.0)
    assert usage.of("scores").device_seconds == 0.25
    assert usage.of("captions") == Taken()
    assert run_usage(store, "run-2").kinds == {}


def test_an_attempt_that_fails_is_paid_for_too(store, run):
    with pytest.raises(ValueError, match="the model broke"), attempted(store, "images", "i") as one:
        used_device(2.0)
        one.made = 1
        raise ValueError("the model broke")
    assert run_usage(store, run).of("images").device_seconds == 2.0


def test_only_what_a_run_takes_is_written_down(store):
    with attempted(store, "images", "images/found"):
        pass
    work_for("")
    with attempted(store, "images", "images/nobody"):
        used_device(1.0)
    work_for("../escape")
    with attempted(store, "images", "images/elsewhere"):
        used_device(1.0)
    assert store.list("") == []


def test_a_store_that_takes_no_entry_does_not_undo_the_work(store, run, monkeypatch):
    def refuse(path: str, data: bytes) -> None:
        raise Unavailable("the store is gone", 1.0)

    monkeypatch.setattr(store, "write", refuse)
    with attempted(store, "images", "images/abc"):
        used_device(1.0)


def test_a_damaged_entry_is_named(store, run):
    store.write(f"usage/{run}/images-1.json", json.dumps({"kind": "images"}).encode())
    with pytest.raises(DataCorrupt, match=r"usage/run-1/images-1\.json .* delete it"):
        run_usage(store, run)


def test_time_is_counted_for_the_innermost_meter():
    with metered() as outer:
        used_device(1.0)
        with metered() as inner:
            used_device(2.0)
        used_device(4.0)
    assert (outer.device_seconds, inner.device_seconds) == (5.0, 2.0)
