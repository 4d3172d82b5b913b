"""The loss curve: a point every few steps, kept in checkpoints and beside the trained model."""

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

CURVE_FILE = "curve.parquet"
"""What a training did: the same whenever it is repeated."""

THROUGHPUT_FILE = "throughput.jsonl"
"""How fast it did it: different each time, so not a part of the model."""

CURVE = pa.schema(
    [
        pa.field("stage", pa.string(), nullable=False),
        pa.field("step", pa.int64(), nullable=False),
        pa.field("loss", pa.float64(), nullable=False),
        pa.field("learning_rate", pa.float64(), nullable=False),
        pa.field("grad_norm", pa.float64(), nullable=False),
        pa.field("samples", pa.int64(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("mismatched", pa.int64(), nullable=False),
    ]
)
"""A point of the curve; see ``Point``."""


@dataclass(frozen=True)
class Point:
    """Some steps of a stage.

    Attributes:
        stage: ``pretrain`` or ``finetune``.
        step: The last of them, from 1.
        loss: Mean cross entropy of the tokens that are learnt, in nats; of the steps, their mean.
        learning_rate: That of the last step.
        grad_norm: Length of the last step's gradient before it was shortened.
        samples: Samples of the stage up to here.
        tokens: Tokens of these steps, without padding.
        mismatched: Samples of these steps that nothing was learnt from, for their loss mask does
            not fit them.
        padding: Share of padding in what was computed; depends on how batches are divided.
        samples_per_second: Of all processes together, reading and waiting included.
        processes: Processes that took part.
    """

    stage: str
    step: int
    loss: float
    learning_rate: float
    grad_norm: float
    samples: int
    tokens: int
    mismatched: int
    padding: float
    samples_per_second: float
    processes: int

    def to_json(self) -> dict[str, Any]:
        """As it is kept in checkpoints."""
        return asdict(self)


def points(history: Iterable[Mapping[str, Any]]) -> list[Point]:
    """The points in the history that ``Trainer`` keeps, in order."""
    names = Point.__dataclass_fields__
    return [
        Point(**{name: entry[name] for name in names})
        for entry in history
        if names.keys() <= entry.keys()
    ]


def curve_parquet(curve: Iterable[Point]) -> bytes:
    """The file ``CURVE_FILE``."""
    rows = [{name: getattr(point, name) for name in CURVE.names} for point in curve]
    table = pa.Table.from_pylist(rows, CURVE)
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def throughput_lines(curve: Iterable[Point]) -> bytes:
    """The file ``THROUGHPUT_FILE``: a JSON object a line."""
    names = ("stage", "step", "samples_per_second", "padding", "processes")
    lines = [json.dumps({name: getattr(point, name) for name in names}) for point in curve]
    return "".join(f"{line}\n" for line in lines).encode()
