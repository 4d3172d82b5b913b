"""A training as a caller starts it: by ``torch.distributed.run``, followed by its events."""

import pytest
from PIL import Image

from synthvlm.jobs.events import State
from synthvlm.jobs.launch import run_job, training_command
from synthvlm.storage import file_location, open_store
from synthvlm.training.answering import Answerer
from synthvlm.training.trained import download_model, last_model
from tests.training.attempts import STEPS, tiny_request
from tests.training.versions import drawn_version


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    return drawn_version(open_store(file_location(tmp_path_factory.mktemp("data"))), 6)


def test_two_processes_train_a_model_that_answers(version, tmp_path):
    store = open_store(file_location(tmp_path / "store"))
    events = list(run_job("training", training_command(2), tiny_request(version, store)))
    assert [event.done for event in events[:-1]] == list(range(1, STEPS + 1))
    assert events[-1].state is State.FINISHED
    model = last_model(store)
    assert events[-1].values["digest"] == model.ref.digest
    (tmp_path / "model").mkdir()
    folder = download_model(store, model.ref, tmp_path / "model")
    card = (folder / "README.md").read_text()
    assert version.digest in card
    assert "| finetune | 5 | 20 |" in card
    answer = Answerer(folder).answer(Image.new("RGB", (80, 60), "red"), "is there a circle?")
    assert answer == answer.strip() != ""
