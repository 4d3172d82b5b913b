"""A whole training: one curve, however many processes, whatever ends it, wherever it goes on."""

import signal

import pytest

from synthvlm.jobs.events import State
from synthvlm.storage import file_location, open_store
from synthvlm.training.checkpoints import KIND as CHECKPOINTS
from synthvlm.training.curve import CURVE, CURVE_FILE
from synthvlm.training.processes import STOPPED_STATUS
from synthvlm.training.trained import last_model, open_curve
from tests.training.attempts import STEPS, attempt, tiny_request
from tests.training.versions import drawn_version


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    store = open_store(file_location(tmp_path_factory.mktemp("data")))
    return drawn_version(store, 12)


@pytest.fixture
def store(tmp_path):
    (tmp_path / "store").mkdir()
    return open_store(file_location(tmp_path / "store"))


@pytest.fixture(scope="module")
def undisturbed(version, tmp_path_factory):
    """The store of a training that nothing ended, and what it told."""
    folder = tmp_path_factory.mktemp("undisturbed")
    store = open_store(file_location(folder))
    made = attempt(tiny_request(version, store), folder)
    assert made.statuses == [0], made.output
    return store, made


def losses(store):
    curve = open_curve(store, last_model(store)).to_pylist()
    return {(point["stage"], point["step"]): point["loss"] for point in curve}


def test_the_curve_has_every_step_of_both_stages(undisturbed):
    store, made = undisturbed
    curve = losses(store)
    assert list(curve) == [("pretrain", n) for n in (1, 2, 3, 4)] + [
        ("finetune", n) for n in (1, 2, 3, 4, 5)
    ]
    assert [event.done for event in made.events[:-1]] == list(range(1, STEPS + 1))
    assert all(event.total == STEPS and event.resumed == 0 for event in made.events[:-1])
    assert made.events[-1].state is State.FINISHED
    assert open_curve(store, last_model(store)).schema.names == CURVE.names, CURVE_FILE


def test_nothing_is_left_but_the_model(undisturbed):
    store, _ = undisturbed
    assert store.list(CHECKPOINTS) == []


def test_the_same_request_finds_the_model(undisturbed, version, tmp_path):
    store, made = undisturbed
    again = attempt(tiny_request(version, store), tmp_path)
    (event,) = again.events
    assert event.values == {**made.events[-1].values, "found": True}


def test_two_processes_have_the_same_losses(undisturbed, version, store, tmp_path):
    made = attempt(tiny_request(version, store), tmp_path, processes=2)
    assert made.statuses == [0, 0], made.output
    assert losses(store) == pytest.approx(losses(undisturbed[0]), abs=1e-4)
    assert losses(store).keys() == losses(undisturbed[0]).keys()


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param([{"signal_at": (1, signal.SIGKILL)}], id="before there is a checkpoint"),
        pytest.param([{"kill_at_upload": 2}], id="in the first checkpoint"),
        pytest.param(
            [
                {"signal_at": (3, signal.SIGKILL)},
                {"kill_at_upload": 1},  # the second checkpoint of stage 1
                {"kill_at_upload": 14},  # the second of stage 2
                {"kill_at_upload": 14},  # the model
            ],
            id="in both stages and the model",
        ),
    ],
)
def test_killed_and_started_again(undisturbed, version, store, tmp_path, kills):
    request = tiny_request(version, store)
    for kill in kills:
        assert attempt(request, tmp_path, **kill).statuses == [-signal.SIGKILL]
    made = attempt(request, tmp_path)
    assert made.statuses == [0], made.output
    assert losses(store) == losses(undisturbed[0])
    assert last_model(store).ref.digest == last_model(undisturbed[0]).ref.digest
    assert store.list(CHECKPOINTS) == []


@pytest.mark.parametrize(("sharding", "processes_after"), [("none", 1), ("fsdp2", 2)])
def test_sigterm_saves_first(undisturbed, version, store, tmp_path, sharding, processes_after):
    request = tiny_request(version, store, checkpoint_every=100, sharding=sharding)
    stopped = attempt(request, tmp_path, 2, signal_at=(5, signal.SIGTERM))
    assert stopped.statuses == [STOPPED_STATUS, STOPPED_STATUS], stopped.output
    assert stopped.events[-1].state is State.STOPPED
    done = max(event.done for event in stopped.events)
    made = attempt(request, tmp_path, processes_after)
    assert set(made.statuses) == {0}, made.output
    assert made.events[0].done == done + 1
    assert made.events[0].resumed == done
    assert losses(store) == pytest.approx(losses(undisturbed[0]), abs=1e-4)


def test_a_batch_that_cannot_be_divided(version, store, tmp_path):
    request = tiny_request(
        version, store, pretrain={"steps": 4, "global_batch": 4, "micro_batch": 3}
    )
    made = attempt(request, tmp_path)
    assert made.statuses == [2]
    assert "training.pretrain.micro_batch" in made.events[-1].reason


def test_too_many_samples_without_a_fitting_mask(store, tmp_path):
    captions = [*["a red star on a white page"] * 9, *["a </s> circle"] * 3]
    version = drawn_version(store, captions)
    made = attempt(tiny_request(version, store), tmp_path)
    assert made.statuses == [2]
    assert "(reserved" in made.events[-1].reason
    assert "sample 0009" in made.output
    allowed = tiny_request(version, store, max_mismatched=0.5)
    assert attempt(allowed, tmp_path).statuses == [0]
    assert last_model(store).details["stages"][0]["mismatched"] > 0
