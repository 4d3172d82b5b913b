"""A training as a caller starts it: by ``torch.distributed.run``, followed by its events."""

import pytest
from PIL import Image

from synthvlm.jobs.events import State
from synthvlm.jobs.launch import run_job, training_command
from synthvlm.storage import file_location, open_store
from synthvlm.training.answering import Answerer
from synthvlm.training.trained import download_model, last_model
from tests.training.attempts import attempt, tiny_request
from tests.training.versions import drawn_version


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    return drawn_version(open_store(file_location(tmp_path_factory.mktemp("data"))), 6)


def test_stopped_by_its_caller_and_finished_by_other_processes(version, tmp_path):
    store = open_store(file_location(tmp_path / "store"))
    request = tiny_request(version, store, checkpoint_every=100)
    running = run_job("training", training_command(2), request)
    told = [next(running) for _ in range(5)]
    assert [event.done for event in told] == [1, 2, 3, 4, 5]
    running.close()
    assert last_model(store) is None
    made = attempt(request, tmp_path)
    assert made.statuses == [0], made.output
    assert made.events[0].resumed >= 5
    assert made.events[-1].state is State.FINISHED
    model = last_model(store)
    (tmp_path / "model").mkdir()
    folder = download_model(store, model.ref, tmp_path / "model")
    card = (folder / "README.md").read_text()
    assert version.digest in card
    assert "| finetune | 5 | 20 |" in card
    answer = Answerer(folder).answer(Image.new("RGB", (80, 60), "red"), "is there a circle?")
    assert answer == answer.strip() != ""
