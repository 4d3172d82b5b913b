"""The shapes in which captions are published, and what is said of those that mislead."""

import datetime
import decimal
import gzip
import io
import json
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from synthvlm.caption.readers import CaptionRecord, Notices, Unreadable
from synthvlm.errors import InvalidInput

RED, BLUE = "a large red circle on a white wall", "a small blue star"


def found(records):
    return [(r.text, r.id) for r in records if isinstance(r, CaptionRecord)]


def reasons(records):
    return [r.reason for r in records if isinstance(r, Unreadable)]


def parquet(compression="snappy", **columns):
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, compression=compression)
    return out.getvalue()


def kinds(notices):
    return [notice.kind for notice in notices.all()]


@pytest.mark.parametrize("indent", [None, 1])
def test_coco(read, indent):
    images = [{"id": n, "file_name": f"{n}.jpg", "tags": ["]", '"', "\\", {}]} for n in range(99)]
    content = {
        "info": {"year": 2014, "note": 'a "quoted\\" one', "version": 1.5},
        "licenses": [],
        "images": images,
        "annotations": [
            {"image_id": 7, "id": 48, "caption": RED},
            {"image_id": 7, "id": 49, "caption": BLUE},
            {"image_id": 8, "id": 50, "caption": ""},
        ],
        "categories": [{"id": 1}],
    }
    data = json.dumps(content, indent=indent)
    assert found(read("c.json", data)) == [(RED, "7"), (BLUE, "7"), ("", "8")]
    assert found(read("c.json", data, id_column="id"))[0] == (RED, "48")
    assert found(read("c.json", data, id_column=""))[0] == (RED, None)
    # Cut off in the middle: what is there is read, and the end is missed.
    records = read("c.json", data[: data.index('"categories"') - 40])
    assert found(records)[:2] == [(RED, "7"), (BLUE, "7")]
    assert reasons(records)[-1] == "array_not_closed"


def test_json_lines_with_annotations_are_json_lines(read):
    data = json.dumps({"annotations": [{"box": [1, 2]}], "caption": RED})
    assert found(read("c.json", f"{data}\n{data}")) == [(RED, None)] * 2


def test_llava(read):
    talk = [
        {"from": "human", "value": "<image>\nSay what it is."},
        {"from": "gpt", "value": RED},
        {"from": "human", "value": "And?"},
        {"from": "gpt", "value": BLUE},
    ]
    data = [
        {"id": "0001", "image": "1.jpg", "conversations": talk},
        {"id": "0002", "conversations": talk[:1]},
    ]
    records = read("c.json", json.dumps(data))
    assert found(records) == [(RED, "0001")]
    assert reasons(records) == ["missing_caption"]


def test_several_captions_of_an_image(read):
    rows = [{"id": 1, "caption": [RED, BLUE]}, {"id": 2, "caption": []}, {"caption": [BLUE, None]}]
    records = read("c.jsonl", "\n".join(map(json.dumps, rows)))
    assert found(records) == [(RED, "1"), (BLUE, "1"), (BLUE, None)]
    assert [r.line for r in records] == [1, 1, 2, 3, 3]
    for kind in (pa.list_(pa.string()), pa.large_list(pa.large_string())):
        table = parquet(id=[1, 2, 3, 4], captions=pa.array([[RED, BLUE], [], None, [BLUE]], kind))
        records = read("c.parquet", table)
        assert found(records) == [(RED, "1"), (BLUE, "1"), (BLUE, "4")]
        assert [r.line for r in records] == [1, 1, 2, 3, 4]
    shared = [{"image_id": 1, "caption": text} for text in (RED, BLUE)]
    assert found(read("c.json", json.dumps(shared))) == [(RED, "1"), (BLUE, "1")]


def test_usual_names_in_any_case(read):
    laion = parquet(SAMPLE_ID=[None, 2.0], URL=["u", "v"], TEXT=[RED, BLUE])
    assert found(read("c.parquet", laion)) == [(RED, None), (BLUE, "2")]
    assert found(read("c.jsonl", json.dumps({"Caption": RED, "ID": "x"}))) == [(RED, "x")]
    assert found(read("c.csv", f"Text,Image_ID\n{RED},3\n")) == [(RED, "3")]
    # Not where a name is given.
    with pytest.raises(InvalidInput, match="does not have a column text"):
        read("c.parquet", laion, "text")


def test_identifiers_of_any_type(read):
    given = [12.0, 12.5, True, -0.0, 10**30, "12", float("nan"), None, ""]
    rows = "\n".join(json.dumps({"id": value, "caption": RED}) for value in given)
    expected = ["12", "12.5", "true", "0", str(10**30), "12", None, None, None]
    records = read("c.jsonl", rows)
    assert [identifier for _, identifier in found(records)] == expected
    assert [r.integer_id for r in records[:6]] == [True, False, False, True, True, False]
    day = datetime.date(2024, 5, 6)
    for values, shown in (
        (pa.array([1.0, None], pa.float32()), "1"),
        (pa.array([2**64 - 1, None], pa.uint64()), str(2**64 - 1)),
        (pa.array([decimal.Decimal("3.00"), None]), "3"),
        (pa.array([day, None]), "2024-05-06"),
        (pa.array([1, None], pa.timestamp("ns")), "1970-01-01 00:00:00.000000001"),
        (pa.array([True, None]), "true"),
        (pa.array([b"k\xff", None]), None),
        (pa.array([b"key", None]), "key"),
        (pa.array([b"key", None]).dictionary_encode(), "key"),
        (pa.array(["a", None]).dictionary_encode(), "a"),
        (pa.array([5, None]).dictionary_encode(), "5"),
    ):
        records = read("c.parquet", parquet(caption=[RED, BLUE], id=values))
        assert found(records) == [(RED, shown), (BLUE, None)]


def test_identifiers_that_cannot_be_used_are_left_out(read):
    bad = [{}, [1], float("inf"), "x" * 257, "\ud800"]
    notices = Notices("c.jsonl")
    rows = "\n".join(json.dumps({"id": value, "caption": RED}) for value in bad)
    assert found(read("c.jsonl", rows, notices=notices)) == [(RED, None)] * 5
    (notice,) = notices.all()
    assert (notice.kind, notice.records) == ("ids_left_out", 5)
    notices = Notices("c.parquet")
    assert found(read("c.parquet", parquet(caption=[RED], id=[[1, 2]]), notices=notices)) == [
        (RED, None)
    ]
    assert kinds(notices) == ["ids_left_out"]


def test_the_column_of_identifiers_can_be_named(read):
    row = {"id": 1, "key": "k", "caption": RED}
    for name, data in (
        ("c.jsonl", json.dumps(row)),
        ("c.csv", f"id,key,caption\n1,k,{RED}"),
        ("c.parquet", parquet(**{key: [value] for key, value in row.items()})),
    ):
        assert found(read(name, data)) == [(RED, "1")]
        assert found(read(name, data, id_column="key")) == [(RED, "k")]
        assert found(read(name, data, id_column="")) == [(RED, None)]


def test_gzip_with_something_behind_it(read):
    data = gzip.compress(f"{RED}\n{BLUE}\n".encode())
    for rest, noticed in (
        (b"", []),
        (b"\0" * 70_000, []),
        (b"tail", ["bytes_after_gzip"]),
        (b"\0\0\0tail" * 9999, ["bytes_after_gzip"]),
        (b"\x1f", ["bytes_after_gzip"]),
    ):
        notices = Notices("c.txt.gz")
        assert found(read("c.txt.gz", data + rest, notices=notices)) == [(RED, None), (BLUE, None)]
        assert kinds(notices) == noticed
    # A second member behind padding is read; a damaged one is not passed over.
    assert len(read("c.txt.gz", data + b"\0" * 5 + data)) == 4
    with pytest.raises(InvalidInput, match=r"cut off after 53 decompressed bytes"):
        read("c.txt.gz", data + data[:20])


def test_zstd_with_a_long_window(read):
    def compress(window):
        parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=window)
        made = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        return made.compress(RED.encode()) + made.flush()

    assert found(read("c.txt.zst", compress(27))) == [(RED, None)]
    with pytest.raises(InvalidInput, match="compressed with --long=30 and needs more memory"):
        read("c.txt.zst", compress(30))


@pytest.mark.parametrize(
    ("name", "data", "column", "kind", "records"),
    [
        ("c.txt", f"image,caption\n1.jpg,{RED}\n2.jpg,{BLUE}", "", "table_as_text", 3),
        ("c.txt", f"1.jpg#0\t{RED}\n1.jpg#1\t{BLUE}", "", "file_names_as_captions", 2),
        ("c.txt", f"1\t{RED}\n2\t{BLUE}", "", "table_as_text", 2),
        ("c.txt", f"x|{RED}\ny|{BLUE}", "", "table_as_text", 2),
        ("c.jsonl", json.dumps({"text": "https://x/1"}), "", "addresses_as_captions", 1),
        ("c.jsonl", json.dumps({"text": "images/1.jpg"}), "", "file_names_as_captions", 1),
        ("c.csv", 'raw\n"[""a"", ""b""]"', "raw", "lists_as_captions", 1),
        ("c.csv", "x,y\n1,2\n3,4\n", "y", "numbers_as_captions", 2),
    ],
)
def test_captions_that_look_like_something_else(read, name, data, column, kind, records):
    notices = Notices(name)
    read(name, data, column, notices=notices)
    assert (kind, records) in [(notice.kind, notice.records) for notice in notices.all()]


@pytest.mark.parametrize(
    "text",
    [
        "a dog, a cat, a cow",
        "see photo.jpg on the wall",
        "[a dog]",
        "7 red circles",
        "image, caption and text: a dog",
        "a sign that says https://x",
        "tabs\tare | odd; here",
    ],
)
def test_captions_that_only_mention_something(read, text):
    notices = Notices("c.txt")
    read("c.txt", f"{text}\n{RED}\na dog\n", notices=notices)
    assert kinds(notices) == []


def test_lines_that_end_with_cr_alone(read):
    notices = Notices("c.txt")
    assert found(read("c.txt", f"{RED}\r{BLUE}\r", notices=notices)) == [(RED, None), (BLUE, None)]
    assert kinds(notices) == ["lines_end_with_cr"]
    assert found(read("c.csv", f"id,caption\r1,{RED}\r2,{BLUE}")) == [(RED, "1"), (BLUE, "2")]


def test_utf16_without_a_mark(read):
    for encoding in ("utf-16-le", "utf-16-be"):
        with pytest.raises(InvalidInput, match="UTF-16"):
            read("c.txt", f"{RED}\n".encode(encoding))


def test_a_layout_that_cannot_be_told_shows_its_first_record(read):
    with pytest.raises(InvalidInput, match=r'the first record is \{"title": "x"\}; name the'):
        read("c.jsonl", '{"title": "x"}\n')


def test_one_long_text_in_every_row_of_a_small_parquet_file(read, tmp_path):
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), ["x" * 500_000])
    data = parquet(caption=text)
    assert len(data) < 30_000
    with pytest.raises(InvalidInput, match="expands to more than 250 times its size"):
        read("c.parquet", data)
    # In a process of its own, whose peak is known.
    measure = (
        "import sys, pyarrow\n"
        "from synthvlm.caption.locations import Locations\n"
        "from synthvlm.caption.readers import Layout, Notices, find_caption_file, read_records\n"
        "from synthvlm.errors import InvalidInput\n"
        "try: list(read_records(find_caption_file(sys.argv[1], Locations(['/'])), Layout(), "
        "Notices('')))\n"
        "except InvalidInput: print(pyarrow.default_memory_pool().max_memory())\n"
    )
    command = [sys.executable, "-c", measure, str(tmp_path / "c.parquet")]
    peak = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert peak < 64 << 20
    key = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), [b"x" * 500_000])
    records = read("c.parquet", parquet(caption=["a"] * 2000, id=key.cast(pa.binary())))
    assert found(records) == [("a", None)] * 2000
    with pytest.raises(InvalidInput, match="expands to more than 250 times its size"):
        read("c.parquet", parquet(compression="zstd", caption=["x" * (70 << 20)]))
    lists = parquet(caption=[["a"] * 3_000])
    with pytest.raises(InvalidInput, match="more than 1000 captions a row"):
        read("c.parquet", lists)


def test_a_few_bytes_that_say_there_are_millions_of_rows(read):
    data = parquet(compression="zstd", caption=pa.nulls(3_000_000, pa.string()))
    assert len(data) < 10_000
    began = time.process_time()
    with pytest.raises(InvalidInput, match="says that it has 3000000 rows"):
        read("c.parquet", data)
    assert time.process_time() - began < 0.5
    # Some rows without a caption are usual.
    assert len(read("c.parquet", parquet(caption=["a", *[None] * 200_000]))) == 200_001


@pytest.mark.parametrize(
    "bad",
    [
        '{"caption": x' + "} " * 58_000,
        "{x" + (" " * 1000 + "}") * 117,
        '{"a"' + "}," * 58_000,
        '{"caption": "bad" x}' + " " * 117_000,
        '{"a":[' * 20_000 + "}",
        "[1," * 39_000,
        '"' + "a," * 39_000 + '"',
        '"a,"b,' * 19_000,
        "{x" + "}, {" * 29_000 + '"a": 1}',
        '{"a":[{},' * 450 + "1," * 400_000 + "x",
        ('{"p":"' + "x" * 1000 + '","a":[{},') * 2000 + "x",
    ],
    ids=range(11),
)
def test_a_malformed_record_costs_time_in_proportion_and_nothing_behind_it(read, bad):
    began = time.process_time()
    records = read("c.json", f'[{bad}, {{"caption": "good"}}]')
    assert ("good", None) in found(records)
    # Two orders of magnitude above what it takes, two below what a quadratic search took.
    assert time.process_time() - began < 10
