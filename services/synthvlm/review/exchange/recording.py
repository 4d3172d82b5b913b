"""Entering the verdicts of a file in a campaign, each once, however often the file is sent."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from synthvlm.review.campaigns.leasing import Asker, join
from synthvlm.review.campaigns.models import (
    Assignment,
    AssignmentState,
    Base,
    Campaign,
    Pair,
    Participant,
    Verdict,
)
from synthvlm.review.campaigns.states import RECORDING, find_campaign, require_state
from synthvlm.review.campaigns.submission import fill_free_place, opinion, recorded
from synthvlm.review.exchange.entries import Quarantined, RecordedVerdict, VerdictFile
from synthvlm.review.people import Person, Role
from synthvlm.review.sampling.design import CampaignDesign
from synthvlm.review.verdicts import Alignment, Preference, Reason
from synthvlm.review.verdicts import Verdict as Opinion
from synthvlm.sql.database import Database
from synthvlm.storage import canonical_json, sha256_digest

_AT_ONCE: Final = 100
"""Entries of a transaction: those who judge meanwhile wait no longer than for that."""

_PREFERENCES: Final = {
    "source": Preference.LEFT,
    "compared": Preference.RIGHT,
    "equal": Preference.EQUAL,
}
_ASSIGNMENT = Base.metadata.tables[Assignment.__tablename__]
_RECORD = insert(Base.metadata.tables[Verdict.__tablename__]).returning(Verdict.id)
_STANDING = (
    select(
        Assignment.id, Assignment.pair, Assignment.annotator, Assignment.state, Verdict.record_time
    )
    .outerjoin(Verdict, Verdict.id == Assignment.verdict)
    .where(
        Assignment.campaign == bindparam("campaign"),
        Assignment.pair.in_(bindparam("pairs", expanding=True)),
        Assignment.annotator.in_(bindparam("annotators", expanding=True)),
    )
    .with_for_update(of=Assignment)
)


@dataclass(frozen=True)
class Entered:
    """What became of a file.

    Attributes:
        recorded: Entries that are recorded now.
        recorded_before: Entries that were recorded before.
        quarantine: What was not taken, and why, in the order of the file but for what is no verdict
            at all, which comes first.
        notices: What the file says besides, and is left out.
    """

    recorded: int
    recorded_before: int
    quarantine: Sequence[Quarantined]
    notices: Sequence[str]


@dataclass(frozen=True)
class _Target:
    """A pair of the campaign that an entry is about."""

    id: int
    position: int
    caption: str
    is_gold: bool


@dataclass
class _Place:
    """What an annotator has on a pair; ``time`` is that of the verdict that stands."""

    id: int
    state: int
    time: int | None


def enter_file(
    database: Database, person: Person, campaign_id: str, file: VerdictFile, now: int
) -> Entered:
    """Enters verdicts; see ``Reviews.enter_file``."""
    with database.session() as session:
        campaign = find_campaign(session, person, campaign_id)
        pairs = _pairs(session, campaign)
    compares = campaign.compared_path is not None
    quarantine = list(file.quarantine)
    ready: list[tuple[str, RecordedVerdict, _Target]] = []
    unused = 0
    for place, entry in zip(file.places, file.entries, strict=True):
        target = _target(pairs, entry)
        problem = target if isinstance(target, str) else _wrong_kind(entry, compares)
        if problem or isinstance(target, str):
            quarantine.append(Quarantined(place, problem))
            continue
        unused += entry.expected is not None and not target.is_gold
        ready.append((place, entry, target))
    outcomes: Counter[bool] = Counter()
    for start in range(0, len(ready), _AT_ONCE):
        batch = ready[start : start + _AT_ONCE]

        def work(
            session: Session, batch: list[tuple[str, RecordedVerdict, _Target]] = batch
        ) -> tuple[Counter[bool], list[Quarantined]]:
            found = find_campaign(session, person, campaign_id, share=True)
            require_state(found, RECORDING)
            return _enter(session, found, batch, now)

        done, refused = database.write(work)
        outcomes += done
        quarantine += refused
    notices = list(file.notices)
    if unused:
        notices.append(f"left out: {unused:,} right answers to pairs that are not gold questions")
    return Entered(outcomes[True], outcomes[False], quarantine, notices)


def _pairs(session: Session, campaign: Campaign) -> Mapping[str, Sequence[_Target]]:
    """The pairs of a campaign by the image of the source."""
    found: defaultdict[str, list[_Target]] = defaultdict(list)
    query = select(Pair.id, Pair.position, Pair.image_id, Pair.caption, Pair.expected)
    for row in session.execute(query.where(Pair.campaign == campaign.id)):
        target = _Target(row.id, row.position, row.caption, row.expected is not None)
        found[row.image_id].append(target)
    return dict(found)


def _target(pairs: Mapping[str, Sequence[_Target]], entry: RecordedVerdict) -> _Target | str:
    """The pair that an entry is about, or why there is none."""
    shown = pairs.get(entry.image_id, ())
    if not shown:
        return "the campaign does not show this image"
    if entry.caption:
        shown = [one for one in shown if one.caption == entry.caption]
        if not shown:
            return "the campaign shows this image with another caption"
    if len(shown) > 1:
        return "the campaign shows this image with several captions, so the entry needs its caption"
    return shown[0]


def _wrong_kind(entry: RecordedVerdict, compares: bool) -> str:
    """Why an entry says what the campaign does not ask; empty if it does."""
    if entry.retracted:
        return ""
    if compares and entry.preference is None:
        return "the campaign compares two images, so the entry needs a preference"
    if not compares and (entry.alignment is None or entry.preference is not None):
        return "the campaign compares no images, so the entry needs an alignment alone"
    return ""


def _enter(
    session: Session,
    campaign: Campaign,
    batch: Sequence[tuple[str, RecordedVerdict, _Target]],
    now: int,
) -> tuple[Counter[bool], list[Quarantined]]:
    """Enters some entries; how many are recorded now (True) and were before (False)."""
    design = CampaignDesign.model_validate_json(campaign.design)
    askers: dict[str, Asker] = {}
    for _, entry, _ in batch:
        role = Role.MODEL if entry.is_model else Role.ANNOTATOR
        person = Person(entry.annotator, role)
        askers.setdefault(entry.annotator, Asker(campaign, design, person, now))
    # By name: two files that are entered at once wait for one another, and never both.
    known = {}
    for name in sorted(askers):
        join(session, askers[name])
        ids = {_request_id(entry) for _, entry, _ in batch if entry.annotator == name}
        known[name] = recorded(session, askers[name], ids)
    models = _models(session, campaign, askers)
    whose = {
        "campaign": campaign.id,
        "pairs": sorted({target.id for *_, target in batch}),
        "annotators": sorted(askers),
    }
    standing = {
        (row.annotator, row.pair): _Place(row.id, row.state, row.record_time)
        for row in session.execute(_STANDING, whose)
    }
    done: Counter[bool] = Counter()
    refused: list[Quarantined] = []
    for place, entry, target in batch:
        values = _values(entry, target)
        request_id = _request_id(entry)
        before = known[entry.annotator].get(request_id)
        if entry.is_model != models[entry.annotator]:
            kind = "model" if models[entry.annotator] else "person"
            refused.append(Quarantined(place, f"the annotator is known as a {kind} here"))
        elif before is not None and before != values:
            reason = "its request_id was used for another entry of the annotator"
            refused.append(Quarantined(place, reason))
        else:
            done[before is None] += 1
            if before is None:
                _record(session, askers[entry.annotator], entry, target, values, standing)
                known[entry.annotator][request_id] = values
    return done, refused


def _models(session: Session, campaign: Campaign, names: Mapping[str, Asker]) -> dict[str, bool]:
    query = select(Participant.annotator, Participant.is_model).where(
        Participant.campaign == campaign.id, Participant.annotator.in_(list(names))
    )
    return {row.annotator: row.is_model for row in session.execute(query)}


def _record(
    session: Session,
    asker: Asker,
    entry: RecordedVerdict,
    target: _Target,
    values: Mapping[str, Any],
    standing: dict[tuple[str, int], _Place],
) -> None:
    """Records an entry. It stands unless the annotator has said something later."""
    change: dict[str, Any]
    time = entry.record_time or asker.now
    more = {"campaign": asker.campaign.id, "annotator": entry.annotator, "record_time": time}
    row = {**values, **more, "request_id": _request_id(entry)}
    verdict = session.execute(_RECORD, row).scalar_one()
    key = (entry.annotator, target.id)
    place = standing.get(key)
    is_late = place is not None and place.time is not None and place.time > time
    if entry.retracted and place is not None and place.time is not None and not is_late:
        # Somebody else may judge the pair at once.
        change = {"state": int(AssignmentState.LEASED), "verdict": None, "expires": asker.now}
        session.execute(update(_ASSIGNMENT).where(_ASSIGNMENT.c.id == place.id).values(**change))
        place.state, place.time = int(AssignmentState.LEASED), None
    if not entry.stands or is_late:
        return
    change = {"state": int(AssignmentState.DONE), "verdict": verdict, "expires": None}
    given_back = (None, AssignmentState.LOST, AssignmentState.SKIPPED)
    if (None if place is None else place.state) in given_back:
        counts = not target.is_gold and not entry.is_model
        change["wanted"] = counts and fill_free_place(session, target.id)
    if place is None:
        whose = {"campaign": asker.campaign.id, "pair": target.id, "position": target.position}
        made = session.execute(
            insert(_ASSIGNMENT).returning(_ASSIGNMENT.c.id),
            {**whose, "annotator": entry.annotator, **change},
        ).scalar_one()
        standing[key] = _Place(made, change["state"], time)
        return
    session.execute(update(_ASSIGNMENT).where(_ASSIGNMENT.c.id == place.id).values(**change))
    place.state, place.time = change["state"], time


def _values(entry: RecordedVerdict, target: _Target) -> dict[str, Any]:
    """Columns of ``Verdict`` by which an entry that is sent again is known."""
    said = Opinion()
    if not entry.retracted:
        said = Opinion(
            alignment=None if entry.alignment is None else Alignment[entry.alignment.upper()],
            reasons=frozenset(Reason[word.upper()] for word in entry.reasons),
            quality=entry.quality,
            preference=None if entry.preference is None else _PREFERENCES[entry.preference],
            comment=entry.comment,
        )
    return {
        "pair": target.id,
        "retracted": entry.retracted,
        "duration_ms": entry.duration_ms,
        # As recorded: with the source on the left, wherever it is shown.
        **opinion(said, mirrored=False),
    }


def _request_id(entry: RecordedVerdict) -> str:
    """The entry's own id, or one that follows from all it says."""
    if entry.request_id:
        return entry.request_id
    content = canonical_json(entry.model_dump(mode="json"))
    return f"file-{sha256_digest(content).removeprefix('sha256:')[:40]}"
