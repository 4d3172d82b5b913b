"""Caption files that are damaged, or not what their name says."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from tests.attack.mutation import mutated

TEXTS = [
    *("a red circle", "", " ", '"', "'", ",", "\t", "\n", "\r\n", "\\", "\0", "\ufeff", "\u2028"),
    *(
        "=cmd()",
        "<script>",
        "\x1b[31m",
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    ),
    *("x" * 17_000, '{"caption": "a"}', "[" * 3000, "1e999", "-0", "NaN", "\N{PILE OF POO}" * 300),
]
COLUMNS = ["caption", "text", "id", "", "caption ", "Caption", "x" * 300, "\0", "\u202e"]
FORMATS = ["csv", "tsv", "json", "jsonl", "ndjson", "parquet", "txt"]
COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


def _scalar(random: Random) -> Any:
    kind = random.randrange(8)
    if kind > 2:
        return random.choice(TEXTS)
    return random.choice([None, True, 1.5, 10**25, -1, [1, [2]], {"caption": {"a": "b"}}])


def _rows(random: Random) -> list[dict[str, Any]]:
    columns = random.sample(COLUMNS, random.randrange(1, 4))
    if random.randrange(4):
        columns[0] = "caption"
    return [
        {column: _scalar(random) for column in columns if random.randrange(12)}
        for _ in range(random.choice([0, 1, 5, 40]))
    ]


def _delimited(rows: list[dict[str, Any]], delimiter: str) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(rows[0] if rows else ["caption"])
    for row in rows:
        writer.writerow(row.values())
    return out.getvalue().encode()


def _parquet(random: Random, rows: list[dict[str, Any]]) -> bytes:
    texts = [str(row.get("caption", "")) for row in rows]
    column: Any = pa.array(texts)
    match random.randrange(4):
        case 0:
            column = column.dictionary_encode()
        case 1:
            column = pa.array([text.encode() for text in texts], pa.binary())
        case 2:
            column = pa.array(["x" * 2**16] * 2000).dictionary_encode()
    out = io.BytesIO()
    pq.write_table(pa.table({"caption": column}), out, compression=random.choice(["none", "zstd"]))
    return out.getvalue()


def _content(random: Random, form: str) -> bytes:
    rows = _rows(random)
    match form:
        case "csv" | "tsv":
            return _delimited(rows, "," if form == "csv" else "\t")
        case "parquet":
            return _parquet(random, rows)
        case "txt":
            return "\n".join(random.choice(TEXTS) for _ in rows).encode()
        case "json":
            return random.choice([b"", b"\xef\xbb\xbf", b"[" * 5000]) + json.dumps(rows).encode()
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def any_file(random: Random) -> tuple[str, bytes]:
    """The ending of a name, and a content that may be something else."""
    form = random.choice(FORMATS)
    data = _content(random, form)
    if random.randrange(2):
        data = mutated(random, data)
    suffix = random.choice(["", "", "", ".gz", ".zst"])
    data = COMPRESSIONS[suffix](data)
    if random.randrange(5) == 0:
        data = mutated(random, data)
    if random.randrange(10) == 0:
        form = random.choice(FORMATS)
    return form + suffix, data


def any_layout(random: Random) -> dict[str, Any]:
    """What a caller says of the file."""
    if random.randrange(3):
        return {}
    return {
        "format": random.choice(["", *FORMATS, "xml"]),
        "delimiter": random.choice(["", ",", ";", "\t", "\n", '"', "ab", "\0"]),
        "columns": random.choice([[], ["caption"], ["id", "caption"], COLUMNS, ["a", "a"]]),
    }
