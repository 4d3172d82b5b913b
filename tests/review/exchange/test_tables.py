"""Verdicts as CSV and Parquet: what was written is read again, and bad files are refused."""

import csv
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.errors import InvalidInput
from synthvlm.review.exchange import tables
from synthvlm.review.exchange.tables import (
    RecordedVerdict,
    as_csv,
    as_parquet,
    from_csv,
    from_parquet,
)
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
    assert from_csv(as_csv(entries)) == entries
    assert from_parquet(as_parquet(entries)) == entries


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
    assert from_csv(content.encode()) == [
        RecordedVerdict(image_id="i1", annotator="ann", alignment="no", reasons=("colour", "count"))
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the column 'image_id' is missing"),
        ("image_id,alignment\ni,yes\n", "the column 'annotator' is missing"),
        ("image_id,annotator,mood\n", "column 'mood' is not one of"),
        ("image_id,annotator,image_id\n", "column 'image_id' is there twice"),
        ("image_id,annotator,alignment\ni,ann\n", "line 2 has 2 columns, the header 3"),
        ("image_id,annotator,alignment\ni,ann,maybe\n", "record 1: alignment: .*'yes', 'partly'"),
        ("image_id,annotator,alignment\ni,ann,\n", "record 1: a verdict needs an alignment or"),
        ("image_id,annotator,alignment,quality\ni,ann,no,6\n", "record 1: quality: .* 5"),
        ("image_id,annotator,alignment,reasons\ni,a,no,ugly\n", "reasons: 'ugly' is not one of"),
        ("image_id,annotator,alignment\ni,a b,no\n", "record 1: annotator: "),
        ('image_id,annotator,alignment\n"i,ann,no\n', "line 2 is not valid CSV"),
        (
            "image_id,annotator,alignment\ni,ann,yes\ni,ann,no\n",
            "record 2: ann has a verdict on i in record 1 already",
        ),
        (
            "image_id,annotator,alignment,comment\ni,ann,yes," + "ä" * 1001,
            "comment: it has more than 2,000 bytes",
        ),
    ],
)
def test_bad_csv_is_refused_with_the_place(content, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        from_csv(content.encode())


def test_other_encodings_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"not UTF-8.*save it as"):
        from_csv("image_id,annotator\nä,b\n".encode("latin-1"))


def test_what_is_not_a_table_of_verdicts_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not a Parquet file"):
        from_parquet(b"PAR1 nothing PAR1")
    file = io.BytesIO()
    pq.write_table(pa.table({"image_id": ["i"], "annotator": ["a"], "alignment": [7]}), file)
    with pytest.raises(InvalidInput, match="row 1: alignment"):
        from_parquet(file.getvalue())


def test_files_are_bounded(monkeypatch) -> None:
    entries = [RecordedVerdict(image_id=f"i{i}", annotator="a", alignment="yes") for i in range(3)]
    monkeypatch.setattr(tables, "MAX_ENTRIES", 2)
    for read, content in ((from_csv, as_csv(entries)), (from_parquet, as_parquet(entries))):
        with pytest.raises(InvalidInput, match="more than 2 verdicts; split it"):
            read(content)
    monkeypatch.setattr(tables, "MAX_BYTES", 10)
    for read, content in ((from_csv, as_csv(entries)), (from_parquet, as_parquet(entries))):
        with pytest.raises(InvalidInput, match="larger than 0 MiB"):
            read(content)
