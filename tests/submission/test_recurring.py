"""Recurring runs: one a name; what changes replaces it, and what is the same is adopted."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from synthvlm.errors import InvalidInput
from synthvlm.submission.recurring import schedule
from tests.submission.kfp_server import API, Kfp, Recorded

Submit = Callable[..., int]

FOLDER = "s3://bucket/captions/"
RECURRING = f"{API}/recurringruns"


@pytest.fixture
def every(submit: Submit) -> Submit:
    def command(cron: str, *more: str) -> int:
        return submit("--every", cron, *more, captions=FOLDER)

    return command


def test_a_recurring_run_goes_one_at_a_time_and_makes_up_for_nothing(
    every: Submit, kfp: Kfp, capsys: pytest.CaptureFixture[str]
) -> None:
    assert every("0 22 * * *") == 0
    (one,) = kfp.recurring_runs
    assert one["display_name"] == "demo"
    assert one["trigger"] == {"cron_schedule": {"cron": "0 0 22 * * *"}}
    assert (one["max_concurrency"], one["no_catchup"], one["mode"]) == ("1", True, "ENABLE")
    arguments = one["runtime_config"]["parameters"]
    assert json.loads(arguments["import_captions_request"])["files"] == [FOLDER]
    assert "the recurring run demo was created" in capsys.readouterr().out


def test_the_import_of_a_recurring_run_is_never_taken_from_a_cache(
    every: Submit, submit: Submit, kfp: Kfp
) -> None:
    """The cache compares names, and a folder's name stays when a file is put into it."""

    def imports(spec: Any) -> list[object]:
        parts = [spec["root"], *spec["components"].values()]
        return [
            one["dag"]["tasks"]["import-captions"]["cachingOptions"]
            for one in parts
            if "import-captions" in one.get("dag", {}).get("tasks", {})
        ]

    assert every("@daily") == 0
    assert submit("--no-wait") == 0
    folder, file = (imports(spec) for spec, _ in kfp.uploads)
    assert folder == [{}]
    assert file == [{"enableCache": True}], "an uploaded file's name has its digest"


def test_the_same_recurring_run_is_adopted(
    every: Submit, kfp: Kfp, capsys: pytest.CaptureFixture[str]
) -> None:
    assert every("@daily") == 0
    kfp.recurring_runs[0]["mode"] = "DISABLE"
    assert every("@daily", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["change"] == "adopted"
    (one,) = kfp.recurring_runs
    assert (one["recurring_run_id"], one["mode"]) == ("recurring-1", "ENABLE")


@pytest.mark.parametrize("change", [("@hourly",), ("@daily", "--seed", "1")])
def test_a_changed_one_takes_its_place_and_never_are_two_switched_on(
    every: Submit, kfp: Kfp, change: tuple[str, ...]
) -> None:
    assert every("@daily") == 0
    switched_on: list[int] = []

    def count(_request: Recorded) -> None:
        switched_on.append(sum(one["mode"] == "ENABLE" for one in kfp.recurring_runs))

    kfp.before = kfp.after = count
    assert every(*change) == 0
    (one,) = kfp.recurring_runs
    assert (one["recurring_run_id"], one["mode"]) == ("recurring-2", "ENABLE")
    assert max(switched_on) == 1


def test_a_change_that_was_interrupted_is_finished_by_the_same_command(
    every: Submit, kfp: Kfp
) -> None:
    assert every("@daily") == 0

    def refuse(request: Recorded) -> None:
        if request.method == "DELETE":
            kfp.tokens = {"none is right"}

    kfp.before = refuse
    assert every("@hourly") == 1
    assert [one["mode"] for one in kfp.recurring_runs] == ["ENABLE", "DISABLE"]
    kfp.before, kfp.tokens = (lambda _request: None), set()
    assert every("@hourly") == 0
    (one,) = kfp.recurring_runs
    assert (one["recurring_run_id"], one["mode"]) == ("recurring-2", "ENABLE")


def test_never_removes_it(every: Submit, kfp: Kfp, capsys: pytest.CaptureFixture[str]) -> None:
    assert every("@daily") == 0
    assert every("never") == 0
    assert kfp.recurring_runs == []
    assert every("never") == 0
    assert "there is no recurring run demo" in capsys.readouterr().out


def test_captions_of_this_machine_do_not_recur(
    submit: Submit, kfp: Kfp, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit("--every", "@daily") == 2
    assert "put them into a folder of a store" in capsys.readouterr().err
    assert kfp.requests == []


@pytest.mark.parametrize("text", ["", "daily", "* * * *", "* * * * * * *", "0 22 * * ;", "@never"])
def test_what_is_not_a_schedule_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a schedule"):
        schedule(text)


def test_schedules_have_seconds_in_front() -> None:
    assert schedule("*/5 8-18 * * MON-FRI") == "0 */5 8-18 * * MON-FRI"
    assert schedule("30 0 22 * * ?") == "30 0 22 * * ?"
    assert schedule("@daily") == "@daily"
