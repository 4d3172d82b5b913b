"""Parts: what is in them is found again, whole or not at all."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthvlm.storage import Store, file_location, open_store, parse_location
from synthvlm.storage.made import Made, identity_of
from synthvlm.storage.parts import (
    Fresh,
    Parts,
    failure_counts,
    failures_of,
    new_part,
    read_part,
)

COLUMNS = pa.schema([pa.field("width", pa.int32()), pa.field("defect", pa.string())])
records = st.lists(
    st.tuples(st.integers(0, 9), st.none() | st.binary(max_size=200), st.none() | st.text()),
    max_size=20,
)


def fresh(data: bytes | None, width: int = 1, defect: str | None = None) -> Fresh:
    return Fresh({"width": width, "defect": defect}, data)


def ids(count: int) -> list[bytes]:
    return [identity_of(number) for number in range(count)]


@pytest.fixture
def store(tmp_path) -> Store:
    return open_store(file_location(tmp_path))


@given(records)
def test_a_part_holds_what_was_made(made):
    store = open_store(parse_location("memory://parts"))
    given = [(identity_of(n), fresh(data, w, why)) for n, (w, data, why) in enumerate(made)]
    part = new_part("a/parts", 3, given, COLUMNS)
    assert part == new_part("a/parts", 3, list(given), COLUMNS)
    store.write(part.path, part.data)
    found = read_part(store, part.path, len(part.data))
    assert found == part.made
    assert list(found) == [identity for identity, _ in given]
    for identity, one in given:
        assert found[identity].values == one.values
        blob = found[identity].blob
        assert (None if blob is None else blob.read(store)) == one.data


def test_a_long_list_of_records_takes_a_second_read(store):
    part = new_part("parts", 0, [(identity, fresh(b"x")) for identity in ids(3000)], COLUMNS)
    store.write(part.path, part.data)
    assert read_part(store, part.path, len(part.data)) == part.made


@pytest.mark.parametrize("kept", [0, 5, 80, 300, -1])
def test_a_torn_part_holds_nothing(store, kept):
    part = new_part("parts", 0, [(identity, fresh(b"bytes")) for identity in ids(4)], COLUMNS)
    store.write(part.path, part.data[:kept])
    assert read_part(store, part.path, len(part.data[:kept])) == {}


def test_a_damaged_list_holds_nothing_and_damaged_bytes_are_not_given(store):
    part = new_part("parts", 0, [(identity, fresh(b"bytes")) for identity in ids(4)], COLUMNS)
    data = bytearray(part.data)
    data[-1] ^= 1
    store.write(part.path, bytes(data))
    found = read_part(store, part.path, len(data))
    blobs = [made.blob for made in found.values()]
    assert [blob and blob.read(store) for blob in blobs] == [b"bytes"] * 3 + [None]
    data[200] ^= 1
    store.write(part.path, bytes(data))
    assert read_part(store, part.path, len(data)) == {}


def test_parts_are_read_as_far_as_they_are_needed(store):
    everything = ids(30)
    for first in range(0, 30, 3):
        chosen = [(identity, fresh(b"x")) for identity in everything[first : first + 3]]
        part = new_part("parts", first, chosen, COLUMNS)
        store.write(part.path, part.data)
    parts = Parts(store, "parts")
    last = new_part("parts", 27, [(i, fresh(b"x")) for i in everything[27:]], COLUMNS)
    store.delete([last.path])  # nobody asks for it
    for start in range(0, 24, 6):
        chosen = everything[start : start + 6]
        found = parts.take(chosen, start + 6)
        assert list(found) == chosen
        assert all(isinstance(made, Made) for made in found.values())
        assert parts.take(chosen, start + 6) == {}


def test_objects_that_are_not_parts_hold_nothing(store):
    store.write("parts/000000", b"of an earlier release")
    assert Parts(store, "parts").take(ids(3), 3) == {}


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 99)))
def test_failures_go_through_a_manifest(failures):
    counts = failure_counts(Counter(failures))
    assert failures_of({**counts, "truncated_prompts": 3}) == failures
