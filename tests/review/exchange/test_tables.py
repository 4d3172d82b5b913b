"""Verdicts as CSV and Parquet: what was written is read again, and bad files are refused."""

import csv
import io
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.errors import InvalidInput
from synthvlm.review.exchange import entries as entries_of_files
from synthvlm.review.exchange import tables
from synthvlm.review.exchange.entries import RecordedVerdict
from synthvlm.review.exchange.tables import as_csv, as_parquet, from_csv, from_parquet
from synthvlm.storage.schemas import VERDICTS

WORDS = st.sampled_from(["yes", "partly", "no"])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ENTRY = st.builds(
    RecordedVerdict,
    image_id=TEXT.filter(bool),
    caption=TEXT | st.sampled_from(["=1+1", "'quoted'", "-", "@x", "a\r\nb\rc\nd", '"', ";"]),
    annotator=st.sampled_from(["ann", "bob@example.com", "0"]),
    is_model=st.booleans(),
    stands=st.just(False),
    retracted=st.booleans(),
    alignment=WORDS,
    reasons=st.lists(st.sampled_from(["colour", "count", "unsafe"]), unique=True),
    quality=st.none() | st.integers(1, 5),
    preference=st.none() | st.sampled_from(["source", "compared", "equal"]),
    comment=TEXT,
    duration_ms=st.integers(0, 86_400_000),
    record_time=st.integers(0, 2_000_000_000),
    request_id=st.text("abc", max_size=5),
    expected=st.none() | WORDS,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ENTRY, max_size=5))
def test_what_was_written_is_read_again_unchanged(entries) -> None:
    for read in (from_csv(as_csv(entries)), from_parquet(as_parquet(entries))):
        assert (read.entries, read.quarantine) == (entries, [])


def test_both_have_the_columns_of_the_schema() -> None:
    entry = RecordedVerdict(image_id="i", annotator="a", alignment="yes")
    assert pq.read_schema(io.BytesIO(as_parquet([entry]))).equals(VERDICTS)
    assert next(csv.reader(io.StringIO(as_csv([entry]).decode()))) == VERDICTS.names


def test_no_cell_is_a_formula() -> None:
    entry = RecordedVerdict(
        image_id="i", annotator="a", alignment="no", caption='=HYPERLINK("x")', comment="@SUM(A1)"
    )
    cells = list(csv.reader(io.StringIO(as_csv([entry]).decode())))[1]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_a_table_from_a_spreadsheet_needs_few_columns() -> None:
    content = "\ufeffimage_id,annotator,alignment,reasons\r\ni1,ann,no,count;colour\r\n\r\n"
    assert from_csv(content.encode()).entries == [
        RecordedVerdict(image_id="i1", annotator="ann", alignment="no", reasons=("colour", "count"))
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the column 'image_id' is missing"),
        ("image_id,alignment\ni,yes\n", "the column 'annotator' is missing"),
        ("image_id,annotator,mood\n", "column 'mood' is not one of"),
        ("image_id,annotator,image_id\n", "column 'image_id' is there twice"),
        ('image_id,annotator,alignment\n"i,ann,no\n', "line 2 is not valid CSV"),
    ],
)
def test_what_is_no_table_of_verdicts_is_refused_with_the_place(content, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        from_csv(content.encode())


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("i,ann", "it has another number of columns than the header"),
        ("i,ann,maybe,,,", "alignment: .*'yes', 'partly'"),
        ("i,ann,,,,", "a verdict needs an alignment or"),
        ("i,ann,no,6,,", "quality: .* 5"),
        ("i,a,no,,ugly,", "reasons: 'ugly' is not one of"),
        ("i,a b,no,,,", "annotator: "),
        ("i,ann,yes,,," + "ä" * 1001, "comment: it has more than 2,000 bytes"),
        ("good,ann,no,,,", "has a verdict on this pair in the file already"),
    ],
)
def test_a_wrong_row_is_put_in_quarantine_and_the_others_are_read(row, reason) -> None:
    header = "image_id,annotator,alignment,quality,reasons,comment"
    read = from_csv(f"{header}\ngood,ann,yes,,,\n{row}\nlast,ann,no,,,\n".encode())
    assert [entry.image_id for entry in read.entries] == ["good", "last"]
    assert list(read.places) == ["record 1", "record 3"]
    (found,) = read.quarantine
    assert found.place == "record 2"
    assert re.search(reason, found.reason)


def test_an_entry_that_takes_a_verdict_back_cannot_stand() -> None:
    (found,) = from_csv(b"image_id,annotator,retracted\ni,ann,true\n").quarantine
    assert "needs stands = false" in found.reason


def test_other_encodings_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"not UTF-8.*save it as"):
        from_csv("image_id,annotator\nä,b\n".encode("latin-1"))


def test_what_is_not_a_table_of_verdicts_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not a Parquet file"):
        from_parquet(b"PAR1 nothing PAR1")
    file = io.BytesIO()
    pq.write_table(pa.table({"image_id": ["i"], "annotator": ["a"], "alignment": [7]}), file)
    (found,) = from_parquet(file.getvalue()).quarantine
    assert (found.place, found.reason[:10]) == ("row 1", "alignment:")


def test_files_are_bounded(monkeypatch) -> None:
    entries = [RecordedVerdict(image_id=f"i{i}", annotator="a", alignment="yes") for i in range(3)]
    monkeypatch.setattr(entries_of_files, "MAX_ENTRIES", 2)
    for read, content in ((from_csv, as_csv(entries)), (from_parquet, as_parquet(entries))):
        with pytest.raises(InvalidInput, match="more than 2 verdicts; split it"):
            read(content)
    monkeypatch.setattr(tables, "MAX_UNPACKED_BYTES", 10)
    with pytest.raises(InvalidInput, match="holds more than 0 MiB"):
        from_parquet(as_parquet(entries))
    monkeypatch.setattr(entries_of_files, "MAX_BYTES", 10)
    for read, content in ((from_csv, as_csv(entries)), (from_parquet, as_parquet(entries))):
        with pytest.raises(InvalidInput, match="larger than 0 MiB"):
            read(content)
