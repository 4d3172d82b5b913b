"""Whatever stops a stage, the next attempt goes on with what was finished, to the same bytes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from synthvlm.errors import OperationCancelled, PreconditionFailed
from synthvlm.progress import SILENT
from synthvlm.storage import Store, file_location, open_store
from tests.contracts.stages import BATCH, MODEL, STAGES, Stage

STOPS = [(name, done) for name, stage in STAGES.items() for done in stage.stops]


def named(condition: str) -> list[str]:
    return [name for name, stage in STAGES.items() if getattr(stage, condition)]


class Caller:
    """Keeps what it is told, and goes away when so many records are done."""

    def __init__(self, leave_at: int | None = None) -> None:
        self.told: list[tuple[int, int, int]] = []
        self._leave_at = leave_at

    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        self.told.append((done, total, resumed))
        if done == self._leave_at:
            raise OperationCancelled("gone")

    def check(self) -> None: ...


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(file_location(tmp_path / "store"))


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Stage:
    return STAGES[request.param]


each = pytest.mark.parametrize("stage", STAGES, indirect=True)


def files_of(store: Store, kind: str) -> dict[str, bytes]:
    return {path: store.read(path) for path in store.list(kind)}


@each
def test_a_second_call_finds_the_shard(stage: Stage, store: Store, tmp_path: Path) -> None:
    wanted = stage.prepare(store, tmp_path)
    with stage.worker() as worker:
        first = worker.make(store, wanted, SILENT)
        files, caller = files_of(store, stage.kind), Caller()
        assert worker.make(store, wanted, caller) == first
        assert worker.worked() in (stage.records, None)
    assert caller.told == [(stage.records, stage.records, stage.records)]
    assert files_of(store, stage.kind) == files
    assert not [path for path in files if "/parts/" in path]
    assert f"{first.path}/manifest.json" in files


@each
def test_another_store_gives_the_same_bytes(stage: Stage, store: Store, tmp_path: Path) -> None:
    elsewhere = open_store(file_location(tmp_path / "elsewhere"))
    made = []
    for place in (store, elsewhere):
        with stage.worker() as worker:
            made.append(worker.make(place, stage.prepare(place, tmp_path), SILENT))
    assert made[0] == made[1]
    assert files_of(store, stage.kind) == files_of(elsewhere, stage.kind)


@pytest.mark.parametrize(("stage", "done"), STOPS, indirect=["stage"])
def test_an_attempt_goes_on_where_the_last_one_stopped(
    stage: Stage, done: int, store: Store, tmp_path: Path
) -> None:
    wanted = stage.prepare(store, tmp_path)
    with stage.worker() as worker:
        whole = worker.make(store, wanted, SILENT)
    files = files_of(store, stage.kind)
    store.delete(list(files))

    with stage.worker() as worker, pytest.raises(OperationCancelled):
        worker.make(store, wanted, Caller(leave_at=done))
    assert not [path for path in store.list(stage.kind) if path.endswith("manifest.json")]
    kept, caller = stage.stops[done], Caller()
    with stage.worker() as worker:
        assert worker.make(store, wanted, caller) == whole
        assert worker.worked() in (stage.records - kept, None)
    assert files_of(store, stage.kind) == files
    assert caller.told[0] == (0, stage.records, 0)
    assert caller.told[-1] == (stage.records, stage.records, kept)
    resumed = [report for report in caller.told if 0 < report[0] <= kept]
    assert resumed == [(n, stage.records, n) for n in (*range(BATCH, kept, BATCH), kept) if kept]


@pytest.mark.parametrize("stage", ["generate", "score", "assemble"], indirect=True)
def test_a_torn_part_is_made_again(stage: Stage, store: Store, tmp_path: Path) -> None:
    wanted = stage.prepare(store, tmp_path)
    with stage.worker() as worker:
        whole = worker.make(store, wanted, SILENT)
    files = files_of(store, stage.kind)
    store.delete(list(files))
    with stage.worker() as worker, pytest.raises(OperationCancelled):
        worker.make(store, wanted, Caller(leave_at=max(stage.stops)))
    parts = store.list(f"{whole.path}/parts")
    assert len(parts) >= 2
    store.write(parts[0], store.read(parts[0])[:-10])
    caller = Caller()
    with stage.worker() as worker:
        assert worker.make(store, wanted, caller) == whole
        kept = stage.stops[max(stage.stops)] - BATCH
        assert worker.worked() in (stage.records - kept, None)
    assert caller.told[-1][2] == kept
    assert files_of(store, stage.kind) == files


@pytest.mark.parametrize("stage", named("shares"), indirect=True)
def test_calls_for_one_shard_share_the_work(stage: Stage, store: Store, tmp_path: Path) -> None:
    wanted = stage.prepare(store, tmp_path)
    with stage.worker() as worker:
        with ThreadPoolExecutor(4) as threads:
            calls = [threads.submit(worker.make, store, wanted, SILENT) for _ in range(4)]
            results = [call.result(60) for call in calls]
        assert worker.worked() == stage.records
    assert all(result == results[0] for result in results)


@each
def test_processes_at_one_shard_commit_the_same(stage: Stage, store: Store, tmp_path: Path) -> None:
    wanted = stage.prepare(store, tmp_path)

    def attempt() -> object:
        with stage.worker() as worker:
            return worker.make(store, wanted, SILENT)

    with ThreadPoolExecutor(3) as threads:
        results = [call.result(60) for call in [threads.submit(attempt) for _ in range(3)]]
    assert all(result == results[0] for result in results)
    assert not [path for path in store.list(stage.kind) if "/parts/" in path]


@pytest.mark.parametrize("stage", named("empty"), indirect=True)
def test_no_records_make_an_empty_shard(stage: Stage, store: Store) -> None:
    assert stage.empty is not None
    caller = Caller()
    with stage.worker() as worker:
        made = worker.make(store, stage.empty(store), caller)
        assert worker.worked() == 0
    assert made.records == 0
    assert caller.told == [(0, 0, 0)]


@pytest.mark.parametrize("stage", named("other_model"), indirect=True)
def test_another_model_than_the_expected_one_is_refused(stage: Stage, store: Store) -> None:
    assert stage.other_model is not None
    with stage.worker() as worker:
        with pytest.raises(PreconditionFailed) as raised:
            worker.make(store, stage.other_model(store), SILENT)
        assert worker.worked() == 0
    assert raised.value.metadata["loaded"] == MODEL
    assert store.list(stage.kind) == []
