"""Import: pool shards in order, everything else accounted for, the same bytes every time."""

import gzip
import json
import unicodedata
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.caption.caption_ids import caption_id
from synthvlm.caption.importing import ImportRequest, import_captions
from synthvlm.caption.readers import Layout, find_caption_file
from synthvlm.errors import InvalidInput, OperationCancelled, PreconditionFailed
from synthvlm.progress import SILENT
from synthvlm.storage import file_location, open_shard, open_store
from synthvlm.storage.schemas import POOL, QUARANTINE


class Watch:
    """Keeps what it is told; cancels once ``stop_at`` records are done."""

    def __init__(self, stop_at=None):
        self.reports = []
        self.stop_at = stop_at

    def report(self, done, total, resumed=0, reused=0):
        self.reports.append((done, total, resumed))
        if self.stop_at is not None and done >= self.stop_at:
            raise OperationCancelled("stop")

    def check(self):
        pass


def run(store, *files, shard_size=10, max_set_aside=1.0, reporter=SILENT, **layout):
    request = ImportRequest(files, Layout(**layout), shard_size, max_set_aside)
    return import_captions(store, request, reporter)


def rows(store, refs):
    return [
        row
        for ref in refs
        for row in open_shard(store, ref).table("pool.parquet", POOL).to_pylist()
    ]


def quarantined(store, imported):
    shard = open_shard(store, imported.quarantine)
    return shard.table("quarantine.parquet", QUARANTINE).to_pylist()


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


def tree(store):
    return {
        path: store.read(path) for prefix in ("pool", "quarantine") for path in store.list(prefix)
    }


def test_shards_hold_the_captions_in_their_order(store, caption_file):
    first = caption_file("one.jsonl", lines(*({"id": n, "caption": f"one {n}"} for n in range(15))))
    second = caption_file("two.v2.txt.gz", gzip.compress(b"two 0\ntwo 1\ntwo 2"))
    imported = run(store, first, second)
    assert [shard.records for shard in imported.shards] == [10, 8]
    assert imported.quarantine is None
    assert (imported.read, imported.quarantined) == (18, {})
    found = rows(store, imported.shards)
    assert [row["text"] for row in found] == [
        *(f"one {n}" for n in range(15)),
        *(f"two {n}" for n in range(3)),
    ]
    assert [row["source_id"] for row in found] == [*map(str, range(15)), None, None, None]
    assert all(row["caption_id"] == caption_id(row["text"], row["source_id"]) for row in found)


def test_bad_records_are_quarantined(store, caption_file):
    good = {"id": 1, "caption": "a dog"}
    file = caption_file(
        "c.jsonl",
        lines(
            good,
            {"id": 2, "caption": ""},
            {"id": 2, "caption": " \u3000\n"},
            {"id": 2, "caption": "x" * 16_385},
            {"id": 2, "caption": "é" * 8_193},
            {"id": 2, "caption": "x" * 16_384},
            {"id": 2, "caption": "a cat"},
            {"id": "1", "caption": "a dog"},
            {"id": 1.0, "caption": " a  dog\n"},
            {"caption": "a cafe\u0301"},
            {"caption": "a caf\u00e9"},
        )
        + "{",
    )
    imported = run(store, file)
    assert [(r["file"], r["line"], r["reason"]) for r in quarantined(store, imported)] == [
        ("c.jsonl", 2, "empty_caption"),
        ("c.jsonl", 3, "empty_caption"),
        ("c.jsonl", 4, "caption_too_long"),
        ("c.jsonl", 5, "caption_too_long"),
        ("c.jsonl", 8, "duplicate_caption"),
        ("c.jsonl", 9, "duplicate_caption"),
        ("c.jsonl", 11, "duplicate_caption"),
        ("c.jsonl", 12, "invalid_json"),
    ]
    assert imported.quarantined == {
        "caption_too_long": 2,
        "duplicate_caption": 3,
        "empty_caption": 2,
        "invalid_json": 1,
    }
    assert imported.read == 12
    assert imported.quarantine.records == 8
    texts = [row["text"] for row in rows(store, imported.shards)]
    assert texts == ["a dog", "x" * 16_384, "a cat", "a cafe\u0301"]


def test_captions_that_share_an_id_or_a_text_are_two(store, caption_file):
    records = [{"id": 1, "caption": "a"}, {"id": 1, "caption": "b"}, {"id": 2, "caption": "a"}]
    imported = run(store, caption_file("c.jsonl", lines(*records, {"caption": "a"})))
    assert imported.quarantined == {}
    assert len({row["caption_id"] for row in rows(store, imported.shards)}) == 4


def test_the_same_caption_in_two_files_is_one(store, caption_file):
    files = [caption_file(f"{name}.jsonl", lines({"id": 1, "caption": "a"})) for name in "xy"]
    assert run(store, *files).quarantined == {"duplicate_caption": 1}


@given(st.text(), st.none() | st.text())
def test_ids_are_made_of_the_normalised_text_and_the_users_id(text, source_id):
    identity = caption_id(text, source_id)
    assert len(identity) == 32
    assert identity == caption_id(f" {unicodedata.normalize('NFD', text)}\n", source_id)
    assert identity != caption_id(f"{text}x", source_id)
    assert identity != caption_id(text, f"{source_id or ''}x")
    assert identity != caption_id(text, None if source_id is not None else "")


def test_the_same_import_again(store, caption_file):
    file = caption_file("c.txt", "a\nb\n\nc\n")
    first = run(store, file, shard_size=2)
    before = tree(store)
    watch = Watch()
    assert run(store, file, shard_size=2, reporter=watch) == first
    assert watch.reports == [(4, 4, 4)]
    assert tree(store) == before


def test_folders_do_not_matter(tmp_path, caption_file, store, anywhere):
    data = lines({"caption": "a"}, {"caption": ""}, {"caption": "b"})
    first = run(store, caption_file("c.jsonl", data), shard_size=1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "c.jsonl").write_text(data)
    other = open_store(file_location(tmp_path / "other store"))
    assert (
        run(other, find_caption_file(str(elsewhere / "c.jsonl"), anywhere), shard_size=1) == first
    )
    assert tree(other) == tree(store)


def test_the_same_captions_are_the_same_pool_whatever_file_they_come_from(store, caption_file):
    records = [{"caption": text, "id": n} for n, text in enumerate("abcde")]
    table = "\n".join(["id\tcaption", *(f"{r['id']}\t{r['caption']}" for r in records)])
    first = run(store, caption_file("c.jsonl", lines(*records)), shard_size=2)
    before = tree(store)
    others = [
        run(store, caption_file("other.jsonl", lines(*records)), shard_size=2),
        run(
            store, caption_file("c.jsonl.gz", gzip.compress(lines(*records).encode())), shard_size=2
        ),
        run(store, caption_file("c.json", json.dumps(records, indent=1)), shard_size=2),
        run(store, caption_file("c.tsv", table), shard_size=2),
        run(store, caption_file("c.csv", table.replace("\t", ",")), shard_size=2, column="caption"),
        run(store, caption_file("c.jsonl", lines({"x": 1}, *records)), shard_size=2),
    ]
    assert all(imported.shards == first.shards for imported in others)
    pool = {path for path in before if path.startswith("pool")}
    assert pool == set(store.list("pool"))
    appended = run(store, caption_file("d.jsonl", lines(*records, {"caption": "f"})), shard_size=2)
    assert appended.shards[:2] == first.shards[:2]
    assert appended.shards[2] != first.shards[2]


def test_an_import_that_sets_aside_too_much_stops(store, caption_file):
    file = caption_file("c.jsonl", lines(*({"caption": c} for c in "aaab")) + "{\n\n")
    # Six records: one cannot be read; the duplicates and the empty line lose nothing.
    with pytest.raises(InvalidInput, match="1 of 6 records") as raised:
        run(store, file, max_set_aside=0.1)
    assert "(1 invalid_json), which is more than 10%" in raised.value.message
    assert "the first is c.jsonl:5: invalid_json: {;" in raised.value.message
    assert "--max-set-aside" in raised.value.message
    assert [violation.field for violation in raised.value.violations] == ["files"]
    allowed = run(store, file, max_set_aside=0.2)
    assert allowed.quarantined == {"duplicate_caption": 2, "empty_line": 1, "invalid_json": 1}
    # Found committed, it is judged all the same.
    with pytest.raises(InvalidInput, match="1 of 6 records"):
        run(store, file, max_set_aside=0)


def test_what_is_noticed_is_told_again(store, caption_file):
    file = caption_file("c.txt", "image,caption\n1.jpg,a dog\n2.jpg,a cat")
    first = run(store, file)
    assert {notice.kind for notice in first.notices} == {"file_names_as_captions", "table_as_text"}
    assert run(store, file) == first


def test_which_captions_came_from_which_file_stays_known(store, caption_file):
    files = [caption_file("a.txt", "a\nb\n"), caption_file("b.txt", "b\nc\n")]
    imported = run(store, *files)
    manifest = open_shard(store, imported.quarantine).manifest
    assert manifest.details["files"] == [
        {"file": "a.txt", "captions": 2},
        {"file": "b.txt", "captions": 1},
    ]


def test_an_import_goes_on_where_it_was_stopped(store, caption_file, tmp_path):
    # One in ten is a duplicate: what an earlier attempt has seen must be known again.
    texts = [f"caption {n if n % 10 else 0}" for n in range(5000)]
    file = caption_file("c.txt", "\n".join(texts))
    with pytest.raises(OperationCancelled):
        run(store, file, shard_size=1000, reporter=Watch(stop_at=2000))
    kept = [path for path in store.list("pool") if path.endswith("manifest.json")]
    assert len(kept) == 1
    assert store.list("quarantine") == []
    watch = Watch()
    imported = run(store, file, shard_size=1000, reporter=watch)
    done = [report[0] for report in watch.reports]
    assert done == sorted(done)
    assert watch.reports[-1][:2] == (5000, 5000)
    # The shard's 1000 captions, and the duplicates between them.
    assert watch.reports[-1][2] == 1110
    other = open_store(file_location(tmp_path / "other"))
    assert run(other, file, shard_size=1000) == imported
    assert tree(other) == tree(store)


def test_a_lost_shard_is_made_again(store, caption_file):
    file = caption_file("c.txt", "a\nb\nc\n")
    first = run(store, file, shard_size=1)
    before = tree(store)
    store.delete(store.list(first.shards[1].path))
    assert run(store, file, shard_size=1) == first
    assert tree(store) == before


def test_a_file_that_changes_is_not_imported(store, caption_file):
    file = caption_file("c.txt", "a\nb\n")

    class Append(Watch):
        def report(self, done, total, resumed=0, reused=0):
            with file.blob.local.open("a") as stream:
                stream.write("more\n")

    with pytest.raises(PreconditionFailed, match=r"c\.txt changed"):
        run(store, file, shard_size=1, reporter=Append())


def test_an_unusable_file_stops_the_import(store, caption_file):
    files = [caption_file("a.txt", "a\n"), caption_file("b.csv", "x,y\n1,2\n")]
    with pytest.raises(InvalidInput, match=r"b\.csv does not have a column"):
        run(store, *files)
    assert store.list("quarantine") == []


@given(
    st.lists(st.sampled_from(["a", "b", "a b", " a", "", "\u00e9", "e\u0301"]), max_size=30),
    st.integers(1, 7),
)
@settings(deadline=None, max_examples=25)
def test_every_record_is_accounted_for(tmp_path_factory, texts, size):
    from synthvlm.caption.locations import Locations

    folder = tmp_path_factory.mktemp("import")
    (folder / "c.jsonl").write_text(lines({"caption": "first"}, *({"caption": t} for t in texts)))
    store = open_store(file_location(folder / "store"))
    file = find_caption_file(str(folder / "c.jsonl"), Locations(["/"]))
    imported = run(store, file, shard_size=size)
    pool = rows(store, imported.shards)
    assert imported.read == len(texts) + 1
    assert len(pool) + sum(imported.quarantined.values()) == imported.read
    assert [shard.records for shard in imported.shards[:-1]] == [size] * (len(imported.shards) - 1)
    assert len({row["caption_id"] for row in pool}) == len(pool)
    if imported.quarantine:
        reasons = Counter(row["reason"] for row in quarantined(store, imported))
        assert reasons == imported.quarantined
