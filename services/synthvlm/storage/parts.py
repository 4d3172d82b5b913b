"""Finished batches of a shard, and counts of their failures.

A batch is kept as a part of the commit, as an Arrow stream; each failure is a row with a reason in
``failed.parquet``, and the manifest counts failures by reason.
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
    """The rows that ``part_bytes`` encoded."""
    rows: list[dict[str, Any]] = pa.ipc.open_stream(part).read_all().to_pylist()
    return rows


def failure_counts(failures: Counter[str]) -> dict[str, int]:
    """Failures by reason as a manifest's counts, sorted by reason."""
    return {f"{_FAILED}{reason}": count for reason, count in sorted(failures.items())}


def failures_of(counts: Mapping[str, int]) -> dict[str, int]:
    """Failures by reason from a manifest's counts, which may include other counts."""
    return {
        name.removeprefix(_FAILED): count
        for name, count in counts.items()
        if name.startswith(_FAILED)
    }
