"""What a run is called, what it says of itself, and what goes with it."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from synthvlm.cli.commands.submit.sending import (
    IMPORT_TASK,
    MOST_SHARDS,
    fitting,
    reachable,
    run_name,
    this_command,
)
from synthvlm.cli.failures import WrongUsageError
from synthvlm.errors import InvalidInput, PreconditionFailed
from synthvlm.storage import Commit, ShardKey, file_location, open_store, parse_location
from synthvlm.submission.packages import read_package
from synthvlm.submission.uploads import plan_uploads, shared_store, upload
from synthvlm_pipelines.workflow_size import workflow_size
from tests.submission.conftest import GOLDEN
from tests.submission.kfp_server import Kfp

DIGEST = "sha256:0123456789abcdef"


def test_a_run_is_named_after_its_dataset_and_what_it_makes() -> None:
    assert run_name(None, "demo", DIGEST, recurs=False) == "demo-0123456789"
    assert run_name(None, "demo", DIGEST, recurs=True) == "demo"
    assert run_name("mine", "demo", DIGEST, recurs=False) == "mine"
    for wrong in ("", "-a", "A", "a b", "a/b", "x" * 101):
        with pytest.raises(InvalidInput, match="is not a valid name of a run"):
            run_name(wrong, "demo", DIGEST, recurs=False)


def test_the_command_that_goes_on_does_not_say_how_tokens_are_made() -> None:
    given = ["submit", "--name", "a b", "--token-command", "mint --key x", "--json"]
    assert this_command(given) == "synthvlm submit --name 'a b' --token-command '…' --json"
    assert this_command(["--token-command=mint"]) == "synthvlm '--token-command=…'"


def test_a_run_gets_no_more_shards_than_its_workflow_has_room_for() -> None:
    package = read_package(GOLDEN, "dataset-run")
    arguments = {"generate_request": "x" * 500}
    assert fitting(package, arguments) is package
    # A long recipe is in the status of every step, however little else there is to do.
    long = {"curate_request": random.Random(0).randbytes(40_000).hex()}
    limited = fitting(package, long)
    most = limited.constant(IMPORT_TASK, MOST_SHARDS)
    assert 1 <= most < package.constant(IMPORT_TASK, MOST_SHARDS)
    workflow_size(limited.spec, limited.platforms, long, most).check()
    with pytest.raises(InvalidInput):
        workflow_size(limited.spec, limited.platforms, long, most + 1).check()
    assert limited.with_constant(IMPORT_TASK, MOST_SHARDS, 70.0).text() == package.text()
    with pytest.raises(InvalidInput, match="and a process takes 128 KiB"):
        fitting(package, {"curate_request": "x" * 2_000_000, **arguments})


def test_services_are_reached_where_the_options_say() -> None:
    assert reachable(["caption=localhost:1"]) == {"caption": "localhost:1"}
    for wrong in ("caption", "caption=", "cook=localhost:1"):
        with pytest.raises(WrongUsageError, match="SERVICE=ADDRESS"):
            reachable([wrong])


def test_caption_files_are_uploaded_once_under_their_digests(tmp_path: Path) -> None:
    store = open_store(file_location(tmp_path / "store"))
    location = parse_location(store.uri)
    names = ["my captions (1).jsonl.gz", "größe.csv", "..txt"]
    for name in names:
        (tmp_path / name).write_text(name)
    given = ["s3://bucket/x.txt", *(str(tmp_path / name) for name in names)]
    urls, uploads = plan_uploads(given, location)
    assert urls[0] == "s3://bucket/x.txt"
    assert [url.rpartition("/")[2] for url in urls[1:]] == [
        "my-captions-1-.jsonl.gz",
        "gr-e.csv",
        "txt",
    ]
    assert (upload(store, uploads), upload(store, uploads)) == (3, 0)
    assert store.read(uploads[1].path).decode() == "größe.csv"
    (tmp_path / names[0]).write_text("changed")
    changed, _ = plan_uploads(given, location)
    assert changed[1] != urls[1]
    assert changed[2:] == urls[2:]


def test_a_store_on_a_volume_of_the_cluster_is_not_made_here(tmp_path: Path) -> None:
    with pytest.raises(PreconditionFailed, match="is a volume of the cluster"):
        shared_store((tmp_path / "data").as_uri())
    assert not (tmp_path / "data").exists()


def test_a_selection_is_published_without_what_people_rejected(
    submit: Callable[..., int], kfp: Kfp, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = open_store(file_location(store))
    selection, reviews = (
        Commit(opened, ShardKey(kind, {"of": DIGEST})).finish({}, records=3)
        for kind in ("selection", "reviews")
    )
    options = ("--no-wait", "--review-set", reviews.path, "--selection", selection.path)
    assert submit(*options) == 0
    (run,) = kfp.runs
    arguments = run["runtime_config"]["parameters"]
    assert kfp.pipelines[0]["display_name"] == "publication-run"
    assert "generate_request" not in arguments
    assert json.loads(arguments["selected"])["selection"]["digest"] == selection.digest
    assert json.loads(arguments["assemble_request"])["review_set"]["path"] == reviews.path
    for wrong, problem in (
        (("--until", "select", "--selection", selection.path), "leave out --until select"),
        (("--until", "train", "--selection", selection.path), "--selection publishes and ends"),
        (("--selection", "selection/0f"), "there is no such shard"),
    ):
        assert submit("--no-wait", *wrong) == 2
        assert problem in capsys.readouterr().err
    assert len(kfp.runs) == 1
