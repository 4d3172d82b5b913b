"""``synthvlm review``: what people write on the command line."""

import hashlib
from pathlib import Path

import pytest

from synthvlm.cli.commands.review.imports import request_of
from synthvlm.cli.commands.review.invitation import invited
from synthvlm.cli.commands.review.links import Page, running_page
from synthvlm.cli.commands.review.sources import gold_questions, named_shard
from synthvlm.cli.commands.review.thresholds import lowest
from synthvlm.cli.failures import WrongUsageError
from synthvlm.local.home import Home
from synthvlm.review.people import Person, Role, read_people
from synthvlm.review.v1 import review_pb2 as pb


def test_whoever_is_invited_is_known_to_the_service_by_their_token(tmp_path: Path) -> None:
    file = tmp_path / "people"
    tokens = {
        name: invited(file, name, role) for name, role in (("ann", "annotator"), ("o", "owner"))
    }
    assert file.stat().st_mode & 0o077 == 0
    assert read_people(file.read_text()) == {
        hashlib.sha256(tokens["ann"].encode()).hexdigest(): Person("ann", Role.ANNOTATOR),
        hashlib.sha256(tokens["o"].encode()).hexdigest(): Person("o", Role.OWNER),
    }
    with pytest.raises(WrongUsageError, match="ann has a token"):
        invited(file, "ann", "owner")
    with pytest.raises(WrongUsageError, match="must have 1 to 64 characters"):
        invited(file, "a b", "owner")


def test_gold_questions_are_read_from_lines(tmp_path: Path) -> None:
    file = tmp_path / "gold.jsonl"
    file.write_text(
        '{"image_id": "a", "aligned": true}\n\n'
        '{"image_id": "b", "aligned": false, "caption": "x"}\n'
    )
    assert gold_questions(file) == [
        pb.GoldQuestion(image_id="a", alignment="ALIGNMENT_YES"),
        pb.GoldQuestion(image_id="b", alignment="ALIGNMENT_NO", caption="x"),
    ]
    for line, problem in (
        ('{"image_id": "a"}', "aligned: Field required"),
        ('{"image_id": "a", "aligned": "yes"}', "aligned: Input should be a valid boolean"),
        ("nonsense", "line 1: the line: Invalid JSON"),
    ):
        file.write_text(line)
        with pytest.raises(WrongUsageError, match=problem):
            gold_questions(file)


@pytest.mark.parametrize("text", ["images/1", "selection/..", "selection/none"])
def test_a_shard_that_cannot_be_judged_is_told(tmp_path: Path, text: str) -> None:
    home = Home(tmp_path)
    home.prepare()
    with pytest.raises(WrongUsageError, match="SOURCE"):
        named_shard(home, text, "SOURCE")


def test_the_page_of_a_campaign_is_told_with_the_owners_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("abc_-1\n")
    page = Page("http://127.0.0.1:8000", token)
    assert page.campaign("c1") == "http://127.0.0.1:8000/campaigns/c1"
    assert page.link("c1") == "http://127.0.0.1:8000/sign-in?next=/campaigns/c1#token=abc_-1"
    assert page.sign_in() == "http://127.0.0.1:8000/sign-in#token=abc_-1"
    assert Page("http://127.0.0.1:8000", None).link("c1") == page.campaign("c1")
    assert Page("http://127.0.0.1:8000", None).sign_in() == "http://127.0.0.1:8000"
    home = Home(tmp_path / "home")
    home.prepare()
    assert running_page(home) is None


def test_the_lowest_threshold_is_one_from_which_on_the_band_stays_high_enough() -> None:
    def point(score: float, low: float) -> pb.Threshold:
        return pb.Threshold(score=score, precision={"value": low + 0.02, "low": low, "high": 1.0})

    points = [point(0.1, 0.96), point(0.2, 0.90), point(0.3, 0.95), point(0.4, 0.97)]
    assert lowest(points, 0.95) == points[2]
    assert lowest(points, 0.98) is None
    assert lowest([], 0.5) is None


def test_a_file_of_verdicts_is_known_by_its_name(tmp_path: Path) -> None:
    for name, content, problem in (
        ("verdicts.txt", b"x", "must end in .csv, .parquet, .json"),
        ("empty.csv", b"", "is empty"),
        ("none.csv", None, "cannot be read: No such file"),
    ):
        file = tmp_path / name
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(WrongUsageError, match=problem):
            request_of("0" * 16, file)
    good = tmp_path / "good.CSV"
    good.write_text("image_id,annotator,alignment\n")
    assert request_of("0" * 16, good).format == pb.VERDICT_FORMAT_CSV
