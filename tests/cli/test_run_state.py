"""Where a run stands, from its events, and how that is shown."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.cli.run.display import PlainDisplay, duration, run_table, stage_line
from synthvlm.cli.terminal.output import Terminal
from synthvlm_pipelines.events import PROGRESS_FILE, EventReader, StageEvent, State, emit
from synthvlm_pipelines.state import STAGES, RunState


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def running(stage: str, shard: int, shards: int, done: int, total: int) -> StageEvent:
    return StageEvent(stage, State.RUNNING, shard, shards, done, total)


def test_a_stage_adds_up_its_shards_and_estimates_the_rest() -> None:
    clock = Clock()
    state = RunState(clock=clock)
    state.apply(replace(running("generate", 0, 3, 40, 100), resumed=20))
    clock.now += 10
    state.apply(running("generate", 1, 3, 20, 60))
    stage = state.stages["generate"]
    assert (stage.done, stage.resumed, stage.total) == (60, 20, 240)
    assert stage.rate(clock.now) == pytest.approx(4.0)
    assert stage.seconds_left(clock.now) == pytest.approx(45.0)
    assert state.stages["score"].shards == 3  # the loop's stages share their shards
    assert state.stages["select"].shards == 0


def test_what_was_found_is_told_and_does_not_count_as_work() -> None:
    clock = Clock()
    state = RunState(clock=clock)
    state.apply(replace(running("generate", 0, 1, 50, 80), resumed=8, reused=22))
    clock.now += 10
    stage = state.stages["generate"]
    assert stage.rate(clock.now) == pytest.approx(2.0)
    assert "50/80 (8 resumed, 22 reused)" in stage_line(stage, clock.now)


def test_a_finished_stage_keeps_its_time() -> None:
    clock = Clock()
    state = RunState(clock=clock)
    state.apply(StageEvent("select", State.STARTED))
    clock.now += 3
    state.apply(StageEvent("select", State.FINISHED, done=5, total=5, result={"selected": "5"}))
    clock.now += 50
    assert state.stages["select"].is_finished
    assert state.stages["select"].seconds(clock.now) == 3
    assert state.stages["select"].seconds_left(clock.now) is None
    assert state.results("select") == [{"selected": "5"}]


def test_a_pause_between_shards_does_not_count_for_the_stage() -> None:
    clock = Clock()
    state = RunState(clock=clock)
    for shard in (0, 1):
        state.apply(StageEvent("curate", State.STARTED, shard, 2))
        clock.now += 2
        state.apply(StageEvent("curate", State.FINISHED, shard, 2))
        clock.now += 60  # another stage's
    assert state.stages["curate"].seconds(clock.now) == 4


def test_results_are_in_the_order_of_shards() -> None:
    state = RunState()
    for shard in (2, 0, 1):
        state.apply(StageEvent("curate", State.FINISHED, shard, 3, result={"kept": shard}))
    assert [result["kept"] for result in state.results("curate")] == [0, 1, 2]


def test_the_first_failure_stays() -> None:
    state = RunState()
    for reason in ("first", "second"):
        state.apply(StageEvent("score", State.FAILED, 1, 2, code="INTERNAL", reason=reason))
    assert state.failure is not None
    assert state.failure.reason == "first"


EVENTS = st.builds(
    StageEvent,
    stage=st.sampled_from(STAGES),
    state=st.sampled_from(State),
    shard=st.integers(0, 3),
    shards=st.just(4),
    done=st.integers(0, 10**6),
    total=st.integers(0, 10**6),
    resumed=st.integers(0, 10**6),
    reused=st.integers(0, 10**6),
)


@settings(deadline=None, max_examples=25)
@given(st.lists(EVENTS, max_size=30))
def test_any_order_of_events_can_be_shown(events: list[StageEvent]) -> None:
    clock = Clock()
    state = RunState(clock=clock)
    console = Terminal(file=io.StringIO(), width=100)
    display = PlainDisplay(console, clock)
    for event in events:
        clock.now += 0.7
        state.apply(event)
        display.run(state)
    console.print(run_table(state))
    for stage in state.stages.values():
        left = stage.seconds_left(clock.now)
        assert left is None or left >= 0
        assert stage.rate(clock.now) >= 0


def test_plain_lines_are_few() -> None:
    clock, out = Clock(), io.StringIO()
    state, display = RunState(clock=clock), PlainDisplay(Terminal(file=out, width=200), clock)
    for done in range(1, 101):
        clock.now += 0.1
        state.apply(running("generate", 0, 1, done, 100))
        display.run(state)
    state.apply(StageEvent("generate", State.FINISHED, done=100, total=100))
    display.run(state)
    lines = out.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[-1] == "generate: 1/1 shards, 100/100, 10.1/s, took 0:10"


def test_a_line_names_the_shards_at_work() -> None:
    clock = Clock()
    state = RunState(clock=clock)
    state.apply(StageEvent("curate", State.FINISHED, 0, 3, done=10, total=10))
    state.apply(running("curate", 1, 3, 4, 10))
    clock.now += 2
    line = stage_line(state.stages["curate"], clock.now)
    assert line == "curate: 1/3 shards, 14/30, 7.0/s, 0:02 left [#2 4/10]"


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (71, "1:11"), (3671.2, "1:01:11")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_events_are_read_as_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "progress.jsonl"
    monkeypatch.setenv(PROGRESS_FILE, str(path))
    reader = EventReader(path)
    assert list(reader.new()) == []
    first = StageEvent("import", State.STARTED)
    second = StageEvent("curate", State.FAILED, 1, 2, reason="größer als", code="INTERNAL")
    emit(first)
    assert list(reader.new()) == [first]
    emit(second)
    with path.open("ab") as file:
        file.write(b'{"stage": "sco')
    assert list(reader.new()) == [second]
    assert list(reader.new()) == []


def test_warnings_of_the_import_are_said_once_and_before_images_are_made() -> None:
    state, written = RunState(), io.StringIO()
    display = PlainDisplay(Terminal(file=written, width=200))
    warning = {"file": "c.txt", "kind": "table", "message": "looks like a table"}
    state.apply(StageEvent("import", State.FINISHED, result={"warnings": [warning]}))
    display.run(state)
    state.apply(running("generate", 0, 1, 1, 10))
    display.run(state)
    lines = written.getvalue().splitlines()
    assert lines.count("warning: c.txt: looks like a table") == 1
    assert lines[0].startswith("warning: ")
