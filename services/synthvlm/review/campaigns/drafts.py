"""Making a campaign: its sample is drawn, its gold questions are hidden among it."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import insert
from sqlalchemy.orm import Session

from synthvlm.errors import FieldViolation, InvalidInput
from synthvlm.review.campaigns.models import (
    Assignment,
    AssignmentState,
    Campaign,
    CampaignState,
    Pair,
    Picture,
)
from synthvlm.review.sampling.design import MAX_VERDICTS, CampaignDesign
from synthvlm.review.sampling.drawing import Integers, Sample, draw
from synthvlm.review.sampling.sources import Source
from synthvlm.review.verdicts import Alignment, Side

_BATCH = 1_000
"""Rows inserted by one statement."""


@dataclass(frozen=True)
class GoldQuestion:
    """A pair whose truth is known.

    Attributes:
        image_id: An image of the source.
        alignment: The verdict that is right, YES or NO.
        caption: Shown instead of the image's own; empty: its own.
    """

    image_id: str
    alignment: Alignment
    caption: str = ""


@dataclass(frozen=True)
class Draft:
    """The rows of a campaign that is not in the database yet.

    Attributes:
        design: As it was asked for.
        pairs: Rows of ``Pair`` with their ``id`` left out, each with its pictures.
        verdicts: Verdicts wanted of each pair, 0 for gold questions.
        mean_score: Mean score of what the sample was drawn from; None if it was not scored.
    """

    design: CampaignDesign
    pairs: Sequence[tuple[dict[str, Any], list[dict[str, Any]]]]
    verdicts: Sequence[int]
    mean_score: float | None


def draft(
    design: CampaignDesign, source: Source, compared: Source | None, gold: Sequence[GoldQuestion]
) -> Draft:
    """Draws a campaign's sample and places the gold questions in it.

    Args:
        design: What its creator asked for.
        source: What is judged.
        compared: Whose images are compared with the source's, of the same captions.
        gold: Questions whose answer is known; their images are not drawn.

    Raises:
        InvalidInput: The design does not fit the source, or a gold image is not in it.
    """
    known = _rows_of(source, gold)
    partners = (
        None
        if compared is None
        else pc.index_in(source.pairs["caption_id"], compared.pairs["caption_id"].combine_chunks())
    )
    drawable = np.ones(source.pairs.num_rows, np.bool_)
    drawable[known] = False
    if partners is not None:
        drawable &= pc.is_valid(partners).to_numpy()
    population = np.flatnonzero(drawable)
    if not len(population):
        raise _invalid(
            "compared" if compared is not None else "gold",
            "has no caption that the source has" if compared is not None else "names every pair",
        )
    scores = source.scores
    try:
        sample = draw(design, len(population), None if scores is None else scores[population])
    except ValueError as error:
        raise _invalid("design.sample_design", f"cannot be used: {error}") from error
    rng = np.random.default_rng([design.seed, 1])
    wanted = _wanted(design, len(sample.rows), rng)
    rows = population[sample.rows]
    pairs = [
        *_sampled(source, rows, sample, rng, compared, partners),
        *(
            (_gold_row(row, question), [_picture(row, Side.LEFT)])
            for row, question in zip(source.rows(known), gold, strict=True)
        ),
    ]
    # Gold questions lie at any place among the others, which keep their order.
    places = np.sort(rng.permutation(len(pairs))[: len(rows)])
    positions = np.concatenate([places, np.setdiff1d(np.arange(len(pairs)), places)])
    for (pair, _), position in zip(pairs, positions.tolist(), strict=True):
        pair["position"] = position
    # In no order at all: the number of a pair tells nothing of its place, or of what it is.
    order = rng.permutation(len(pairs)).tolist()
    verdicts = [*wanted, *[0] * len(gold)]
    mean = None if scores is None else float(scores[population].mean())
    return Draft(design, [pairs[i] for i in order], [verdicts[i] for i in order], mean)


def enter(session: Session, draft: Draft, campaign: dict[str, Any]) -> Campaign:
    """Writes a draft to the database.

    Args:
        session: The transaction.
        draft: The rows.
        campaign: Columns of ``Campaign`` that do not follow from the draft.
    """
    made = Campaign(
        **campaign,
        campaign_id=secrets.token_hex(8),
        state=int(CampaignState.DRAFT),
        design=draft.design.model_dump_json(),
        pairs=sum(1 for wanted in draft.verdicts if wanted),
        wanted=sum(draft.verdicts),
        mean_score=draft.mean_score,
    )
    session.add(made)
    session.flush()
    rows = list(zip(draft.pairs, draft.verdicts, strict=True))
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        values = [{**pair, "campaign": made.id} for (pair, _), _ in batch]
        returned = session.execute(
            insert(Pair).returning(Pair.id, sort_by_parameter_order=True), values
        )
        ids = list(returned.scalars())
        pictures = [
            {**picture, "pair": key}
            for key, ((_, shown), _) in zip(ids, batch, strict=True)
            for picture in shown
        ]
        session.execute(insert(Picture), pictures)
        assignments = list(
            chain.from_iterable(
                _assignments(made.id, key, pair, wanted)
                for key, ((pair, _), wanted) in zip(ids, batch, strict=True)
            )
        )
        if assignments:
            session.execute(insert(Assignment), assignments)
    return made


def _rows_of(source: Source, gold: Sequence[GoldQuestion]) -> Integers:
    ids = pa.array([question.image_id for question in gold], pa.string())
    rows = pc.index_in(ids, source.pairs["image_id"].combine_chunks())
    violations = [
        FieldViolation(f"gold[{index}].image_id", f"{gold[index].image_id} is not in the source")
        for index, row in enumerate(rows.to_pylist())
        if row is None
    ]
    if violations:
        raise InvalidInput(f"{violations[0].field} {violations[0].description}", violations[:100])
    found: Integers = rows.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _wanted(design: CampaignDesign, pairs: int, rng: np.random.Generator) -> list[int]:
    """Verdicts wanted of each pair: as many as asked for, or one, at random."""
    wanted = np.ones(pairs, np.int64)
    wanted[rng.permutation(pairs)[: round(design.overlap * pairs)]] = design.verdicts_per_pair
    if wanted.sum() > MAX_VERDICTS:
        raise _invalid(
            "design.sample_size",
            f"needs {wanted.sum()} verdicts with so many a pair; at most {MAX_VERDICTS} are "
            f"allowed",
        )
    return [int(one) for one in wanted]


def _sampled(
    source: Source,
    rows: Integers,
    sample: Sample,
    rng: np.random.Generator,
    compared: Source | None,
    partners: pa.Array | None,
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    shown = source.rows(rows)
    others: list[dict[str, Any]] | list[None] = [None] * len(shown)
    if compared is not None and partners is not None:
        others = compared.rows(partners.take(pa.array(rows)).to_pylist())
    mirrored = rng.random(len(shown)) < 0.5
    for number, (row, other) in enumerate(zip(shown, others, strict=True)):
        pair = _pair(row) | {
            "stratum": int(sample.strata[number]),
            "inclusion": float(sample.inclusion[number]),
            "mirrored": other is not None and bool(mirrored[number]),
        }
        pictures = [_picture(row, Side.LEFT)]
        if other is not None:
            pictures.append(_picture(other, Side.RIGHT))
        yield pair, pictures


def _gold_row(row: dict[str, Any], question: GoldQuestion) -> dict[str, Any]:
    return _pair(row) | {
        "caption": question.caption or row["text"],
        "expected": int(question.alignment),
    }


def _pair(row: dict[str, Any]) -> dict[str, Any]:
    score = float(row["weighted_score"])
    return {
        "image_id": row["image_id"],
        "caption_id": row["caption_id"],
        "caption": row["text"],
        "score": score if np.isfinite(score) else None,
        "stratum": 0,
        "inclusion": 1.0,
        "expected": None,
        "mirrored": False,
    }


def _picture(row: dict[str, Any], side: Side) -> dict[str, Any]:
    names = ("image_id", "offset", "size", "sha256", "media_type", "width", "height")
    return {name: row[name] for name in names} | {"side": int(side), "path": row["place"]}


def _assignments(
    campaign: int, pair: int, row: dict[str, Any], wanted: int
) -> Iterator[dict[str, Any]]:
    for _ in range(wanted):
        yield {
            "campaign": campaign,
            "pair": pair,
            "position": row["position"],
            "state": int(AssignmentState.FREE),
            "wanted": True,
        }


def _invalid(field: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{field} {problem}", [FieldViolation(field, problem)])
