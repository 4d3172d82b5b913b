"""Every format, plain and compressed, and every way in which a record or a file can be wrong."""

import csv
import functools
import gzip
import io
import itertools
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.caption.locations import Locations
from synthvlm.caption.readers import (
    MAX_RECORD_BYTES,
    CaptionRecord,
    Layout,
    Notices,
    Unreadable,
    find_caption_file,
    read_records,
)
from synthvlm.caption.readers.json_stream import array_records
from synthvlm.caption.readers.lines import split_lines
from synthvlm.errors import InvalidInput, NotFound

ROWS = [
    {"id": 1, "caption": "a dog"},
    {"id": 2, "caption": 'two "cats", and more'},
    {"id": 30, "caption": "é東京😀"},
]
BOM = b"\xef\xbb\xbf"
# Without the time: parameters of tests must be the same in every process.
GZIP = functools.partial(gzip.compress, mtime=0)
COMPRESS = {"": bytes, ".gz": GZIP, ".zst": zstandard.ZstdCompressor().compress}


def delimited(rows, delimiter):
    out = io.StringIO()
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    writer = csv.DictWriter(
        out, list(rows[0]), delimiter=delimiter, quoting=quoting, quotechar=None if quoting else '"'
    )
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def parquet(rows, schema=None):
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), out)
    return out.getvalue()


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


FILES = {
    "json": json.dumps(ROWS).encode(),
    "jsonl": lines(ROWS),
    "ndjson": lines(ROWS),
    "csv": delimited(ROWS, ","),
    "tsv": delimited(ROWS, "\t"),
    "parquet": parquet(ROWS),
    "txt": "\n".join(str(row["caption"]) for row in ROWS).encode(),
}


def reasons(records):
    return {record.line: record.reason for record in records if isinstance(record, Unreadable)}


def texts(records):
    return [record.text for record in records if isinstance(record, CaptionRecord)]


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("extension", FILES)
def test_every_format(read, extension, suffix):
    records = read(f"captions.{extension}{suffix}", COMPRESS[suffix](FILES[extension]))
    assert texts(records) == [row["caption"] for row in ROWS]
    has_ids = extension != "txt"
    assert [record.id for record in records] == [str(r["id"]) if has_ids else None for r in ROWS]
    has_types = extension in ("json", "jsonl", "ndjson", "parquet")
    assert {record.integer_id for record in records} == {has_types}


@pytest.mark.parametrize("extension", [e for e in FILES if e != "parquet"])
def test_a_byte_order_mark_is_passed_over(read, extension):
    assert texts(read(f"c.{extension}", BOM + FILES[extension])) == [r["caption"] for r in ROWS]


@pytest.mark.parametrize("extension", ["JSONL", "Json", "CSV", "TXT", "Parquet"])
def test_extensions_in_any_case(read, extension):
    data = FILES[extension.lower()]
    assert texts(read(f"c.{extension}.GZ", GZIP(data))) == [r["caption"] for r in ROWS]


def test_records_may_be_strings(read):
    assert texts(read("c.json", '["a", "b"]')) == ["a", "b"]
    assert texts(read("c.jsonl", '"a"\n"b"')) == ["a", "b"]


def test_json_lines_under_the_name_of_json(read):
    assert texts(read("c.json", lines(ROWS))) == [row["caption"] for row in ROWS]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_files_may_be_made_of_several(read, suffix):
    data = b"".join(COMPRESS[suffix](piece) for piece in (b"one\ntw", b"o\n", b"three"))
    assert texts(read(f"c.txt{suffix}", data)) == ["one", "two", "three"]


def test_a_caption_comes_before_a_text(read):
    assert texts(read("c.jsonl", lines([{"text": "t", "caption": "c"}, {"text": "t"}]))) == [
        "c",
        "t",
    ]
    assert texts(read("c.csv", "text,caption\nt,c\n")) == ["c"]
    assert texts(read("c.csv", "id,text\n1,t\n")) == ["t"]
    assert texts(read("c.parquet", parquet([{"text": "t"}]))) == ["t"]


@pytest.mark.parametrize("extension", ["json", "jsonl", "csv", "tsv", "parquet"])
def test_the_column_can_be_named(read, extension):
    rows = [{"id": "x", "caption": "c", "alt": "a"}]
    make = {
        "json": lambda: json.dumps(rows).encode(),
        "jsonl": lambda: lines(rows),
        "csv": lambda: delimited(rows, ","),
        "tsv": lambda: delimited(rows, "\t"),
        "parquet": lambda: parquet(rows),
    }[extension]
    (record,) = read(f"c.{extension}", make(), "alt")
    assert record == CaptionRecord(record.line, "a", "x")


def test_empty_and_long_captions_are_captions(read):
    rows = [{"caption": ""}, {"caption": "x" * 100_000}]
    for name, data in (
        ("c.jsonl", lines(rows)),
        ("c.json", json.dumps(rows)),
        ("c.csv", "caption,id\n,1\n" + "x" * 100_000 + ",2\n"),
        ("c.parquet", parquet(rows)),
    ):
        assert texts(read(name, data)) == ["", "x" * 100_000]


def test_line_ends(read):
    for data in ("a\r\nb\r\n", "a\nb\n", "a\nb"):
        assert texts(read("c.txt", data)) == ["a", "b"]
    assert texts(read("c.csv", "caption\r\na\r\n")) == ["a"]


def test_json_lines_that_are_no_captions(read):
    bad = [
        (b"{", "invalid_json"),
        (b'{"caption": "a"} x', "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b'{"id": ' + b"1" * 5000 + b"}", "invalid_json"),
        (b'{"caption": "\xff"}', "invalid_utf8"),
        (b'{"caption": "\\ud800"}', "invalid_unicode"),
        (b"3", "not_an_object"),
        (b'["a"]', "not_an_object"),
        (b"null", "not_an_object"),
        (b"{}", "missing_caption"),
        (b'{"caption": null}', "missing_caption"),
        (b'{"caption": 3}', "wrong_type"),
        (b'{"caption": []}', "missing_caption"),
        (b'{"caption": [3]}', "wrong_type"),
        (b'{"caption": {"en": "a"}}', "wrong_type"),
        (b"", "empty_line"),
        (b"  ", "empty_line"),
        (b'"' + b"x" * MAX_RECORD_BYTES + b'"', "record_too_long"),
    ]
    good = [b'{"caption": "a", "id": null}', b'{"caption": "b", "id": ""}']
    records = read("c.jsonl", b"\n".join([good[0], *(data for data, _ in bad), good[1]]))
    assert reasons(records) == {n: reason for n, (_, reason) in enumerate(bad, 2)}
    assert texts(records) == ["a", "b"]
    assert {r.id for r in records if isinstance(r, CaptionRecord)} == {None}
    shown = {r.line: r.excerpt for r in records if isinstance(r, Unreadable)}
    assert all(len(excerpt) <= 200 for excerpt in shown.values())
    assert shown[2] == "{"
    assert shown[6] == '{"caption": "\ufffd"}'


@pytest.mark.parametrize(
    ("data", "expected", "bad"),
    [
        ('["a", , "b"]', ["a", "b"], {2: "invalid_json"}),
        ('["a", b, "c"]', ["a", "c"], {2: "invalid_json"}),
        ('[{"caption": "a"}, {"caption": b}, {"caption": "c"}]', "ac", {2: "invalid_json"}),
        ('[{"caption": "a"}, {"caption": "b}, {"caption": "c"}]', "ac", {2: "invalid_json"}),
        ('[{"caption": "a"}, {"x": [1}, {"caption": "c"}]', "ac", {2: "invalid_json"}),
        ('[{"caption": "a"}}, {"caption": "c"}]', "c", {1: "invalid_json"}),
        ('[{"caption": "a"} {"caption": "b"}, {"caption": "c"}]', "abc", {}),
        ('["a" "b", "c"]', "abc", {}),
        ('["a, {"caption": "c"}]', "c", {1: "invalid_json"}),
        ('[{"caption": "a" x, {"caption": "c"}]', "c", {1: "invalid_json"}),
        ('[{"caption": "a"}, {caption: "b"}]', "a", {2: "invalid_json"}),
        ('[{"caption": "a"}, {"caption": "b"', "a", {2: "invalid_json", 3: "array_not_closed"}),
        ('[{"caption": "a"}', "a", {2: "array_not_closed"}),
        ('[{"caption": "a"},', "a", {2: "array_not_closed"}),
        ('[{"caption": "a"},]', "a", {}),
        ('[{"caption": "a"}] x', "a", {2: "text_after_array"}),
        ('[1, 2.5, null, {"caption": "a"}]', "a", dict.fromkeys((1, 2, 3), "not_an_object")),
        (b'[{"caption": "\xff"}, {"caption": "a"}]', "a", {1: "invalid_utf8"}),
        (b'[{"caption": "\\udc80"}, {"caption": "a"}]', "a", {1: "invalid_unicode"}),
        ('[{"a": ' + "[" * 100_000 + '}, {"caption": "a"}]', "a", {1: "invalid_json"}),
    ],
)
def test_arrays_with_bad_records(read, data, expected, bad):
    records = read("c.json", data)
    assert texts(records) == list(expected)
    assert reasons(records) == bad


def test_a_record_of_an_array_can_be_too_long(read):
    good = json.dumps({"caption": "a"})
    for long in (
        json.dumps({"caption": "x" * MAX_RECORD_BYTES}),
        json.dumps({"caption": "x" * (5 * MAX_RECORD_BYTES)}),
        '{"caption": ' + "x" * (3 * MAX_RECORD_BYTES) + "}",
    ):
        records = read("c.json", f"[{good}, {long}, {good}]")
        assert texts(records) == ["a", "a"]
        assert reasons(records) == {2: "record_too_long"}


@given(
    st.lists(
        st.one_of(
            st.fixed_dictionaries(
                {"caption": st.text(), "id": st.integers(), "x": st.lists(st.text())}
            ),
            st.text(),
        ),
        max_size=10,
    ),
    st.sampled_from([None, 0, 3]),
    st.booleans(),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=60)
def test_arrays_are_read_alike_however_they_come_in_pieces(rows, indent, ascii_only, rng):
    from synthvlm.caption.readers.json_window import Window

    data = json.dumps(rows, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    data = data[1:]  # behind the bracket
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(8)))
    pieces = [data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)])]
    records, whole = (
        list(array_records(Window(chunks), Layout(), Notices("c.json")))
        for chunks in (pieces, [data])
    )
    assert records == whole
    expected = [row if isinstance(row, str) else row["caption"] for row in rows]
    assert texts(records) == expected


@given(st.binary(max_size=200), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_lines_are_split_alike_however_they_come_in_pieces(data, rng):
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(8)))
    pieces = [data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)])]
    expected = data.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    found = list(split_lines(pieces))
    assert [line.data for line in found] == [line.removesuffix(b"\r") for line in expected]
    assert [line.number for line in found] == list(range(1, len(expected) + 1))


@pytest.mark.parametrize("extension", ["json", "jsonl", "csv", "tsv", "txt", "parquet"])
def test_random_damage_is_never_a_breakdown(caption_file, extension):
    rng = random.Random(7)
    for _ in range(40):
        data = bytearray(FILES[extension])
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        del data[rng.randrange(len(data) // 2, len(data) + 1) :]
        file = caption_file(f"c.{extension}", bytes(data))
        try:
            records = list(read_records(file, Layout(), Notices(file.name)))
        except InvalidInput as error:
            assert error.violations[0].field == "file"
        else:
            assert records


def test_delimited_records_that_are_no_captions(read):
    data = b"\n".join(
        [
            b"id,caption",
            b"1,good",
            b"2",
            b"3,cut, off",
            b"",
            b"4,\xff",
            b'5,"two',
            b'lines"',
            b"6," + b"x" * MAX_RECORD_BYTES,
            b"7,a\rb",
            b",no id",
        ]
    )
    records = read("c.csv", data)
    assert reasons(records) == {
        3: "wrong_number_of_columns",
        4: "wrong_number_of_columns",
        5: "empty_line",
        6: "invalid_utf8",
        9: "record_too_long",
        10: "invalid_csv",
    }
    assert [(r.line, r.text, r.id) for r in records if isinstance(r, CaptionRecord)] == [
        (2, "good", "1"),
        (7, "two\nlines", "5"),
        (11, "no id", None),
    ]
    assert next(r for r in records if r.line == 6).excerpt == "4,\ufffd"


def test_an_unclosed_quote_swallows_nothing(read):
    rows = [f"row {number}" for number in range(120_000)]
    records = read("c.csv", "\n".join(["caption", "good", '"open', *rows]))
    assert texts(records) == ["good", *rows]
    assert reasons(records) == {3: "open_quote"}


def test_parquet_columns_of_every_kind_of_text(read):
    for kind in (
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int32(), pa.string()),
    ):
        column = pa.array(["a", None, "b"]).cast(kind)
        out = io.BytesIO()
        pq.write_table(pa.table({"caption": column, "id": pa.array([1, 2, None], pa.uint8())}), out)
        records = read("c.parquet", out.getvalue())
        assert [(r.text, r.id) for r in records if isinstance(r, CaptionRecord)] == [
            ("a", "1"),
            ("b", None),
        ]
        assert reasons(records) == {2: "missing_caption"}


def test_parquet_records_that_are_no_captions(read):
    bad_text = pa.array([b"\xff", b"x" * (MAX_RECORD_BYTES + 1), b"ok"]).cast(pa.binary())
    bad_text = pa.Array.from_buffers(pa.string(), 3, bad_text.buffers())
    out = io.BytesIO()
    pq.write_table(pa.table({"caption": bad_text}), out)
    records = read("c.parquet", out.getvalue())
    assert reasons(records) == {1: "invalid_utf8", 2: "record_too_long"}
    assert texts(records) == ["ok"]


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        *((f"c.{extension}", b"", "is empty") for extension in FILES if extension != "parquet"),
        ("c.jsonl.gz", b"", "is empty"),
        ("c.jsonl.gz", GZIP(b""), "is empty"),
        ("c.txt", BOM, "holds no records"),
        ("c.json", "[]", "holds no records"),
        ("c.json", "  \n ", "not a JSON array"),
        ("c.json", '"a"', "not a JSON array"),
        ("c.json", '{"captions": [\n{"caption": "a"}]}', "holds no caption"),
        ("c.csv", "caption\n", "holds no records"),
        ("c.csv", "\ncaption\n", "not have a readable header"),
        ("c.csv", b"c\xff\n", "not have a readable header"),
        (
            "c.csv",
            "id,title\n1,a\n",
            "column caption, text, captions or comment; its columns are id, title",
        ),
        ("c.csv", "caption,caption\n1,a\n", "more than one column"),
        (
            "c.jsonl",
            '{"title": "a"}\n\n{"title": "b"}\n',
            "no record with caption, text, captions or comment",
        ),
        ("c.jsonl", '{\n"x', "of 2 records none can be read (the first, 1, is invalid_json: {)"),
        ("c.txt", "a\nb\n".encode("utf-16"), "UTF-16"),
        ("c.txt.gz", GZIP(b"a\n" * 9999)[:-9], "damaged or cut off"),
        ("c.txt.gz", b"plain", "damaged or cut off"),
        ("c.txt.zst", zstandard.compress(b"a\n" * 9999)[:-3], "damaged or cut off"),
        ("c.txt.zst", b"plain", "damaged or cut off"),
        ("c.parquet", b"", "not a Parquet file"),
        ("c.parquet", b"PAR1" * 9, "not a Parquet file"),
        ("c.parquet", FILES["parquet"][:-9], "not a Parquet file"),
        ("c.parquet", parquet([{"title": "a"}]), "not have a column caption, text,"),
        ("c.parquet", parquet([{"caption": 3}]), "column caption of int64"),
        ("c.parquet", parquet([{"caption": {"text": "a"}}]), "column caption of struct"),
        ("c.parquet", parquet([], pa.schema([("caption", pa.string())])), "holds no records"),
    ],
)
def test_unusable_files(caption_file, name, data, problem):
    with pytest.raises(InvalidInput) as raised:
        list(read_records(caption_file(name, data), Layout(), Notices(name)))
    assert problem in raised.value.message
    assert raised.value.message.startswith(name)
    assert [violation.field for violation in raised.value.violations] == ["file"]


def test_a_missing_column_that_was_named(read):
    with pytest.raises(InvalidInput, match="not have a column alt; its columns are id, caption"):
        read("c.csv", FILES["csv"], "alt")
    with pytest.raises(InvalidInput, match="no record with alt in it"):
        read("c.jsonl", FILES["jsonl"], "alt")


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_decompression_bombs(caption_file, suffix):
    bomb = COMPRESS[suffix](bytes(80 << 20))
    with pytest.raises(InvalidInput, match="250 times"):
        for _ in read_records(caption_file(f"c.txt{suffix}", bomb), Layout(), Notices("c")):
            pass


@pytest.mark.parametrize("name", ["captions", "c.xml", "c.gz", "c.json.bz2", "c.zst", ".json"])
def test_unknown_extensions(caption_file, name):
    with pytest.raises(InvalidInput, match=r"\.jsonl"):
        caption_file(name, "x")


def test_files_that_are_none(tmp_path, anywhere):
    def violated(reference, field="file"):
        with pytest.raises(InvalidInput) as raised:
            find_caption_file(reference, anywhere, field)
        return raised.value.violations[0].field

    (tmp_path / "folder.json").mkdir()
    (tmp_path / "circle.json").symlink_to(tmp_path / "circle.json")
    assert violated(str(tmp_path / "folder.json")) == "file"
    assert violated("captions.json", "files[3]") == "files[3]"
    assert violated("/tmp/a\0.json") == "file"
    assert violated("s3://") == "file"
    assert violated("http://example.com/captions.json") == "file"
    assert violated(str(tmp_path / "circle.json")) == "file"
    for missing in ("none.json", "x" * 3000 + ".json", "folder.json/x.json"):
        with pytest.raises(NotFound):
            find_caption_file(str(tmp_path / missing), anywhere)


def test_only_what_is_allowed_is_read(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "c.txt").write_text("a")
    (inside / "link.txt").symlink_to(outside / "c.txt")
    locations = Locations([f"file://{inside}"])
    assert find_caption_file(str(inside / "c.txt"), locations).name == "c.txt"
    assert find_caption_file(f"file://{inside}/c.txt", locations).name == "c.txt"
    for path in (outside / "c.txt", inside / "link.txt", inside / ".." / "outside" / "c.txt"):
        with pytest.raises(InvalidInput, match="may not read"):
            find_caption_file(str(path), locations)
    with pytest.raises(InvalidInput, match="may not read"):
        find_caption_file(str(inside / "c.txt"), Locations([]))
    with pytest.raises(InvalidInput):
        find_caption_file("memory://other/c.txt", Locations(["memory://mine"]))
    with pytest.raises(InvalidInput, match="not a path") as raised:
        find_caption_file("memory://mine/a b.txt", Locations(["memory://mine"]), "files[0]")
    assert raised.value.violations[0].field == "files[0]"


@pytest.mark.parametrize("extension", ["jsonl", "json.gz", "parquet", "csv.zst"])
def test_files_in_an_object_store(extension):
    from synthvlm.storage import open_store, parse_location

    base, _, suffix = extension.partition(".")
    data = COMPRESS[f".{suffix}" if suffix else ""](FILES[base])
    open_store(parse_location("memory://captions/in")).write(f"c.{extension}", data)
    locations = Locations(["memory://captions"])
    file = find_caption_file(f"memory://captions/in/c.{extension}", locations)
    assert texts(read_records(file, Layout(), Notices("c"))) == [row["caption"] for row in ROWS]
    with pytest.raises(NotFound):
        find_caption_file(f"memory://captions/in/none.{extension}", locations)
