"""The verdicts of a finished campaign as a ReviewSet: what people decided, and every entry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from synthvlm.review.campaigns.models import (
    Assignment,
    Campaign,
    Pair,
    Participant,
    Picture,
    Verdict,
)
from synthvlm.review.results.decisions import DecidedBy, Decision, decide
from synthvlm.review.results.figures import Figures
from synthvlm.review.results.standing import Standing
from synthvlm.review.sampling.design import CampaignDesign
from synthvlm.review.statistics.agreement import Agreement
from synthvlm.review.statistics.calibration import Curve
from synthvlm.review.verdicts import Alignment, Preference, Side, from_bits
from synthvlm.storage import Commit, ShardKey, ShardRef, Store, sha256_digest
from synthvlm.storage.schemas import REVIEWED, REVIEWED_FILE, VERDICTS, VERDICTS_FILE
from synthvlm.storage.tables import table_bytes

KIND = "reviews"
CODE_VERSION = 1
"""Raised whenever this code decides otherwise on the same verdicts."""

_DIGITS = 6
"""Of figures in the manifest: as many as mean something, and as all machines agree on."""

_PREFERRED = {
    Preference.LEFT: "source",
    Preference.RIGHT: "compared",
    Preference.EQUAL: "equal",
}


@dataclass(frozen=True)
class Verdicts:
    """What a ReviewSet is made of, as read from the database.

    Attributes:
        pairs: Rows of the sample: columns of ``REVIEWED`` that were drawn, and ``pair``.
        entries: Rows of ``VERDICTS``.
        standing: What stands.
    """

    pairs: Sequence[Mapping[str, Any]]
    entries: Sequence[Mapping[str, Any]]
    standing: Standing


def read_verdicts(session: Session, campaign: Campaign, standing: Standing) -> Verdicts:
    """Reads everything that people said in a campaign."""
    other = aliased(Picture)
    drawn = (
        select(Pair.__table__, other.image_id.label("compared_image_id"))
        .outerjoin(other, (other.pair == Pair.id) & (other.side == Side.RIGHT))
        .where(Pair.campaign == campaign.id, Pair.expected.is_(None))
        .order_by(Pair.image_id)
    )
    pairs = [
        {
            "pair": row.id,
            "image_id": row.image_id,
            "caption_id": row.caption_id,
            "compared_image_id": row.compared_image_id,
            "weighted_score": row.score,
            "stratum": row.stratum,
            "inclusion": row.inclusion,
        }
        for row in session.execute(drawn)
    ]
    given = (
        select(
            Verdict.__table__,
            Pair.image_id,
            Pair.caption,
            Pair.expected,
            Participant.is_model,
            Assignment.id.is_not(None).label("stands"),
        )
        .join(Pair, Pair.id == Verdict.pair)
        .join(
            Participant,
            (Participant.campaign == Verdict.campaign)
            & (Participant.annotator == Verdict.annotator),
        )
        .outerjoin(Assignment, Assignment.verdict == Verdict.id)
        .where(Verdict.campaign == campaign.id)
        .order_by(Verdict.id)
    )
    same = ("image_id", "caption", "annotator", "is_model", "stands", "retracted", "quality")
    more = ("comment", "duration_ms", "record_time", "request_id")
    entries = [
        {
            **{name: getattr(row, name) for name in (*same, *more)},
            "alignment": _alignment(row.alignment),
            "expected": _alignment(row.expected),
            "preference": _preference(row.preference),
            "reasons": _names(from_bits(row.reasons)),
        }
        for row in session.execute(given)
    ]
    return Verdicts(pairs, entries, standing)


def commit_review_set(
    store: Store,
    source: ShardRef,
    compared: ShardRef | None,
    design: CampaignDesign,
    verdicts: Verdicts,
    figures: Figures,
) -> tuple[ShardRef, int]:
    """Commits a ReviewSet, or finds it committed.

    Args:
        store: Where the source lies.
        source: What was judged.
        compared: What its images were compared with.
        design: How.
        verdicts: What people said.
        figures: What follows from it.

    Returns:
        The ReviewSet, and how many pairs it rejects.

    Raises:
        DataCorrupt: The same verdicts were committed with other results.
    """
    decided = [
        (pair, decision)
        for pair, decision in zip(
            verdicts.pairs, decisions(verdicts.standing, verdicts.pairs, design), strict=True
        )
        if decision[0].decided_by is not DecidedBy.NOBODY
    ]
    reviewed = table_bytes(
        pa.Table.from_pylist(
            [_reviewed(pair, *one, figures.probabilities) for pair, one in decided], REVIEWED
        ),
        REVIEWED,
    )
    entries = table_bytes(pa.Table.from_pylist(list(verdicts.entries), VERDICTS), VERDICTS)
    inputs = {
        "source": source.digest,
        # Of people, and so no stage's: without them two campaigns over one source would be one.
        "reviewed": sha256_digest(reviewed),
        "verdicts": sha256_digest(entries),
    }
    if compared is not None:
        inputs["compared"] = compared.digest
    commit = Commit(store, ShardKey(KIND, inputs, design.model_dump(mode="json"), "", CODE_VERSION))
    rejected = sum(one.rejected for _, (one, _) in decided)
    if ref := commit.find():
        return ref, rejected
    ref = commit.finish(
        files={REVIEWED_FILE: reviewed, VERDICTS_FILE: entries},
        records=len(decided),
        counts={"rejected": rejected, "verdicts": len(verdicts.entries)},
        file_records={REVIEWED_FILE: len(decided), VERDICTS_FILE: len(verdicts.entries)},
        details={
            "statistics": statistics_json(figures),
            "thresholds": thresholds_json(figures.thresholds),
        },
    )
    return ref, rejected


def decisions(
    standing: Standing, pairs: Sequence[Mapping[str, Any]], design: CampaignDesign
) -> list[tuple[Decision, int]]:
    """What was decided on each pair, and by how many verdicts of people."""
    said: dict[int, list[Any]] = {}
    for one in standing.given:
        if one.annotator not in standing.models:
            said.setdefault(one.pair, []).append(one.verdict)
    return [
        (
            decide(
                said.get(pair["pair"], []),
                standing.decisions.get(pair["pair"]),
                partly_is_true=design.partly_is_true,
            ),
            len(said.get(pair["pair"], [])),
        )
        for pair in pairs
    ]


def statistics_json(figures: Figures) -> dict[str, Any]:
    """The figures of a campaign as JSON values, for manifests, cards and reports.

    ``truth_rate`` and ``preference`` have ``value``, ``low`` and ``high``; what the verdicts do not
    determine is null.
    """
    truth = figures.truth
    return {
        "judged_pairs": figures.judged_pairs,
        "verdicts": figures.verdicts,
        "reasons": figures.reasons,
        "annotators": len(figures.annotators),
        "alpha": _coefficient(figures.alpha),
        "fleiss_kappa": _coefficient(figures.fleiss),
        "truth_rate": None if truth is None else _interval(truth.interval),
        "truth_rate_with_scores": None if truth is None else _interval(truth.with_scores),
        "preference": _interval(figures.preference),
    }


def thresholds_json(curve: Curve) -> list[dict[str, Any]]:
    """What thresholds of the weighted score would give, as JSON values."""
    return [
        {
            "score": round(point.threshold, _DIGITS),
            "kept": round(point.kept, _DIGITS),
            "precision": _interval(point.precision),
            "pairs": point.pairs,
        }
        for point in curve.points
    ]


def _reviewed(
    pair: Mapping[str, Any], decision: Decision, verdicts: int, probabilities: Mapping[int, float]
) -> dict[str, Any]:
    probability = probabilities.get(pair["pair"])
    return {
        **{name: value for name, value in pair.items() if name != "pair"},
        "rejected": decision.rejected,
        "decided_by": str(decision.decided_by),
        "alignment": _alignment(decision.alignment),
        "preference": _preference(decision.preference),
        "reasons": _names(decision.reasons),
        "verdicts": verdicts,
        "probability": None if probability is None else round(probability, _DIGITS),
    }


def _alignment(value: int | None) -> str | None:
    return None if value is None else Alignment(value).name.lower()


def _preference(value: int | None) -> str | None:
    return None if value is None else _PREFERRED[Preference(value)]


def _names(reasons: Any) -> list[str]:
    return [reason.name.lower() for reason in sorted(reasons)]


def _coefficient(agreement: Agreement) -> float | None:
    return None if agreement.value is None else round(agreement.value, _DIGITS)


def _interval(found: Any) -> dict[str, float] | None:
    if found is None:
        return None
    return {
        "value": round(found.estimate, _DIGITS),
        "low": round(found.low, _DIGITS),
        "high": round(found.high, _DIGITS),
    }
