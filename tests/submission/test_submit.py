"""``synthvlm submit`` against a pipelines server: sent, found again, followed, and its end told."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.submission.conftest import MODEL, TurnedClock
from tests.submission.kfp_server import API, Gone, Kfp, Recorded

RUNS = f"{API}/runs"

VERSION = {
    "version": {"name": "demo", "version": 3, "digest": "sha256:d", "pairs": 7, "bytes": 1},
    "counts": {"read": 9},
    "made": {"images": 2, "scores": 2},
    "reused": {"images": 5, "scores": 5},
}

Submit = Callable[..., int]
Leave = Callable[..., None]


def task(name: str, state: str, **more: object) -> dict[str, object]:
    return {"task_id": f"{name}-{state}", "display_name": name, "state": state, **more}


def test_a_run_that_succeeds_prints_its_version_and_fetches_its_report(
    submit: Submit, kfp: Kfp, leave: Leave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kfp.tasks = [task("import-captions", "SUCCEEDED"), task("generate", "RUNNING")]
    leave("one", **VERSION)
    assert submit("--run-name", "one") == 0
    out, err = capsys.readouterr()
    assert "demo@3 has 7 pairs" in out
    assert "2 images made, 5 reused" in out
    report = tmp_path / "home" / "submitted" / "one" / "report.html"
    assert f"report  {report}" in out
    assert report.read_text() == "<h1>report</h1>"
    assert "import: 1 finished" in err
    assert "generate: 1 running" in err
    assert f"{kfp.url}/#/runs/details/run-1" in err


def test_what_is_sent_is_the_plan_of_a_local_run(submit: Submit, kfp: Kfp, store: Path) -> None:
    assert submit("--no-wait", "--repeat", "3", "--top-k", "2") == 0
    (run,) = kfp.runs
    (version,) = kfp.pipeline_versions
    assert run["pipeline_version_reference"] == {
        "pipeline_id": version["pipeline_id"],
        "pipeline_version_id": version["pipeline_version_id"],
    }
    arguments = run["runtime_config"]["parameters"]
    assert arguments["generation_address"] == "synthvlm-generation.ml.svc:50051"
    generate = json.loads(arguments["generate_request"])
    assert (generate["repeats"], generate["model_digest"]) == (3, MODEL)
    assert generate["store"] == {"uri": store.as_uri()}
    (file,) = json.loads(arguments["import_captions_request"])["files"]
    assert Path(file.removeprefix("file://")).read_text() == "a red circle\na blue square\n"
    assert arguments["train_request"] == ""
    assert json.loads(arguments["prices"]) == {
        "currency": "USD",
        "gpu_hour": None,
        "gb_month": None,
    }
    assert arguments["resume_command"].split()[0] == "synthvlm"


def test_a_workflow_that_a_server_cannot_hold_is_not_sent(
    submit: Submit, kfp: Kfp, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [f"s3://bucket/captions/{number:0180x}.jsonl" for number in range(900)]
    assert submit("--no-wait", *(part for file in files for part in ("--captions", file))) == 2
    told = capsys.readouterr().err
    assert "and a process takes 128 KiB: use fewer, larger shards" in told
    assert "give the folder of many caption files" in told
    assert kfp.uploads == []
    assert kfp.runs == []


def test_the_last_stage_chooses_the_pipeline(submit: Submit, kfp: Kfp) -> None:
    assert submit("--no-wait", "--until", "select") == 0
    assert submit("--no-wait", "--until", "evaluate") == 0
    assert [one["display_name"] for one in kfp.pipelines] == ["selection-run", "dataset-run"]
    selection, whole = (one["runtime_config"]["parameters"] for one in kfp.runs)
    assert "assemble_request" not in selection
    assert json.loads(whole["evaluate_request"])["name"] == "demo"


def test_the_same_name_twice_is_the_same_run(
    submit: Submit, kfp: Kfp, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit("--no-wait") == 0
    kfp.course = ["RUNNING"]
    assert submit("--no-wait", "--json") == 0
    out, err = capsys.readouterr()
    assert len(kfp.asked("POST", RUNS)) == len(kfp.runs) == 1
    assert len(kfp.uploads) == 1
    assert "is there already" in err
    answer = json.loads(out.splitlines()[-1])
    assert (answer["run_id"], answer["adopted"], answer["state"]) == ("run-1", True, "SENT")


def test_other_arguments_are_another_run_unless_the_name_is_given(
    submit: Submit, kfp: Kfp, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit("--no-wait") == 0
    assert submit("--no-wait", "--seed", "1") == 0
    assert len({one["display_name"] for one in kfp.runs}) == 2
    assert submit("--no-wait", "--run-name", "mine") == 0
    assert submit("--no-wait", "--run-name", "mine", "--seed", "1") == 1
    assert "the server has a run mine with other arguments" in capsys.readouterr().err
    kfp.runs[-1]["storage_state"] = "ARCHIVED"
    assert submit("--no-wait", "--run-name", "mine", "--seed", "1") == 0


def test_a_folder_with_another_file_is_another_run_unless_the_name_is_given(
    submit: Submit, kfp: Kfp, store: Path
) -> None:
    (store / "in").mkdir()
    url = f"{(store / 'in').as_uri()}/"
    for name in ("a.txt", "a.txt", "b.txt"):
        (store / "in" / name).write_text("a red circle\n")
        assert submit("--no-wait", captions=url) == 0
        assert submit("--no-wait", "--run-name", "one", captions=url) == 0
    assert [one["display_name"] == "one" for one in kfp.runs] == [False, True, False]


def test_two_commands_at_the_same_time_agree_on_one_run(
    submit: Submit, kfp: Kfp, leave: Leave, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other one creates its run between this one's look and its own creation."""
    leave("one", **VERSION)

    def other_is_first(request: Recorded) -> None:
        if (request.method, request.path, len(kfp.runs)) == ("POST", RUNS, 0):
            earlier = {"run_id": "other", "created_at": "2025-12-31T00:00:00Z", "state": "RUNNING"}
            kfp.runs.append({**request.body, **earlier})

    kfp.before = other_is_first
    assert submit("--run-name", "one", "--json") == 0
    assert [one["run_id"] for one in kfp.runs] == ["other"]
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["run_id"] == "other"


def test_a_lost_answer_to_a_creation_makes_no_second_run(submit: Submit, kfp: Kfp) -> None:
    lost: list[Recorded] = []

    def lose_the_first(request: Recorded) -> None:
        if (request.method, request.path) == ("POST", RUNS) and not lost:
            lost.append(request)
            raise Gone

    kfp.after = lose_the_first
    assert submit("--no-wait") == 0
    assert len(kfp.asked("POST", RUNS)) == len(kfp.runs) == 1


def test_a_run_that_failed_names_stage_shard_reason_and_the_command_that_goes_on(
    submit: Submit, kfp: Kfp, leave: Leave, capsys: pytest.CaptureFixture[str]
) -> None:
    kfp.course = ["RUNNING", "FAILED"]
    failure = {"stage": "generate", "shard": 1, "shards": 3, "code": "INTERNAL", "reason": "broke"}
    leave("one", failure=failure, resume="synthvlm submit --name demo --captions x")
    assert submit("--run-name", "one") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "failed: the stage generate failed on shard 2 of 3: broke" in last
    assert "`synthvlm submit --name demo --captions x` goes on" in last
    assert "report.html" in last


def test_without_an_outcome_the_servers_word_is_told(
    submit: Submit, kfp: Kfp, capsys: pytest.CaptureFixture[str]
) -> None:
    kfp.course = ["FAILED"]
    kfp.tasks = [
        task("iteration(4:4)", "FAILED", task_id="i"),
        task("score", "FAILED", parent_task_id="i", error={"code": 1, "message": "OOM\nKilled"}),
        task("generate", "SUCCEEDED"),
    ]
    assert submit() == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "the stage score failed on shard 5: OOM Killed; the same command goes on" in last


def test_the_outcome_of_an_earlier_run_of_the_name_is_not_this_ones(
    submit: Submit, kfp: Kfp, leave: Leave, capsys: pytest.CaptureFixture[str]
) -> None:
    kfp.course = ["FAILED"]
    leave("one", **VERSION, finished="2025-12-31T00:00:00Z")
    assert submit("--run-name", "one") == 1
    assert "is of an earlier run of the same name" in capsys.readouterr().err


def test_a_run_that_failed_or_was_canceled_is_gone_on_with_by_a_new_one(
    submit: Submit, kfp: Kfp
) -> None:
    for end in ("FAILED", "CANCELED"):
        kfp.course = [end]
        assert submit() == 1
    kfp.course = ["RUNNING", "SUCCEEDED"]
    assert submit() == 0
    assert submit() == 0
    assert len(kfp.runs) == 3, "the one that succeeded is not made again"
    assert len({one["display_name"] for one in kfp.runs}) == 1


def test_a_canceled_run_has_ended(
    submit: Submit, kfp: Kfp, capsys: pytest.CaptureFixture[str]
) -> None:
    kfp.course = ["RUNNING", "CANCELING", "CANCELED"]
    assert submit("--json") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["state"] == "CANCELED"
    assert "the run is canceling" in err
    assert re.search(r"the run demo-\w{10} was canceled; the same command goes on", err)


def test_a_deleted_run_is_told(
    submit: Submit, kfp: Kfp, capsys: pytest.CaptureFixture[str]
) -> None:
    kfp.course = ["RUNNING"]

    def delete(request: Recorded) -> None:
        if request.path == f"{RUNS}/run-1":
            kfp.runs.clear()

    kfp.after = delete
    assert submit() == 1
    assert "answers 404: run run-1 not found" in capsys.readouterr().err


def test_a_token_that_runs_out_in_the_middle_is_read_again(
    submit: Submit, kfp: Kfp, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kfp.course = ["RUNNING", "RUNNING", "SUCCEEDED"]
    kfp.tokens = {"first"}
    (tmp_path / "token").write_text("first\n")

    def run_out(request: Recorded) -> None:
        if request.path == f"{RUNS}/run-1" and kfp.tokens == {"first"} and len(looks()) == 2:
            kfp.tokens = {"second"}
            (tmp_path / "token").write_text("second\n")

    def looks() -> list[Recorded]:
        return kfp.asked("GET", f"{RUNS}/run-1")

    kfp.before = run_out
    assert submit("--token-file", "token") == 0
    assert [one.token for one in looks()] == ["first", "first", "second", "second"]
    out, err = capsys.readouterr()
    assert "first" not in out + err
    assert "second" not in out + err


def test_a_token_that_is_renewed_late_is_waited_for(
    submit: Submit, kfp: Kfp, clock: TurnedClock, tmp_path: Path
) -> None:
    """The kubelet writes a ServiceAccount's new token some time after the old one has run out."""
    kfp.tokens = {"first"}
    (tmp_path / "token").write_text("first")

    def renewed_later(request: Recorded) -> None:
        if len(kfp.asked("GET", f"{RUNS}/run-1")) == 1:
            kfp.tokens = {"second"}
        if clock.now() > 1030:
            (tmp_path / "token").write_text("second")

    kfp.before = renewed_later
    assert submit("--token-file", "token") == 0
    assert 1030 < clock.now() < 1060


def test_a_token_that_is_refused_at_once_is_not_waited_for(
    submit: Submit, kfp: Kfp, clock: TurnedClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kfp.tokens = {"right"}
    (tmp_path / "token").write_text("very-wrong")
    assert submit("--token-file", "token") == 1
    err = capsys.readouterr().err
    assert "answers 401: not a valid token: …; give a token with --token-file" in err
    assert "very-wrong" not in err
    assert clock.slept == []


def test_a_token_command_is_run_again(submit: Submit, kfp: Kfp, tmp_path: Path) -> None:
    script = tmp_path / "mint"
    script.write_text("#!/bin/sh\necho x >> minted\necho token-$(wc -l < minted | tr -d ' ')\n")
    script.chmod(0o755)
    kfp.tokens = {"token-1"}

    def run_out(request: Recorded) -> None:
        if request.path == f"{RUNS}/run-1":
            kfp.tokens = {"token-2"}

    kfp.before = run_out
    assert submit("--token-command", "./mint --key hidden") == 0
    assert kfp.asked("GET", f"{RUNS}/run-1")[-1].token == "token-2"
    arguments = kfp.runs[0]["runtime_config"]["parameters"]
    assert "hidden" not in json.dumps(arguments)


def test_a_server_that_is_gone_for_a_minute_is_waited_for(
    submit: Submit, kfp: Kfp, clock: TurnedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    kfp.course = ["RUNNING", "RUNNING", "SUCCEEDED"]

    def gone_for_a_minute(request: Recorded) -> None:
        if request.path == f"{RUNS}/run-1" and 1005 <= clock.now() < 1065:
            raise Gone

    kfp.before = gone_for_a_minute
    assert submit() == 0
    err = capsys.readouterr().err
    assert "does not answer" in err
    assert "trying again for 600 seconds" in err
    assert "answers again after 61 seconds" in err
    assert clock.slept[1:7] == [1, 2, 4, 8, 16, 30], "longer and longer"
    assert len(kfp.runs) == 1


def test_a_server_that_stays_gone_is_given_up(
    submit: Submit, kfp: Kfp, clock: TurnedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(request: Recorded) -> None:
        if request.path == f"{RUNS}/run-1":
            raise Gone

    kfp.before = gone
    assert submit("--patience", "120") == 1
    assert "seconds now" in capsys.readouterr().err.splitlines()[-1]
    assert clock.now() - 1000 <= 120


def test_a_server_that_never_answers_is_given_up_soon(
    submit: Submit, kfp: Kfp, clock: TurnedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(request: Recorded) -> None:
        raise Gone

    kfp.before = gone
    assert submit() == 1
    assert clock.now() - 1000 <= 15
    assert "does not answer" in capsys.readouterr().err


def test_a_page_to_sign_in_is_not_taken_for_an_answer(
    submit: Submit, kfp: Kfp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Kfp, "answer", lambda *_: (302, {}))
    assert submit() == 1
    assert "sends to another page" in capsys.readouterr().err


def test_on_a_server_for_several_users_the_run_is_somebodys(
    submit: Submit, kfp: Kfp, capsys: pytest.CaptureFixture[str]
) -> None:
    kfp.multi_user = True
    assert submit("--no-wait") == 2
    assert "give your --namespace" in capsys.readouterr().err
    assert submit("--no-wait", "--namespace", "team-a") == 0
    assert kfp.experiments[0]["namespace"] == "team-a"
    assert kfp.pipelines[0]["namespace"] == "team-a"


def test_the_pods_get_queue_nodes_credentials_and_settings(submit: Submit, kfp: Kfp) -> None:
    assert submit("--no-wait", "--queue", "batch", "--priority", "nightly", "--pool", "spot") == 0
    spec, platforms = kfp.uploads[0]
    executors = platforms["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(executors) == set(spec["deploymentSpec"]["executors"])
    one = executors["exec-generate"]
    assert one["podMetadata"]["labels"] == {
        "synthvlm.io/client": "true",
        "kueue.x-k8s.io/queue-name": "batch",
        "kueue.x-k8s.io/priority-class": "nightly",
    }
    assert one["nodeSelector"]["labels"] == {"example.com/spot": "true"}
    assert one["tolerations"] == [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}]
    (secret,) = one["secretAsVolume"]
    assert (secret["secretName"], secret["mountPath"]) == ("synthvlm-token", "/run/secrets/token")
    container = spec["deploymentSpec"]["executors"]["exec-generate"]["container"]
    assert {"name": "SYNTHVLM_STEP_TOKEN_FILE", "value": "/run/secrets/token/token"} in (
        container["env"]
    )
