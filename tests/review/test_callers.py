"""Who calls: people are told apart by their tokens."""

import os
from pathlib import Path

import pytest

from synthvlm.errors import Unauthenticated, Unavailable
from synthvlm.review.callers import callers
from synthvlm.review.config import ReviewSettings
from synthvlm.review.people import OPERATOR, Person, Role, read_people, token_digest
from synthvlm.serving.access.scopes import Caller
from synthvlm.serving.access.settings import AuthSettings, KubernetesAuth


def bearer(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]


def rewrite(file: Path, text: str) -> None:
    file.write_text(text)
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 10**9))


async def test_people_and_the_service_s_own_token(tmp_path: Path) -> None:
    people, token = tmp_path / "people", tmp_path / "token"
    people.write_text(f"ann annotator {token_digest('a')}\n")
    token.write_text("secret\n")
    known = callers(ReviewSettings(people_file=people, token_file=token))
    assert known is not None
    assert await known.check(bearer("a"), None) == Person("ann", Role.ANNOTATOR)
    assert await known.check(bearer("secret"), None) == OPERATOR
    for sent in (bearer("b"), bearer(""), [], [("authorization", "secret")]):
        with pytest.raises(Unauthenticated):
            await known.check(sent, None)


async def test_who_is_taken_out_of_the_file_may_not_call_any_more(tmp_path: Path) -> None:
    people = tmp_path / "people"
    line = f"ann annotator {token_digest('a')}\n"
    people.write_text(line)
    known = callers(ReviewSettings(people_file=people))
    assert known is not None
    rewrite(people, "# nobody\n")
    with pytest.raises(Unauthenticated):
        await known.check(bearer("a"), None)
    rewrite(people, f"{line}nonsense\n")
    with pytest.raises(Unavailable, match="a file of them is wrong"):
        await known.check(bearer("a"), None)
    rewrite(people, line)
    assert (await known.check(bearer("a"), None)).name == "ann"


def test_without_files_nobody_is_told_apart() -> None:
    assert callers(ReviewSettings()) is None


def test_whom_others_vouch_for_is_a_person_of_the_file_or_the_operator(tmp_path: Path) -> None:
    people = tmp_path / "people"
    people.write_text(f"ann annotator {token_digest('a')}\n")
    auth = AuthSettings(kubernetes=KubernetesAuth(audience="synthvlm"))
    known = callers(ReviewSettings(people_file=people, auth=auth))
    assert known is not None
    scopes = frozenset({"review:write"})
    # Not more than the file gives: an annotator stays one.
    assert known.known(Caller("ann", scopes)) == Person("ann", Role.ANNOTATOR)
    assert known.known(Caller("system:serviceaccount:team:pipeline", scopes)) == OPERATOR
    # Nobody else gets in, also where there is no file at all.
    alone = callers(ReviewSettings(auth=auth))
    assert alone is not None
    assert alone.people() == {}


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
