"""Leases: who judges which pair, decided in one transaction.

An annotator holds a number of pairs until they judge them or the leases expire. Asking again gives
the same pairs, so nothing is lost with an answer, or with a page that is loaded anew. In PostgreSQL
rows that others are taking are passed over (``FOR UPDATE SKIP LOCKED``); in SQLite one writes at a
time. That nobody has a pair twice is a constraint of the table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Integer, bindparam, delete, exists, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from synthvlm.review.campaigns.gold import is_due, shuffled
from synthvlm.review.campaigns.models import (
    Assignment,
    AssignmentState,
    Base,
    Campaign,
    Pair,
    Participant,
)
from synthvlm.review.people import Person, Role
from synthvlm.review.sampling.design import CampaignDesign

_HELD = int(AssignmentState.LEASED)

# Statements of every call are made once: making one takes longer than running it.
_LEASED = (
    select(Participant.leased)
    .where(
        Participant.campaign == bindparam("campaign"),
        Participant.annotator == bindparam("annotator"),
    )
    .with_for_update()
)
_MINE = (
    select(Assignment.id, Assignment.pair)
    .where(
        Assignment.campaign == bindparam("campaign"),
        Assignment.annotator == bindparam("annotator"),
        Assignment.state == _HELD,
    )
    .order_by(Assignment.turn, Assignment.id)
    # Waits for whoever is just taking one of them, and then leaves it out.
    .with_for_update()
)

_OTHER = aliased(Assignment)
_OPEN = select(Assignment.id, Assignment.pair, Assignment.annotator).where(
    Assignment.campaign == bindparam("campaign"),
    # Pairs that the asker was given already are not for them again.
    ~exists().where(
        _OTHER.pair == Assignment.pair,
        _OTHER.annotator == bindparam("annotator"),
        _OTHER.state != AssignmentState.LOST,
    ),
)
_EXPIRED = (
    _OPEN.where(
        Assignment.state == _HELD, Assignment.expires <= bindparam("now"), Assignment.wanted
    )
    .order_by(Assignment.expires, Assignment.id)
    .limit(bindparam("limit", type_=Integer))
)
_FREE = (
    _OPEN.where(Assignment.state == AssignmentState.FREE)
    .order_by(Assignment.position, Assignment.id)
    .limit(bindparam("limit", type_=Integer))
)
_LOCKED = tuple(
    choice.with_for_update(skip_locked=True, of=Assignment) for choice in (_EXPIRED, _FREE)
)
_ASSIGNMENT = Base.metadata.tables[Assignment.__tablename__]
_FORGET = delete(_ASSIGNMENT).where(
    Assignment.pair.in_(bindparam("pairs", expanding=True)),
    Assignment.annotator == bindparam("annotator"),
    Assignment.state == AssignmentState.LOST,
)
_TAKE = (
    update(_ASSIGNMENT)
    .where(_ASSIGNMENT.c.id == bindparam("row"))
    .values(
        state=_HELD,
        annotator=bindparam("taker"),
        expires=bindparam("until"),
        turn=bindparam("place"),
    )
)


@dataclass(frozen=True)
class Asker:
    """Who asks for pairs of which campaign, and when, in seconds since the Unix epoch."""

    campaign: Campaign
    design: CampaignDesign
    person: Person
    now: int

    @property
    def expires(self) -> int:
        """When what is leased now expires."""
        return self.now + self.design.lease_seconds


class _Row(Protocol):
    id: int
    pair: int
    annotator: str | None


def join(session: Session, asker: Asker) -> int:
    """Locks the row of a participant, which the first call makes; what they were leased so far.

    It keeps two calls of one annotator from running at once; nobody else waits for it.
    """
    mine = {"campaign": asker.campaign.id, "annotator": asker.person.name}
    leased = session.execute(_LEASED, mine).scalar_one_or_none()
    if leased is None:
        dialect: Any = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        row = {**mine, "is_model": asker.person.role is Role.MODEL, "leased": 0}
        session.execute(dialect.insert(Participant).values(row).on_conflict_do_nothing())
        leased = session.execute(_LEASED, mine).scalar_one()
    return int(leased)


def held(session: Session, asker: Asker) -> list[int]:
    """The pairs that somebody holds, in the order in which they were leased; their time is renewed.

    Those that have expired are still theirs while nobody else has taken them.
    """
    mine = {"campaign": asker.campaign.id, "annotator": asker.person.name}
    rows = session.execute(_MINE, mine).all()
    if rows:
        session.execute(
            update(Assignment)
            .where(Assignment.id.in_([row.id for row in rows]))
            .values(expires=asker.expires)
        )
    return [row.pair for row in rows]


def lease(session: Session, asker: Asker, count: int, turn: int) -> list[int]:
    """Leases up to ``count`` further pairs; their ids, in the order in which to judge them.

    Args:
        session: A transaction in which ``join`` was called.
        asker: Who asks.
        count: How many, at least one.
        turn: What they were leased so far, as ``join`` says.
    """
    due = [
        is_due(asker.design, asker.campaign.campaign_id, asker.person.name, turn + ahead)
        for ahead in range(count)
    ]
    questions = _unasked(session, asker, sum(due)) if any(due) else []
    room = count - len(questions)
    # One at least is looked for: gold questions alone would be recognised as such.
    if asker.person.role is Role.MODEL:
        found: list[_Row] = []
        fresh = _unseen(session, asker, max(1, room))
    else:
        found = _wanted(session, asker, max(1, room))
        fresh = [row.pair for row in found]
    if not fresh:
        return []
    found, fresh = found[:room], fresh[:room]
    ordered: list[int] = []
    waiting, gold = iter(fresh), iter(questions)
    for is_gold in due:
        pair = next(gold if is_gold else waiting, None)
        if pair is not None:
            ordered.append(pair)
    ordered += [*gold, *waiting]
    turns = {pair: turn + place for place, pair in enumerate(ordered)}
    _take(session, asker, found, turns)
    taken = {row.pair for row in found}
    _add(session, asker, [pair for pair in ordered if pair not in taken], turns)
    session.execute(
        update(Participant)
        .where(
            Participant.campaign == asker.campaign.id, Participant.annotator == asker.person.name
        )
        .values(leased=turn + len(ordered))
    )
    return ordered


def skip(session: Session, asker: Asker, pairs: Sequence[int]) -> int:
    """Gives pairs back that somebody holds; how many of them they did hold."""
    rows = session.execute(
        select(Assignment)
        .where(
            Assignment.pair.in_(pairs),
            Assignment.campaign == asker.campaign.id,
            Assignment.annotator == asker.person.name,
            Assignment.state == _HELD,
        )
        .with_for_update()
    ).scalars()
    skipped = list(rows)
    for row in skipped:
        if row.wanted:
            session.add(_free(row))
        row.state, row.wanted, row.expires = int(AssignmentState.SKIPPED), False, None
    return len(skipped)


def leased_now(session: Session, campaign: int, now: int) -> int:
    """Leases that have not expired."""
    query = select(func.count()).where(
        Assignment.campaign == campaign, Assignment.state == _HELD, Assignment.expires > now
    )
    return session.execute(query).scalar_one()


def is_more(session: Session, asker: Asker) -> bool:
    """Whether somebody could have more than they were leased.

    In PostgreSQL a row that another call has looked at is passed over, also if that call leaves it.
    """
    return any(
        session.execute(choice, _whose(asker, limit=1)).first() is not None
        for choice in (_EXPIRED, _FREE)
    )


def _wanted(session: Session, asker: Asker, count: int) -> list[_Row]:
    """Verdicts that are wanted and nobody's: what has expired first, then in the sample's order.

    Of several of one pair, the first is taken.
    """
    found: dict[int, _Row] = {}
    for choice in _LOCKED:
        missing = count - len(found)
        if not missing:
            break
        query = choice.where(Assignment.pair.not_in(found)) if found else choice
        limit = missing * asker.design.verdicts_per_pair
        for row in session.execute(query, _whose(asker, limit=limit)):
            if len(found) < count:
                found.setdefault(row.pair, row)
    return list(found.values())


def _whose(asker: Asker, **more: Any) -> dict[str, Any]:
    """The parameters of statements about one annotator of a campaign."""
    return {
        "campaign": asker.campaign.id,
        "annotator": asker.person.name,
        "now": asker.now,
        **more,
    }


def _unasked(session: Session, asker: Asker, count: int) -> list[int]:
    asked = exists().where(Assignment.pair == Pair.id, Assignment.annotator == asker.person.name)
    query = select(Pair.id).where(
        Pair.campaign == asker.campaign.id, Pair.expected.is_not(None), ~asked
    )
    questions = session.execute(query).scalars().all()
    campaign, name = asker.campaign.campaign_id, asker.person.name
    return shuffled(asker.design, campaign, name, questions)[:count]


def _unseen(session: Session, asker: Asker, count: int) -> list[int]:
    """Pairs of the sample for a model, which takes nobody's place."""
    seen = exists().where(Assignment.pair == Pair.id, Assignment.annotator == asker.person.name)
    query = (
        select(Pair.id)
        .where(Pair.campaign == asker.campaign.id, Pair.expected.is_(None), ~seen)
        .order_by(Pair.position)
        .limit(count)
    )
    return list(session.execute(query).scalars())


def _take(session: Session, asker: Asker, rows: Sequence[_Row], turns: dict[int, int]) -> None:
    """Makes rows the asker's; who had them before is noted, should their verdict still come."""
    if not rows:
        return
    mine = {"pairs": [row.pair for row in rows], "annotator": asker.person.name}
    session.execute(_FORGET, mine)
    taken = {"taker": asker.person.name, "until": asker.expires}
    session.connection().execute(
        _TAKE, [{**taken, "row": row.id, "place": turns[row.pair]} for row in rows]
    )
    lost = [row for row in rows if row.annotator is not None]
    if lost:
        positions = _positions(session, [row.pair for row in lost])
        session.execute(
            insert(Assignment),
            [
                {
                    "campaign": asker.campaign.id,
                    "pair": row.pair,
                    "position": positions[row.pair],
                    "state": int(AssignmentState.LOST),
                    "wanted": False,
                    "annotator": row.annotator,
                }
                for row in lost
            ],
        )


def _add(session: Session, asker: Asker, pairs: Sequence[int], turns: dict[int, int]) -> None:
    """Leases pairs of which no verdict is wanted: gold questions, and those for models."""
    if not pairs:
        return
    positions = _positions(session, pairs)
    session.execute(
        insert(Assignment),
        [
            {
                "campaign": asker.campaign.id,
                "pair": pair,
                "position": positions[pair],
                "state": _HELD,
                "wanted": False,
                "annotator": asker.person.name,
                "expires": asker.expires,
                "turn": turns[pair],
            }
            for pair in pairs
        ],
    )


def _positions(session: Session, pairs: Iterable[int]) -> dict[int, int]:
    query = select(Pair.id, Pair.position).where(Pair.id.in_(list(pairs)))
    return {row.id: row.position for row in session.execute(query)}


def _free(row: Assignment) -> Assignment:
    return Assignment(
        campaign=row.campaign,
        pair=row.pair,
        position=row.position,
        state=int(AssignmentState.FREE),
        wanted=True,
    )
