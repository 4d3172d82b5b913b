"""A training as a caller starts it: by ``torch.distributed.run``, followed by its events."""

import sys

import pytest

from synthvlm.errors import OperationCancelled
from synthvlm.storage import file_location, open_store
from synthvlm.training import launch
from synthvlm.training.answering import Answerer
from synthvlm.training.events import State
from synthvlm.training.launch import TrainingFailed, run_training
from synthvlm.training.trained import download_model, last_model
from tests.training.attempts import STEPS, tiny_request
from tests.training.versions import drawn_version


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    return drawn_version(open_store(file_location(tmp_path_factory.mktemp("data"))), 6)


def test_two_processes_train_a_model_that_answers(version, tmp_path):
    store = open_store(file_location(tmp_path / "store"))
    events = list(run_training(tiny_request(version, store), processes=2))
    assert [event.done for event in events[:-1]] == list(range(1, STEPS + 1))
    assert events[-1].state is State.FINISHED
    model = last_model(store)
    assert events[-1].values["digest"] == model.ref.digest
    (tmp_path / "model").mkdir()
    folder = download_model(store, model.ref, tmp_path / "model")
    card = (folder / "README.md").read_text()
    assert version.digest in card
    assert "| finetune | 5 | 20 |" in card
    from PIL import Image

    answer = Answerer(folder).answer(Image.new("RGB", (80, 60), "red"), "is there a circle?")
    assert answer == answer.strip() != ""


@pytest.mark.parametrize(
    ("event", "status", "error", "problem"),
    [
        ("TrainingEvent(State.FAILED, reason='no room')", 1, TrainingFailed, "no room"),
        ("TrainingEvent(State.STOPPED, reason='goes on')", 143, OperationCancelled, "goes on"),
        (None, -9, TrainingFailed, "status 247 and no word.*the rest"),
    ],
)
def test_an_end_without_a_model(version, tmp_path, monkeypatch, event, status, error, problem):
    says = "" if event is None else f"from synthvlm.training.events import *; emit({event})"
    line = f"import sys; {says}\nprint('the rest'); sys.stdout.flush(); sys.exit({status})"
    monkeypatch.setattr(launch, "command", lambda *_: [sys.executable, "-c", line])
    store = open_store(file_location(tmp_path / "store"))
    with pytest.raises(error, match=problem):
        list(run_training(tiny_request(version, store)))
