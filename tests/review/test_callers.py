"""Who calls: people are told apart by their tokens."""

import os
from pathlib import Path

import pytest

from synthvlm.errors import Unauthenticated, Unavailable
from synthvlm.review.callers import callers
from synthvlm.review.config import ReviewSettings
from synthvlm.review.people import OPERATOR, Person, Role, read_people, token_digest


def bearer(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]


def rewrite(file: Path, text: str) -> None:
    file.write_text(text)
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 10**9))


def test_people_and_the_service_s_own_token(tmp_path: Path) -> None:
    people, token = tmp_path / "people", tmp_path / "token"
    people.write_text(f"ann annotator {token_digest('a')}\n")
    token.write_text("secret\n")
    known = callers(ReviewSettings(people_file=people, token_file=token))
    assert known is not None
    assert known.check(bearer("a")) == Person("ann", Role.ANNOTATOR)
    assert known.check(bearer("secret")) == OPERATOR
    for sent in (bearer("b"), bearer(""), [], [("authorization", "secret")]):
        with pytest.raises(Unauthenticated):
            known.check(sent)


def test_who_is_taken_out_of_the_file_may_not_call_any_more(tmp_path: Path) -> None:
    people = tmp_path / "people"
    line = f"ann annotator {token_digest('a')}\n"
    people.write_text(line)
    known = callers(ReviewSettings(people_file=people))
    assert known is not None
    rewrite(people, "# nobody\n")
    with pytest.raises(Unauthenticated):
        known.check(bearer("a"))
    rewrite(people, f"{line}nonsense\n")
    with pytest.raises(Unavailable, match="a file of them is wrong"):
        known.check(bearer("a"))
    rewrite(people, line)
    assert known.check(bearer("a")).name == "ann"


def test_without_files_nobody_is_told_apart() -> None:
    assert callers(ReviewSettings()) is None


@pytest.mark.parametrize("content", ["", "  \n"])
def test_an_empty_token_lets_nobody_in(tmp_path: Path, content: str) -> None:
    token = tmp_path / "token"
    token.write_text(content)
    with pytest.raises(ValueError, match="is empty"):
        callers(ReviewSettings(token_file=token))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ann annotator", "line 1 is not NAME ROLE SHA256"),
        (f"\nann king {token_digest('a')}", "line 2 is not NAME ROLE SHA256"),
        ("ann annotator 123", "line 1 is not NAME ROLE SHA256"),
        (f"-ann annotator {token_digest('a')}", "line 1 is not NAME ROLE SHA256"),
        (
            f"ann annotator {token_digest('a')}\nann owner {token_digest('b')}",
            "line 2 names ann, or their token, a second time",
        ),
        (
            f"ann annotator {token_digest('a')}\nbob owner {token_digest('a')}",
            "line 2 names bob, or their token, a second time",
        ),
    ],
)
def test_a_wrong_line_is_told(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_people(text)
