"""Finished batches of a shard, and the count of what failed in them.

A batch is kept as a part of the commit, as an Arrow stream; what could not be made is a row with a
reason in ``failed.parquet``, and is counted in the manifest by that reason.
"""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

_FAILED = "failed:"


def part_bytes(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> bytes:
    """Rows of a finished batch as an Arrow stream; equal rows give equal bytes."""
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema))
    return buffer.getvalue()


def part_rows(part: bytes) -> list[dict[str, Any]]:
    """The rows that :func:`part_bytes` was given."""
    rows: list[dict[str, Any]] = pa.ipc.open_stream(part).read_all().to_pylist()
    return rows


def failure_counts(failures: Counter[str]) -> dict[str, int]:
    """Failures by reason as the counts of a manifest, in the order of the reasons."""
    return {f"{_FAILED}{reason}": count for reason, count in sorted(failures.items())}


def failures_of(counts: Mapping[str, int]) -> dict[str, int]:
    """Failures by reason from the counts of a manifest, which may hold other counts."""
    return {
        name.removeprefix(_FAILED): count
        for name, count in counts.items()
        if name.startswith(_FAILED)
    }
