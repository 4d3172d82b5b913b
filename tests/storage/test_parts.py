"""Parts of a shard and what failed in them."""

from collections import Counter

import pyarrow as pa

from synthvlm.storage.parts import failure_counts, failures_of, part_bytes, part_rows

SCHEMA = pa.schema([pa.field("id", pa.string()), pa.field("reason", pa.string())])
ROWS = [{"id": "a", "reason": None}, {"id": "b", "reason": "blank"}]


def test_a_part_gives_back_its_rows():
    part = part_bytes(ROWS, SCHEMA)
    assert part_rows(part) == ROWS
    assert part == part_bytes(list(ROWS), SCHEMA)


def test_failures_are_counted_among_other_counts():
    counts = failure_counts(Counter(not_finite=1, blank=2))
    assert list(counts) == ["failed:blank", "failed:not_finite"]
    assert failures_of({"truncated_prompts": 3, **counts}) == {"blank": 2, "not_finite": 1}
