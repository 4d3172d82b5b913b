"""CSV and TSV: whatever the quoting, every line is in a caption or set aside."""

import csv
import io
import itertools

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from synthvlm.caption.locations import Locations
from synthvlm.caption.readers import (
    CaptionRecord,
    Layout,
    Notices,
    Unreadable,
    find_caption_file,
    read_records,
)
from synthvlm.errors import InvalidInput

PIECES = ["a", "red dog", '"', '""', ",", "\t", "|", " ", "7", "\u00e9", "\r"]
LINES = st.lists(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), max_size=30)


def set_aside(records):
    return {record.line: record.reason for record in records if isinstance(record, Unreadable)}


def captions(records):
    return [(r.line, r.text) for r in records if isinstance(r, CaptionRecord)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@given(LINES, st.sampled_from(["caption", "id,caption", "id\tcaption"]), st.booleans())
@settings(deadline=None, max_examples=400)
def test_no_line_is_lost(folder, lines, header, crlf):
    end = "\r\n" if crlf else "\n"
    path = folder / ("c.tsv" if "\t" in header else "c.csv")
    path.write_bytes(end.join([header, *lines, ""]).encode())
    file = find_caption_file(str(path), Locations(["/"]))
    records = []
    try:
        records.extend(read_records(file, Layout(), Notices(file.name)))
    except InvalidInput as error:
        # A table without a single caption is refused; it is not passed over either.
        assert any(word in error.message for word in ("no caption", "no records", "no record with"))
        return
    starts = [record.line for record in records] + [len(lines) + 2]
    assert starts[0] == 2
    for record, (line, following) in zip(records, itertools.pairwise(starts), strict=True):
        ends = 0
        if isinstance(record, CaptionRecord):
            ends = record.text.count("\n") + (record.id or "").count("\n")
        assert following - line == 1 + ends


@given(st.lists(st.tuples(st.integers(0, 99), st.text("ab\",'\n|;é", max_size=20)), min_size=1))
@settings(deadline=None)
def test_what_csv_quotes_is_read_as_it_was_written(folder, rows):
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([("id", "caption"), *rows, (1, "x")])
    path = folder / "written.csv"
    path.write_text(out.getvalue(), newline="")
    file = find_caption_file(str(path), Locations(["/"]))
    records = list(read_records(file, Layout(), Notices(file.name)))
    # A caption of line ends alone is nothing, line by line; what looks like a table inside a
    # caption is taken for one.
    assume(not any("open_quote" in reason for reason in set_aside(records).values()))
    expected = [text for _, text in rows if text.strip() or "\n" not in text]
    assert [text for _, text in captions(records)] == [*expected, "x"]


def test_tsv_is_not_quoted(read):
    data = 'caption\turl\nred\tu\n"green\tu\nblue\tu\n"stop" sign\tu\n"all of it"\tu\n'
    notices = Notices("c.tsv")
    records = read("c.tsv", data, notices=notices)
    assert [text for _, text in captions(records)] == [
        "red",
        '"green',
        "blue",
        '"stop" sign',
        '"all of it"',
    ]
    assert [notice.kind for notice in notices.all()] == ["quotes_kept"]
    # A table that is quoted all the same can be read so.
    records = read("c.tsv", 'caption\turl\n"a ""red""\tdog"\tu\n', form="csv", delimiter="\t")
    assert captions(records) == [(2, 'a "red"\tdog')]


def test_an_open_quote_costs_one_line(read):
    rows = [f"{n},row {n}" for n in range(300)]
    rows[7] = '7,"row 7'
    records = read("c.csv", "\n".join(["id,caption", *rows]))
    assert set_aside(records) == {9: "open_quote"}
    assert len(captions(records)) == 299
    # At the end of the file, too; and where a later quotation mark closes it.
    for rows in (
        ["a", '"open', "b", "c"],
        ["a", '"open', "b", 'more" than this', "c"],
    ):
        records = read("c.csv", "\n".join(["caption", *rows]))
        assert set_aside(records) == {3: "open_quote"}
        assert [text for _, text in captions(records)] == [r for r in rows if r != '"open']


def test_quotes_that_happen_to_close_swallow_nothing_either(read):
    rows = [f"{n},row {n}" for n in range(9)]
    rows[2], rows[7] = '2,"row 2', '7,12"'
    records = read("c.csv", "\n".join(["id,caption", *rows]))
    assert set_aside(records) == {4: "open_quote"}
    assert [text for _, text in captions(records)][-3:] == ["row 6", '12"', "row 8"]


@pytest.mark.parametrize(("lines", "read_whole"), [(100, True), (101, False)])
def test_how_many_lines_a_record_may_have(read, lines, read_whole):
    text = "\n".join(f"line {n}" for n in range(lines))
    records = read("c.csv", f'caption\n"{text}"\nlast')
    assert captions(records)[-1] == (lines + 2, "last")
    assert len(records) == (2 if read_whole else lines + 1)
    assert set_aside(records) == ({} if read_whole else {2: "open_quote"})


def test_how_many_bytes_a_record_of_several_lines_may_have(read):
    records = read("c.csv", 'caption\n"' + "x" * 10_000 + "\n" + "x" * 6_000 + '"\nlast')
    assert [text for _, text in captions(records)] == ["x" * 10_000 + "\n" + "x" * 6_000, "last"]
    records = read("c.csv", 'caption\n"' + "x" * 10_000 + "\n" + "x" * 7_000 + '"\nlast')
    assert set_aside(records) == {2: "open_quote"}
    assert captions(records)[-1] == (4, "last")


def test_quotation_marks_that_quote_nothing_are_kept(read):
    data = 'id,caption\n1,12" ruler\n2,"stop" sign\n3,"a, b" c\n'
    records = read("c.csv", data)
    assert captions(records) == [(2, '12" ruler'), (3, '"stop" sign')]
    assert set_aside(records) == {4: "wrong_number_of_columns"}


def test_other_delimiters(read):
    spaced = "image_name| comment_number| comment\n0.jpg| 0| a red dog .\n1.jpg| 4   a cat\n"
    notices = Notices("c.csv")
    records = read("c.csv", spaced, notices=notices)
    assert captions(records) == [(2, "a red dog .")]
    assert set_aside(records) == {3: "wrong_number_of_columns"}
    assert [notice.kind for notice in notices.all()] == ["delimiter"]
    semicolons = "id;caption\n1;a, b; c\n2;\"a; 'b'\"\n"
    records = read("c.csv", semicolons)
    assert captions(records) == [(3, "a; 'b'")]
    assert captions(read("c.csv", "a~caption\n1~x", delimiter="~")) == [(2, "x")]
    with pytest.raises(InvalidInput, match="its columns are x, y; name the one with the text"):
        read("c.csv", "x;y\n1;2\n")
    # A comma that makes sense is not given up for another one.
    assert captions(read("c.csv", "a|text,caption\nx,y")) == [(2, "y")]


def test_tables_without_a_header(read):
    data = "a red dog\thttp://x/1.jpg\na cat\thttp://x/2.jpg\n"
    records = read("c.tsv", data, columns=("caption", "url"))
    assert captions(records) == [(1, "a red dog"), (2, "a cat")]
    records = read("c.tsv", data, "words", columns=("words", "where"), id_column="where")
    assert [record.id for record in records] == ["http://x/1.jpg", "http://x/2.jpg"]
    with pytest.raises(InvalidInput, match="its columns are a red dog, http") as raised:
        read("c.tsv", data)
    assert "--columns" in raised.value.message
    with pytest.raises(InvalidInput, match="its columns are x, y"):
        read("c.tsv", data, columns=("x", "y"))
    with pytest.raises(InvalidInput, match="not have a column key; its columns are caption, url"):
        read("c.tsv", data, columns=("caption", "url"), id_column="key")
