"""The whole service through gRPC."""

import gzip
import io
import json

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from synthvlm.caption.config import CaptionSettings
from synthvlm.caption.service import SERVICE
from synthvlm.caption.v1 import caption_pb2 as pb
from synthvlm.caption.v1 import caption_pb2_grpc
from synthvlm.profiles import profile_names
from synthvlm.serving.settings_sources import load_settings
from synthvlm.serving.testing import running
from synthvlm.storage import file_uri, open_shard, open_store, parse_location
from synthvlm.storage.protos import ref_from_proto
from synthvlm.storage.schemas import CAPTIONS, POOL, QUARANTINE
from synthvlm.storage.v1 import shard_pb2

GOOD = "A man is riding a red bicycle down the street."
SHORT = "process: [{text_length_filter: {min_len: 3}}]"


@pytest.fixture
async def stub(tmp_path):
    settings = CaptionSettings(
        store_roots=[file_uri(tmp_path / "store")],
        caption_roots=[str(tmp_path / "captions")],
        listen=f"unix:{tmp_path}/caption.sock",
    )
    async with running(SERVICE, settings) as channel:
        yield caption_pb2_grpc.CaptionServiceStub(channel)


@pytest.fixture
def written(tmp_path):
    def write(name, data):
        path = tmp_path / "captions" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return str(path)

    return write


@pytest.fixture
def store(tmp_path):
    return shard_pb2.ShardStore(uri=file_uri(tmp_path / "store"))


async def answers(call):
    return [message async for message in call]


async def refused(awaitable):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await awaitable
    found = error_details_pb2.BadRequest()
    status = rpc_status.from_call(_Sync(raised.value))
    for detail in status.details if status else ():
        detail.Unpack(found)
    return raised.value.code(), [violation.field for violation in found.field_violations]


class _Sync:
    """An error of grpc.aio as grpc_status wants one."""

    def __init__(self, error):
        self.code, self.details = error.code, error.details
        self.trailing_metadata = error.trailing_metadata


async def test_captions_given_inline(stub):
    request = pb.EvaluateCaptionsRequest(
        captions=[pb.Caption(id="x", text=GOOD), pb.Caption(text="")]
    )
    good, empty = (await stub.EvaluateCaptions(request)).verdicts
    assert (good.id, good.text, good.keep, list(good.dropped_by)) == ("x", GOOD, True, [])
    assert dict(good.stats) == {
        "alnum_ratio": 36 / 46,
        "char_rep_ratio": 0.0,
        "flagged_words_ratio": 0.0,
        "special_char_ratio": 10 / 46,
        "word_rep_ratio": 0.0,
        "text_len": 46.0,
    }
    assert not empty.keep
    assert list(empty.dropped_by) == [
        "alphanumeric_filter",
        "special_characters_filter",
        "text_length_filter",
    ]
    request.recipe_yaml = SHORT
    good, empty = (await stub.EvaluateCaptions(request)).verdicts
    assert dict(good.stats) == {"text_len": 46.0}
    assert list(empty.dropped_by) == ["text_length_filter"]


async def test_every_caption_of_a_file(stub, written):
    records = [
        {"id": 7, "caption": GOOD},
        {"id": "s", "caption": ""},
        {"caption": GOOD},
        {"caption": "x" * 100_000},
        {"caption": 3},
        *({"id": n, "caption": f"{GOOD} {n}"} for n in range(2500)),
    ]
    path = written("c.json", json.dumps(records))
    messages = await answers(stub.EvaluateFile(pb.EvaluateFileRequest(file=path)))
    verdicts = [verdict for message in messages for verdict in message.verdicts]
    assert [v.text for v in verdicts] == [r["caption"] for r in records if r["caption"] != 3]
    assert [(v.id, v.integer_id) for v in verdicts[:4]] == [
        ("7", True),
        ("s", False),
        ("", False),
        ("", False),
    ]
    assert [(u.line, u.reason) for m in messages for u in m.unreadable] == [(5, "wrong_type")]
    assert len(messages) >= 3
    assert [v.keep for v in verdicts[:4]] == [True, False, True, False]


async def test_from_files_to_a_caption_set(stub, written, store):
    path = written("c.csv", f"id,caption\n1,{GOOD}\n2,short\n3,\n1,{GOOD}\n")
    request = pb.ImportCaptionsRequest(store=store, files=[path], max_set_aside=0.5)
    first = (await answers(stub.ImportCaptions(request)))[-1]
    again = (await answers(stub.ImportCaptions(request)))[-1]
    assert again.result == first.result
    assert (again.progress.done, again.progress.resumed) == (4, 4)
    result = first.result
    assert result.read == 4
    assert {count.rule: count.records for count in result.quarantined} == {
        "duplicate_caption": 1,
        "empty_caption": 1,
    }
    folder = open_store(parse_location(store.uri))
    quarantine = open_shard(folder, ref_from_proto(result.quarantine))
    lines = quarantine.table("quarantine.parquet", QUARANTINE).column("line").to_pylist()
    assert lines == [4, 5]

    request = pb.CurateShardRequest(store=store, pool=result.shards[0])
    curated = (await answers(stub.CurateShard(request)))[-1]
    assert (curated.progress.done, curated.progress.total) == (2, 2)
    assert (curated.result.read, curated.result.kept) == (2, 1)
    assert {count.rule: count.records for count in curated.result.dropped} == {
        "special_characters_filter": 1
    }
    caption_set = open_shard(folder, ref_from_proto(curated.result.caption_set))
    (kept,) = caption_set.table("captions.parquet", CAPTIONS).to_pylist()
    assert (kept["text"], kept["source_id"]) == (GOOD, "1")


def parquet_of(records):
    buffer = io.BytesIO()
    pq.write_table(
        pa.table({"id": [r[0] for r in records], "text": [r[1] for r in records]}), buffer
    )
    return buffer.getvalue()


FORMS = {
    "json": lambda records: json.dumps([{"id": i, "caption": t} for i, t in records]).encode(),
    "jsonl": lambda records: b"".join(
        json.dumps({"id": i, "caption": t}).encode() + b"\n" for i, t in records
    ),
    "csv": lambda records: "".join(
        ["id,caption\r\n", *(f'{i},"{t}"\r\n' for i, t in records)]
    ).encode(),
    "tsv": lambda records: "".join(
        ["id\tcaption\n", *(f"{i}\t{t}\n" for i, t in records)]
    ).encode(),
    "txt": lambda records: "".join(f"{t}\n" for _, t in records).encode(),
    "parquet": parquet_of,
}
COMPRESSIONS = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}


@pytest.mark.parametrize("form", FORMS)
async def test_every_form_of_file_gives_the_same_pool(stub, written, store, form):
    """Plain and compressed; the bad record is set aside with the place that it has in the file."""
    records = [
        (7, GOOD),
        (8, "Zwölf Boxkämpfer, süß & quer."),
        (9, ""),
        (10, "三匹の猫が座っている。"),
    ]
    folder = open_store(parse_location(store.uri))
    pools = set()
    reason = "empty_line" if form == "txt" else "empty_caption"
    for ending, compress in COMPRESSIONS.items():
        file = written(f"in.{form}{ending}", compress(FORMS[form](records)))
        request = pb.ImportCaptionsRequest(store=store, files=[file], max_set_aside=0.25)
        result = (await answers(stub.ImportCaptions(request)))[-1].result
        assert result.read == 4
        assert {count.rule: count.records for count in result.quarantined} == {reason: 1}
        quarantine = open_shard(folder, ref_from_proto(result.quarantine))
        (bad,) = quarantine.table("quarantine.parquet", QUARANTINE).to_pylist()
        line = 4 if form in ("csv", "tsv") else 3
        assert (bad["file"], bad["line"]) == (f"in.{form}{ending}", line)
        pools.update(ref_from_proto(ref) for ref in result.shards)
    (ref,) = pools
    rows = open_shard(folder, ref).table("pool.parquet", POOL).to_pylist()
    given = [(None if form == "txt" else str(i), text) for i, text in records if text]
    assert [(row["source_id"], row["text"]) for row in rows] == given


async def test_an_import_without_bad_records_has_no_quarantine(stub, written, store):
    request = pb.ImportCaptionsRequest(store=store, files=[written("c.txt", GOOD)], shard_size=1)
    result = (await answers(stub.ImportCaptions(request)))[-1].result
    assert not result.HasField("quarantine")
    assert not result.quarantined
    assert len(result.shards) == 1


async def test_how_a_file_is_laid_out_can_be_said(stub, written, store):
    path = written("captions.token", f"1.jpg|{GOOD}\n2.jpg|{GOOD}\n")
    layout = pb.FileLayout(
        format="csv", delimiter="|", columns=["file", "caption"], id_column="file"
    )
    request = pb.ImportCaptionsRequest(store=store, files=[path], layout=layout)
    result = (await answers(stub.ImportCaptions(request)))[-1].result
    assert (result.read, list(result.quarantined), list(result.warnings)) == (2, [], [])
    evaluate = pb.EvaluateFileRequest(file=path, layout=layout)
    (message,) = await answers(stub.EvaluateFile(evaluate))
    assert [(v.id, v.text) for v in message.verdicts] == [("1.jpg", GOOD), ("2.jpg", GOOD)]


async def test_what_is_noticed_is_said_with_the_result(stub, written, store):
    path = written("captions.txt", f"image,caption\n1.jpg,{GOOD}\n2.jpg,{GOOD}\n")
    imported = pb.ImportCaptionsRequest(store=store, files=[path])
    result = (await answers(stub.ImportCaptions(imported)))[-1].result
    messages = await answers(stub.EvaluateFile(pb.EvaluateFileRequest(file=path)))
    for warnings in (result.warnings, messages[-1].warnings):
        assert {warning.kind for warning in warnings} == {
            "file_names_as_captions",
            "table_as_text",
        }
        assert {warning.file for warning in warnings} == {"captions.txt"}


async def test_a_recipe_names_the_text_of_a_file(stub, written):
    path = written("c.jsonl", json.dumps({"text": "https://x", "content": GOOD}))
    request = pb.EvaluateFileRequest(file=path, recipe_yaml=f"text_keys: content\n{SHORT}")
    (message,) = await answers(stub.EvaluateFile(request))
    assert [verdict.text for verdict in message.verdicts] == [GOOD]
    request.column = "text"
    (message,) = await answers(stub.EvaluateFile(request))
    assert [verdict.text for verdict in message.verdicts] == ["https://x"]


async def test_an_import_that_sets_aside_too_much_is_refused(stub, written, store):
    path = written("c.jsonl", json.dumps(GOOD) + "\n{\n")
    request = pb.ImportCaptionsRequest(store=store, files=[path])
    invalid = (grpc.StatusCode.INVALID_ARGUMENT, ["files"])
    assert await refused(answers(stub.ImportCaptions(request))) == invalid
    request.max_set_aside = 0.5
    assert (await answers(stub.ImportCaptions(request)))[-1].result.read == 2


async def test_wrong_input_is_answered_with_its_field(stub, written, store, tmp_path):
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    inline = pb.EvaluateCaptionsRequest(captions=[pb.Caption(text="x")], recipe_yaml="process: 3")
    assert await refused(stub.EvaluateCaptions(inline)) == (invalid, ["recipe_yaml"])
    inline.recipe_yaml = "process: [{perplexity_filter: {}}]"
    assert await refused(stub.EvaluateCaptions(inline)) == (invalid, ["recipe_yaml"])

    def evaluate(file):
        return answers(stub.EvaluateFile(pb.EvaluateFileRequest(file=file)))

    def imported(*files, **fields):
        request = pb.ImportCaptionsRequest(**{"store": store, "files": files, **fields})
        return answers(stub.ImportCaptions(request))

    good = written("good.txt", GOOD)
    outside = tmp_path / "outside.txt"
    outside.write_text(GOOD)
    assert await refused(evaluate(written("c.json", "x"))) == (invalid, ["file"])
    assert await refused(evaluate(written("c.xml", "x"))) == (invalid, ["file"])
    assert await refused(evaluate(str(tmp_path / "captions"))) == (invalid, ["file"])
    assert await refused(evaluate(str(outside))) == (invalid, ["file"])
    missing = str(tmp_path / "captions" / "none.txt")
    assert await refused(evaluate(missing)) == (grpc.StatusCode.NOT_FOUND, [])
    assert await refused(imported(good, written("e.csv", ""))) == (invalid, ["files[1]"])
    assert await refused(imported(good, "relative.txt")) == (invalid, ["files[1]"])
    assert await refused(imported(good, missing)) == (grpc.StatusCode.NOT_FOUND, [])
    elsewhere = shard_pb2.ShardStore(uri=file_uri(tmp_path / "elsewhere"))
    assert await refused(imported(good, store=elsewhere)) == (invalid, ["store.uri"])


@pytest.mark.parametrize("profile", profile_names())
def test_every_profile_has_valid_settings(profile):
    assert load_settings(CaptionSettings, "caption", command_line={"profile": profile}).recipe
