"""Checkpoints are whole or not there, and the last whole one is found."""

import pytest

from synthvlm.profiles import load_profile
from synthvlm.storage import file_location, open_store
from synthvlm.training.checkpoints import Checkpoints, Position
from synthvlm.training.processes import Processes
from synthvlm.training.settings import training_settings
from tests.training.buckets import bucket

KEPT = 2


@pytest.fixture(scope="module")
def alone():
    return Processes(training_settings(load_profile("mini").section("training")))


@pytest.fixture
def folder_store(tmp_path):
    return open_store(file_location(tmp_path / "store"))


@pytest.fixture(scope="module")
def bucket_store():
    with bucket() as store:
        yield store


@pytest.fixture(params=["folder", "bucket"])
def store(request):
    store = request.getfixturevalue(f"{request.param}_store")
    yield store
    store.delete(store.list("checkpoints"))


@pytest.fixture
def checkpoints(store):
    return Checkpoints(store, "key", KEPT)


@pytest.fixture
def commit(checkpoints, alone, tmp_path):
    """Commits a checkpoint that holds its own step."""

    def make(stage, step):
        folder = tmp_path / f"{stage}-{step}"
        (folder / "optimizer_0").mkdir(parents=True, exist_ok=True)
        (folder / "state.json").write_text(str(step))
        (folder / "optimizer_0" / "part").write_text(f"{step}" * 9)
        checkpoints.commit(Position(stage, step), folder, alone)

    return make


def held(checkpoints, folder):
    found = checkpoints.load(folder)
    return None if found is None else (found.position, (folder / "state.json").read_text())


def test_none(checkpoints, tmp_path):
    assert checkpoints.last() is None
    assert held(checkpoints, tmp_path / "out") is None


def test_the_last_one_is_the_furthest(checkpoints, commit, tmp_path):
    for stage, step in ((0, 9), (0, 10), (1, 2)):
        commit(stage, step)
    assert held(checkpoints, tmp_path / "out") == (Position(1, 2), "2")
    assert (tmp_path / "out" / "optimizer_0" / "part").read_text() == "2" * 9


def test_older_ones_go_and_other_trainings_stay(checkpoints, commit, store):
    store.write("checkpoints/other/stage-0-step-00000001/manifest.json", b"another's")
    for step in range(1, 6):
        commit(0, step)
    steps = {path.split("/")[2] for path in store.list(checkpoints.path)}
    assert steps == {Position(0, 4).folder, Position(0, 5).folder}
    checkpoints.forget()
    assert store.list("checkpoints") == ["checkpoints/other/stage-0-step-00000001/manifest.json"]


def test_one_without_a_manifest_does_not_exist_and_is_removed_by_the_next(
    checkpoints, commit, store, tmp_path
):
    commit(0, 1)
    cut_off = f"{checkpoints.path}/{Position(0, 2).folder}/state.json"
    store.write(cut_off, b"2")
    assert held(checkpoints, tmp_path / "out") == (Position(0, 1), "1")
    commit(0, 3)
    assert not store.exists(cut_off)


def test_written_again_after_a_kill(checkpoints, commit, store, tmp_path):
    store.write(f"{checkpoints.path}/{Position(0, 1).folder}/left-over", b"of an attempt")
    commit(0, 1)
    assert held(checkpoints, tmp_path / "out") == (Position(0, 1), "1")
    assert not (tmp_path / "out" / "left-over").exists()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("state.json", lambda data: data + b"more"),
        ("state.json", lambda data: b"3"),
        ("optimizer_0/part", None),
        ("manifest.json", lambda data: data.replace(b"state.json", b"stale.json")),
        ("manifest.json", lambda data: data[:-9]),
        ("manifest.json", lambda data: b"[]"),
    ],
)
def test_a_damaged_one_is_passed_over(checkpoints, commit, store, tmp_path, name, damage):
    commit(0, 1)
    commit(0, 2)
    path = f"{checkpoints.path}/{Position(0, 2).folder}/{name}"
    if damage is None:
        store.delete([path])
    else:
        store.write(path, damage(store.read(path)))
    assert held(checkpoints, tmp_path / "out") == (Position(0, 1), "1")
    commit(0, 2)
    assert held(checkpoints, tmp_path / "out") == (Position(0, 2), "2")
