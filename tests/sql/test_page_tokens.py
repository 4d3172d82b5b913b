"""Page tokens come back, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthvlm.errors import InvalidInput
from synthvlm.sql.page_tokens import PageTokens

PAGES = PageTokens("ListVersions")


@given(st.sampled_from(["", "shapes"]), st.integers(1, 2**63))
def test_a_token_comes_back(name, row):
    assert PAGES.row(PAGES.token(name, row), name) == row


def test_a_token_stays_the_same_from_release_to_release():
    assert PAGES.row("pEDfOIqy9ftbInNoYXBlcyIsMTJd", "shapes") == 12


def test_none_is_the_start():
    assert PAGES.row("", "shapes") is None


@given(st.text(min_size=1, max_size=60))
def test_anything_else_is_refused(text):
    with pytest.raises(InvalidInput) as raised:
        PAGES.row(text, "")
    assert raised.value.violations[0].field == "page_token"


def test_a_changed_token_is_refused():
    token = PAGES.token("shapes", 12)
    for index, character in enumerate(token[:-1]):
        other = "A" if character != "A" else "B"
        with pytest.raises(InvalidInput):
            PAGES.row(token[:index] + other + token[index + 1 :], "shapes")


def test_a_token_of_another_list_is_refused():
    with pytest.raises(InvalidInput, match="different filter"):
        PAGES.row(PAGES.token("shapes", 12), "")
    with pytest.raises(InvalidInput, match="ListCampaigns"):
        PageTokens("ListCampaigns").row(PAGES.token("shapes", 12), "shapes")
