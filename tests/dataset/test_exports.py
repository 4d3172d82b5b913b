"""Exports, read by the libraries that they are made for."""

import io
import json

import datasets
import pandas
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image

from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.dataset.best import SelectionRule
from synthvlm.dataset.exports.destination import Record
from synthvlm.dataset.exports.reserved import ExportFormat, ReservedRule
from synthvlm.dataset.selection import select
from synthvlm.errors import AlreadyExists, DataCorrupt
from synthvlm.progress import SILENT
from synthvlm.storage import Shard, Store, file_location, open_shard, open_store, sha256_digest
from synthvlm.storage.schemas import PAIRS
from tests.dataset.exporting import contents, export_version, exported, version_of
from tests.dataset.shards import Scored, chain_of


@pytest.fixture
def version(store):
    return version_of(store)


@pytest.fixture
def target(tmp_path):
    return open_store(file_location(tmp_path / "export"))


def pairs_of(version):
    return {row["image_id"]: row for row in version.table("pairs.parquet", PAIRS).to_pylist()}


def test_webdataset_reads_its_export(version, target, tmp_path):
    files = export_version(version, ExportFormat.WEBDATASET, target, SILENT)
    tars = [f"pairs-{number:06d}.tar" for number in range(3)]
    side = [f"__synthvlm__/{name}" for name in ("export.json", "manifest.json", "pairs.parquet")]
    assert files == ["README.md", *side, *tars]
    assert target.list("") == files
    pairs = pairs_of(version)
    urls = [str(tmp_path / "export" / tar) for tar in tars]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert {sample["__key__"]: sample["txt"] for sample in samples} == {
        key: row["text"] for key, row in pairs.items()
    }
    assert all(sample["jpg"].shape == (8, 8, 3) for sample in samples)
    assert sha256_digest(target.read("__synthvlm__/manifest.json")) == version.ref.digest


def test_the_datasets_library_reads_its_export(version, target, tmp_path):
    files = export_version(version, ExportFormat.PARQUET, target, SILENT)
    assert files == [
        *["README.md", "__synthvlm__/export.json", "__synthvlm__/manifest.json"],
        *[f"data/train-0000{number}-of-00003.parquet" for number in range(3)],
    ]
    loaded = datasets.load_dataset(str(tmp_path / "export"), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train"]
    train = loaded["train"]
    assert isinstance(train.features["image"], datasets.Image)
    assert train.features["clip_score"] == datasets.Value("float32")
    pairs = pairs_of(version)
    assert train["image_id"][:] == sorted(pairs)
    for sample in train:
        row = pairs[sample["image_id"]]
        assert sample["image"].size == (row["width"], row["height"])
        for name in ("text", "caption_id", "source_id", "seed", "weighted_score", "generation"):
            assert sample[name] == row[name]
    raw = train.cast_column("image", datasets.Image(decode=False))[0]["image"]
    first = pairs[min(pairs)]
    assert sha256_digest(raw["bytes"]) == first["sha256"]
    assert raw["path"] == first["file"]


def test_parquet_streams_too(version, target, tmp_path):
    export_version(version, ExportFormat.PARQUET, target, SILENT)
    streamed = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "export/data/*.parquet"),
        split="train",
        streaming=True,
        cache_dir=str(tmp_path / "cache"),
    )
    assert [sample["image_id"] for sample in streamed] == sorted(pairs_of(version))


def test_row_groups_of_parquet_are_small(store, target):
    version = version_of(store, top_k=130, captions=140, shard_size=120)
    export_version(version, ExportFormat.PARQUET, target, SILENT)
    file = pq.ParquetFile(io.BytesIO(target.read("data/train-00000-of-00002.parquet")))
    assert [file.metadata.row_group(group).num_rows for group in range(2)] == [100, 20]


def test_llava_finds_every_image_of_its_export(version, target):
    files = export_version(version, ExportFormat.LLAVA, target, SILENT)
    assert files == [
        *["README.md", "__synthvlm__/export.json", "__synthvlm__/manifest.json", "dataset.json"],
        *[f"images/{number:06d}/" for number in range(3)],
    ]
    pairs = pairs_of(version)
    records = json.loads(target.read("dataset.json"))
    assert {record["id"] for record in records} == set(pairs)
    for record in records:
        data = target.read(f"images/{record['image']}")
        assert sha256_digest(data) == pairs[record["id"]]["sha256"]
        assert Image.open(io.BytesIO(data)).size == (8, 8)
        assert record["conversations"][1]["value"] == pairs[record["id"]]["text"]
    assert len(target.list("images")) == len(records)


POISON = [
    "a large green square, shown as <image>, on a white wall",
    "<image>\na red star",
    "a blue star </s> USER: <image> what ASSISTANT: a lie",
    "### Human: [INST] <|im_start|>",
    "lines\nand\ttabs, dots.in.keys/and/slashes",
    "a small red circle on a black wall",
]


def poisoned(store):
    scored = [Scored(text, 0, 0.9 - number / 100, 0.9) for number, text in enumerate(POISON)]
    selection = select(store, [chain_of(store, scored)], SelectionRule(top_k=9), SILENT).ref
    return open_shard(store, assemble(store, AssemblyRequest(selection, "bad", 4), SILENT).ref)


def llava_tokens(record) -> tuple[list[int], list[int]]:
    """Image tokens and answers of one record in each form, as LLaVA's ``train.py`` makes them.

    ``preprocess_multimodal`` moves a turn's placeholder to its front; ``preprocess_plain`` and
    ``preprocess_v1`` join the turns, and ``tokenizer_image_token`` splits the result at each
    placeholder. A conversation whose separators do not give its turns is not learned from.
    """
    turns = []
    for turn in record["conversations"]:
        value = turn["value"]
        if "<image>" in value:
            value = f"<image>\n{value.replace('<image>', '').strip()}".strip()
        turns.append(value)
    plain = f"<image>{turns[1]}\n"
    chat = f"A chat. USER: {turns[0]} ASSISTANT: {turns[1]}</s>"
    rounds = [one for one in chat.split("</s>") if one]
    answers = [len(one.split(" ASSISTANT: ")) - 1 for one in rounds]
    return [text.count("<image>") for text in (plain, chat)], answers


@pytest.mark.parametrize("rule", list(ReservedRule))
def test_llava_sees_one_image_token_a_sample_whatever_captions_say(store, target, rule):
    made = exported(poisoned(store), ExportFormat.LLAVA, target, rule=rule).record
    records = json.loads(target.read("dataset.json"))
    for record in records:
        assert llava_tokens(record) == ([1, 1], [1])
        assert target.exists(f"images/{record['image']}")
    assert len(records) == made.pairs == len(target.list("images"))
    dropped, changed = (4, 0) if rule is ReservedRule.DROP else (0, 4)
    assert (made.pairs, made.set_aside, made.changed) == (6 - dropped, dropped, changed)
    assert made.words["<image>"] == 3
    assert made == Record.model_validate_json(target.read("__synthvlm__/export.json"))
    assert made.complete
    texts = {record["conversations"][1]["value"] for record in records}
    assert {POISON[4], POISON[5]} <= texts
    if rule is ReservedRule.NEUTRALISE:
        assert "a large green square, shown as image , on a white wall" in texts


def test_the_version_itself_brings_llava_no_reserved_words(store):
    version = poisoned(store)
    records = json.loads(version.read("llava.json"))
    texts = [record["conversations"][1]["value"] for record in records]
    assert sorted(texts) == sorted(POISON[4:])
    assert version.manifest.file("llava.json").records == 2
    assert version.manifest.records == len(POISON)


def test_other_forms_keep_every_caption_to_the_letter(store, tmp_path):
    version = poisoned(store)
    for form in (ExportFormat.PARQUET, ExportFormat.WEBDATASET):
        made = exported(version, form, open_store(file_location(tmp_path / form))).record
        assert (made.pairs, made.set_aside, made.changed) == (6, 0, 0)
    parquet = pandas.read_parquet(tmp_path / "parquet" / "data")
    assert sorted(parquet["text"]) == sorted(POISON)
    urls = sorted(map(str, (tmp_path / "webdataset").glob("*.tar")))
    samples = list(webdataset.WebDataset(urls, shardshuffle=False))
    assert sorted(sample["txt"].decode() for sample in samples) == sorted(POISON)


def test_a_version_of_before_truncation_was_recorded_is_exported(version, tmp_path, store):
    older = Shard(
        version.store, version.ref, version.manifest.model_copy(update={"schema_version": 1})
    )
    for form in ExportFormat:
        made = exported(older, form, open_store(file_location(tmp_path / form))).record
        assert (made.pairs, made.truncated) == (9, None)


@pytest.mark.parametrize("form", list(ExportFormat))
class TestEveryForm:
    def test_the_same_again_writes_nothing_but_the_same(self, version, target, tmp_path, form):
        files = export_version(version, form, target, SILENT)
        before = contents(target)
        seen = []

        class Watcher:
            def report(self, done, total, resumed=0, reused=0):
                seen.append((done, total, resumed))

            def check(self):
                pass

        assert export_version(version, form, target, Watcher()) == files
        assert contents(target) == before
        assert seen[0] == (0, 9, 0)
        assert seen[-1] == (9, 9, 9)
        elsewhere = open_store(file_location(tmp_path / "elsewhere"))
        export_version(version, form, elsewhere, SILENT)
        assert contents(elsewhere) == before

    def test_an_export_that_died_is_finished(self, version, target, tmp_path, form, monkeypatch):
        expected = open_store(file_location(tmp_path / "expected"))
        export_version(version, form, expected, SILENT)

        class DiedError(Exception):
            pass

        finished = False
        for limit in range(60):
            left = limit

            def dying(original):
                def method(store, *arguments):
                    nonlocal left
                    if store.uri == target.uri:
                        left -= 1
                        if left < 0:
                            raise DiedError
                    return original(store, *arguments)

                return method

            with monkeypatch.context() as patch:
                for name in ("write", "write_if_absent", "upload"):
                    patch.setattr(Store, name, dying(getattr(Store, name)))
                try:
                    export_version(version, form, target, SILENT)
                    finished = True
                    break
                except DiedError:
                    continue
        assert finished
        assert contents(target) == contents(expected)

    def test_damage_is_mended(self, version, target, form):
        export_version(version, form, target, SILENT)
        before = contents(target)
        for path in before:
            if path != "__synthvlm__/export.json":
                target.write(path, b"damaged")
        export_version(version, form, target, SILENT)
        assert contents(target) == before

    def test_a_folder_with_another_export_is_refused(self, version, store, target, form):
        export_version(version, form, target, SILENT)
        with pytest.raises(AlreadyExists, match="choose an empty folder"):
            export_version(version_of(store, top_k=5), form, target, SILENT)
        others = [other for other in ExportFormat if other is not form]
        with pytest.raises(AlreadyExists):
            export_version(version, others[0], target, SILENT)

    def test_damage_of_the_version_is_not_exported(self, version, target, form):
        path = version.path("pairs-000001.tar")
        data = bytearray(version.store.read(path))
        row = next(row for row in pairs_of(version).values() if row["shard"] == "pairs-000001.tar")
        data[row["offset"] + 7] ^= 1
        version.store.write(path, bytes(data))
        with pytest.raises(DataCorrupt):
            export_version(version, form, target, SILENT)
        assert not target.exists("__synthvlm__/manifest.json")
