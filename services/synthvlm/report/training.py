"""How a training went, from the files beside the model that it made."""

import json
from collections import defaultdict
from statistics import fmean, median
from typing import Any, Final

import pyarrow as pa

from synthvlm.errors import DataCorrupt, NotFound
from synthvlm.report.model import CurvePoint, StageCurve
from synthvlm.storage import Shard

CURVE_FILE: Final = "curve.parquet"
"""A row every few steps, in the order of the training; a part of the model."""

THROUGHPUT_FILE: Final = "throughput.jsonl"
"""A JSON object every few steps: how fast it went, which differs from time to time, so that it
stands beside the model and is no part of it."""

CURVE: Final = pa.schema(
    [
        pa.field("stage", pa.string(), nullable=False),
        pa.field("step", pa.int64(), nullable=False),
        pa.field("loss", pa.float64(), nullable=False),
        pa.field("learning_rate", pa.float64(), nullable=False),
    ]
)


def stage_curves(model: Shard) -> list[StageCurve]:
    """The stages of a training; none if the model says nothing of it.

    Raises:
        DataCorrupt: The files are damaged.
    """
    if not model.has(CURVE_FILE):
        return []
    points: dict[str, list[CurvePoint]] = {}
    for row in model.table(CURVE_FILE, CURVE).to_pylist():
        point = CurvePoint(row["step"], row["loss"], row["learning_rate"])
        points.setdefault(row["stage"], []).append(point)
    rates, padding = _throughput(model)
    return [
        StageCurve(
            stage=stage,
            points=some,
            samples_per_second=median(rates[stage]) if rates[stage] else None,
            padding=fmean(padding[stage]) if padding[stage] else None,
        )
        for stage, some in points.items()
    ]


Values = defaultdict[str, list[float]]


def _throughput(model: Shard) -> tuple[Values, Values]:
    """Samples a second, and shares of padding, by stage."""
    rates: Values = defaultdict(list)
    padding: Values = defaultdict(list)
    path = f"{model.ref.path}/{THROUGHPUT_FILE}"
    try:
        lines = model.store.read(path).decode().splitlines()
    except NotFound:
        return rates, padding
    try:
        for line in lines:
            point: dict[str, Any] = json.loads(line)
            rates[point["stage"]].append(float(point["samples_per_second"]))
            padding[point["stage"]].append(float(point["padding"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DataCorrupt(f"{path} in {model.store.uri} is damaged; delete it") from error
    return rates, padding
