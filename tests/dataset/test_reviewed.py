"""Pairs that people rejected leave the version, and it says why."""

import json

import pyarrow as pa
import pytest

from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.dataset.best import SelectionRule
from synthvlm.dataset.selection import select
from synthvlm.errors import InvalidInput, PreconditionFailed
from synthvlm.progress import SILENT
from synthvlm.storage import Commit, ShardKey, ShardRef, Store, open_shard
from synthvlm.storage.schemas import (
    LLAVA_FILE,
    PAIRS,
    PAIRS_FILE,
    REJECTED,
    REJECTED_FILE,
    REVIEWED,
    REVIEWED_FILE,
    SELECTION,
    SELECTION_FILE,
)
from synthvlm.storage.tables import table_bytes
from tests.dataset.shards import run_of

STATISTICS = {"truth_rate": {"value": 0.9, "low": 0.85, "high": 0.94}}


@pytest.fixture
def selection(store: Store) -> ShardRef:
    return select(store, run_of(store, 10, 1, 1), SelectionRule(None, 1.0), SILENT).ref


def images_of(store: Store, selection: ShardRef) -> list[str]:
    table = open_shard(store, selection).table(SELECTION_FILE, SELECTION)
    return sorted(table["image_id"].to_pylist())


def review_set(store: Store, source: ShardRef, rejected: dict[str, bool]) -> ShardRef:
    rows = [
        {
            **{"image_id": image, "caption_id": "c", "rejected": out, "decided_by": "majority"},
            **{"alignment": "no" if out else "yes", "reasons": ["colour"] if out else []},
            **{"verdicts": 3, "stratum": 0, "inclusion": 0.5},
        }
        for image, out in rejected.items()
    ]
    key = ShardKey("reviews", {"source": source.digest}, {"title": "Shapes", "n": len(rows)})
    files = {REVIEWED_FILE: table_bytes(pa.Table.from_pylist(rows, REVIEWED), REVIEWED)}
    return Commit(store, key).finish(files, records=len(rows), details={"statistics": STATISTICS})


def test_rejected_pairs_leave_and_the_lineage_says_why(store: Store, selection: ShardRef) -> None:
    images = images_of(store, selection)
    reviewed = review_set(store, selection, {one: one in images[2:5] for one in images[:8]})
    request = AssemblyRequest(selection, "shapes", 4, review_set=reviewed)
    made = assemble(store, request, SILENT)
    assert assemble(store, request, SILENT) == made
    shard = open_shard(store, made.ref)
    pairs = shard.table(PAIRS_FILE, PAIRS)
    assert pairs["image_id"].to_pylist() == [*images[:2], *images[5:]]
    assert len(json.loads(shard.read(LLAVA_FILE))) == made.ref.records == 7
    assert shard.table(REJECTED_FILE, REJECTED).to_pylist() == [
        {
            **{"image_id": image, "caption_id": "c", "decided_by": "majority"},
            **{"alignment": "no", "reasons": ["colour"]},
        }
        for image in images[2:5]
    ]
    assert shard.manifest.inputs["review_set"] == reviewed.digest
    assert shard.manifest.details["review"] == {
        "path": reviewed.path,
        "reviewed": 8,
        "rejected": 3,
        "of_selection": True,
        "design": {"title": "Shapes", "n": 8},
        "statistics": STATISTICS,
    }


def test_without_a_review_set_versions_are_what_they_were(
    store: Store, selection: ShardRef
) -> None:
    shard = open_shard(store, assemble(store, AssemblyRequest(selection, "a", 4), SILENT).ref)
    assert not shard.has(REJECTED_FILE)
    assert "review" not in shard.manifest.details
    assert set(shard.manifest.inputs) == {"selection"}


def test_a_review_set_must_be_of_the_selection(store: Store, selection: ShardRef) -> None:
    images = images_of(store, selection)
    other = review_set(store, selection, {"elsewhere": True})
    with pytest.raises(InvalidInput, match="review_set is of other images"):
        assemble(store, AssemblyRequest(selection, "a", 4, review_set=other), SILENT)
    with pytest.raises(InvalidInput, match="review_set is a shard of selection, not of reviews"):
        assemble(store, AssemblyRequest(selection, "a", 4, review_set=selection), SILENT)
    everything = review_set(store, selection, dict.fromkeys(images, True))
    with pytest.raises(PreconditionFailed, match="people rejected every pair"):
        assemble(store, AssemblyRequest(selection, "a", 4, review_set=everything), SILENT)
