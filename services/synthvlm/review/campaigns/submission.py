"""Recording verdicts: each once, however often it is sent, and none is ever replaced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from synthvlm.errors import FieldViolation, InvalidInput
from synthvlm.review import verdicts
from synthvlm.review.campaigns.leasing import Asker
from synthvlm.review.campaigns.models import (
    Assignment,
    AssignmentState,
    Base,
    Campaign,
    Pair,
    Verdict,
)
from synthvlm.review.campaigns.shown import shown_pairs
from synthvlm.review.campaigns.views import Entry, MyVerdict, Outcome, Submitted
from synthvlm.review.people import Person
from synthvlm.review.verdicts import Alignment, Preference

COLUMNS = ("alignment", "reasons", "quality", "preference", "comment")
"""Columns of the tables ``verdict`` and ``adjudication`` that hold the opinion."""


_ASSIGNMENT = Base.metadata.tables[Assignment.__tablename__]
_VERDICT = Base.metadata.tables[Verdict.__tablename__]

# Statements of every call are made once: making one takes longer than running it.
_JUDGED = select(func.count()).where(
    Assignment.campaign == bindparam("campaign"),
    Assignment.annotator == bindparam("annotator"),
    Assignment.state == AssignmentState.DONE,
)
_ASSIGNED = (
    select(Assignment.id, Assignment.pair, Assignment.state, Pair.mirrored, Pair.expected)
    .join(Pair, Pair.id == Assignment.pair)
    .where(
        Assignment.pair.in_(bindparam("pairs", expanding=True)),
        Assignment.campaign == bindparam("campaign"),
        Assignment.annotator == bindparam("annotator"),
    )
    .with_for_update(of=Assignment)
)
_RECORDED = select(_VERDICT).where(
    Verdict.campaign == bindparam("campaign"),
    Verdict.annotator == bindparam("annotator"),
    Verdict.request_id.in_(bindparam("ids", expanding=True)),
)
_RECORD = insert(_VERDICT).returning(_VERDICT.c.id)


def submit(session: Session, asker: Asker, entries: Sequence[Entry]) -> Submitted:
    """Records an annotator's entries, in their order.

    Args:
        session: A transaction in which ``leasing.join`` was called, and the campaign's row is held
            so that it cannot be finished meanwhile.
        asker: Whose they are.
        entries: What they sent.

    Raises:
        InvalidInput: A verdict is not of the campaign's kind, or a ``request_id`` was used for
            another entry.
    """
    rows = _assignments(session, asker, {entry.pair_id for entry in entries})
    known = recorded(session, asker, {entry.request_id for entry in entries})
    outcomes = []
    for index, entry in enumerate(entries):
        require_kind(asker, entry.verdict, f"verdicts[{index}].verdict")
        row = rows.get(entry.pair_id)
        if row is None:
            outcomes.append(Outcome.REFUSED)
            continue
        values = _values(entry, row.mirrored)
        if (before := known.get(entry.request_id)) is not None:
            if before != values:
                problem = "was used for another entry of this annotator"
                field = f"verdicts[{index}].request_id"
                raise InvalidInput(f"{field} {problem}", [FieldViolation(field, problem)])
            outcomes.append(Outcome.RECORDED_BEFORE)
        elif entry.verdict is None and row.state != AssignmentState.DONE:
            outcomes.append(Outcome.REFUSED)
        else:
            _record(session, asker, row, entry, values)
            known[entry.request_id] = values
            outcomes.append(Outcome.RECORDED)
    return Submitted(outcomes, judged(session, asker))


def judged(session: Session, asker: Asker) -> int:
    """Pairs that somebody has judged, gold questions included."""
    mine = {"campaign": asker.campaign.id, "annotator": asker.person.name}
    return int(session.execute(_JUDGED, mine).scalar_one())


def own_verdicts(
    session: Session, campaign: Campaign, person: Person, count: int, before: int | None
) -> list[MyVerdict]:
    """Somebody's own verdicts as they stand; see ``Reviews.mine``."""
    query = (
        select(_VERDICT, Pair.mirrored)
        .join(Assignment, Assignment.verdict == Verdict.id)
        .join(Pair, Pair.id == Verdict.pair)
        .where(Verdict.campaign == campaign.id, Verdict.annotator == person.name)
        .order_by(Verdict.id.desc())
        .limit(count)
    )
    if before is not None:
        query = query.where(Verdict.id < before)
    rows = session.execute(query).all()
    pairs = shown_pairs(session, [row.pair for row in rows])
    return [
        MyVerdict(row.id, pair, from_opinion(row, row.mirrored), row.record_time)
        for row, pair in zip(rows, pairs, strict=True)
    ]


def require_kind(asker: Asker, verdict: verdicts.Verdict | None, field: str) -> None:
    """Returns if a verdict says what the campaign asks.

    Raises:
        InvalidInput: It lacks an alignment, or a preference where images are compared, or has one
            where they are not.
    """
    if verdict is None:
        return
    compares = asker.campaign.compared_path is not None
    name, problem = "", ""
    if not compares and verdict.alignment is None:
        name, problem = "alignment", "is required"
    elif compares and verdict.preference is None:
        name, problem = "preference", "is required: the campaign compares two images"
    elif not compares and verdict.preference is not None:
        name, problem = "preference", "must be unset: the campaign compares no images"
    if problem:
        path = f"{field}.{name}"
        raise InvalidInput(f"{path} {problem}", [FieldViolation(path, problem)])


def opinion(verdict: verdicts.Verdict, mirrored: bool) -> dict[str, Any]:
    """``COLUMNS`` of a verdict on a pair whose images were shown in this order."""
    preference = verdict.preference
    if preference is not None and mirrored:
        preference = preference.mirrored()
    return {
        "alignment": None if verdict.alignment is None else int(verdict.alignment),
        "reasons": verdicts.as_bits(verdict.reasons),
        "quality": verdict.quality,
        "preference": None if preference is None else int(preference),
        "comment": verdict.comment,
    }


def from_opinion(row: Any, mirrored: bool) -> verdicts.Verdict:
    """The verdict that ``COLUMNS`` hold, for somebody who sees the images in this order."""
    preference = None if row.preference is None else Preference(row.preference)
    if preference is not None and mirrored:
        preference = preference.mirrored()
    return verdicts.Verdict(
        alignment=None if row.alignment is None else Alignment(row.alignment),
        reasons=verdicts.from_bits(row.reasons),
        quality=row.quality,
        preference=preference,
        comment=row.comment,
    )


@dataclass
class _Assigned:
    """An annotator's assignment, and what must be known of its pair."""

    id: int
    state: int
    mirrored: bool
    is_gold: bool


def _assignments(session: Session, asker: Asker, pairs: set[int]) -> dict[int, _Assigned]:
    mine = {"campaign": asker.campaign.id, "annotator": asker.person.name, "pairs": list(pairs)}
    return {
        row.pair: _Assigned(row.id, row.state, row.mirrored, row.expected is not None)
        for row in session.execute(_ASSIGNED, mine)
    }


def recorded(session: Session, asker: Asker, ids: set[str]) -> dict[str, Mapping[str, Any]]:
    """What is recorded under request ids of an annotator: columns that an entry decides."""
    mine = {"campaign": asker.campaign.id, "annotator": asker.person.name, "ids": list(ids)}
    names = ("pair", "retracted", "duration_ms", *COLUMNS)
    return {
        row.request_id: {name: getattr(row, name) for name in names}
        for row in session.execute(_RECORDED, mine)
    }


def _values(entry: Entry, mirrored: bool) -> dict[str, Any]:
    return {
        "pair": entry.pair_id,
        "retracted": entry.verdict is None,
        "duration_ms": entry.duration_ms,
        **opinion(entry.verdict or verdicts.Verdict(), mirrored),
    }


def _record(
    session: Session, asker: Asker, row: _Assigned, entry: Entry, values: Mapping[str, Any]
) -> None:
    key = session.execute(
        _RECORD,
        {
            **values,
            "campaign": asker.campaign.id,
            "annotator": asker.person.name,
            "request_id": entry.request_id,
            "record_time": asker.now,
        },
    ).scalar_one()
    change: dict[str, Any] = {"state": int(AssignmentState.DONE), "verdict": key, "expires": None}
    if entry.verdict is None:
        change = {
            "state": int(AssignmentState.LEASED),
            "verdict": None,
            "expires": asker.expires,
        }
    elif row.state in (AssignmentState.LOST, AssignmentState.SKIPPED) and not row.is_gold:
        # It was given back or came late: it fills a place that is still free, or is one more.
        change["wanted"] = fill_free_place(session, entry.pair_id)
    session.execute(update(_ASSIGNMENT).where(_ASSIGNMENT.c.id == row.id).values(**change))
    row.state = change["state"]


def fill_free_place(session: Session, pair: int) -> bool:
    """Takes a verdict that is wanted of a pair and nobody's yet away; whether there was one."""
    free = session.execute(
        select(Assignment.id)
        .where(Assignment.pair == pair, Assignment.state == AssignmentState.FREE)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).scalar_one_or_none()
    if free is None:
        return False
    session.execute(delete(Assignment).where(Assignment.id == free))
    return True
