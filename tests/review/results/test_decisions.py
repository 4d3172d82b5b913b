"""What a campaign says of a pair in the end."""

import pytest

from synthvlm.review.results.decisions import DecidedBy, decide
from synthvlm.review.verdicts import Alignment, Reason, Verdict
from tests.review.campaign import NO, PARTLY, YES

UNSAFE = Verdict(Alignment.YES, frozenset({Reason.UNSAFE}))


@pytest.mark.parametrize(
    ("verdicts", "settled", "decided_by", "rejected"),
    [
        ([], None, DecidedBy.NOBODY, False),
        ([YES, YES, NO], None, DecidedBy.MAJORITY, False),
        ([YES, NO, NO], None, DecidedBy.MAJORITY, True),
        ([YES, PARTLY, NO], None, DecidedBy.MAJORITY, True),
        ([YES, NO], None, DecidedBy.TIE, True),
        ([YES, YES, UNSAFE], None, DecidedBy.GRAVE_REASON, True),
        ([YES, YES, UNSAFE], YES, DecidedBy.ADJUDICATOR, False),
        ([YES, YES], NO, DecidedBy.ADJUDICATOR, True),
    ],
)
def test_a_pair_stays_if_most_people_say_so(verdicts, settled, decided_by, rejected) -> None:
    decision = decide(verdicts, settled, partly_is_true=False)
    assert (decision.decided_by, decision.rejected) == (decided_by, rejected)


def test_what_is_partly_right_counts_as_the_campaign_says() -> None:
    assert decide([PARTLY], None, partly_is_true=False).rejected
    assert not decide([PARTLY], None, partly_is_true=True).rejected


def test_of_what_was_said_as_often_the_worse_is_noted() -> None:
    assert decide([YES, NO], None, partly_is_true=True).alignment is Alignment.NO
