"""What is said of a run that has nothing to publish."""

from typing import Any

from synthvlm_pipelines.events import StageEvent, State
from synthvlm_pipelines.nothing_left import why_nothing_is_left
from synthvlm_pipelines.state import RunState


def state(**results: list[dict[str, Any]]) -> RunState:
    run = RunState()
    for stage, shards in results.items():
        for number, result in enumerate(shards):
            run.apply(StageEvent(stage, State.FINISHED, number, len(shards), result=result))
    return run


def dropped(**counts: int) -> list[dict[str, str]]:
    return [{"rule": rule, "records": str(number)} for rule, number in counts.items()]


def test_all_captions_dropped() -> None:
    curated = [
        {"read": "8", "dropped": dropped(words_num_filter=8)},
        {"read": "4", "dropped": dropped(words_num_filter=3, alphanumeric_filter=1)},
    ]
    assert why_nothing_is_left(state(curate=curated, generate=[{}, {}], score=[{}, {}])) == (
        "nothing is left after curation: all of 12 captions were dropped (11 words_num_filter, 1 "
        "alphanumeric_filter); use another --recipe, or other captions"
    )


def test_all_images_unusable() -> None:
    curated, generated = [{"read": "9", "kept": "9"}], [{"failed": dropped(not_finite=9)}]
    assert why_nothing_is_left(state(curate=curated, generate=generated, score=[{}])) == (
        "no image can be used: none of 9 could be made (9 not_finite); the profile's model does "
        "not work as it should"
    )


def test_no_image_scored() -> None:
    scored = [{"failed": dropped(undecodable=2)}]
    run = state(curate=[{"kept": "2"}], generate=[{"generated": "2"}], score=scored)
    assert why_nothing_is_left(run) == (
        "no image can be used: none of 2 could be scored (2 undecodable)"
    )


def test_something_left() -> None:
    assert why_nothing_is_left(state()) is None
    run = state(curate=[{"kept": "1"}, {}], generate=[{"generated": "1"}], score=[{"scored": "1"}])
    assert why_nothing_is_left(run) is None


def test_shards_that_are_not_finished_may_still_leave_something() -> None:
    run = state(curate=[{"kept": "1"}])
    run.apply(StageEvent("generate", State.FINISHED, 0, 2, result={}))
    run.apply(StageEvent("generate", State.FAILED, 1, 2))
    assert why_nothing_is_left(run) is None
