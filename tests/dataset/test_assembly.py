"""A version's files, and that they are the same however and wherever they came to be."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import textwrap
from collections import Counter

import pytest
import webdataset

from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.dataset.best import SelectionRule
from synthvlm.dataset.config import DatasetSettings
from synthvlm.dataset.prompts import PROMPTS, prompt_of
from synthvlm.dataset.selection import select
from synthvlm.dataset.service import open_catalogue
from synthvlm.errors import DataCorrupt, InvalidInput, NotFound, PreconditionFailed
from synthvlm.progress import SILENT
from synthvlm.storage import (
    ShardRef,
    file_location,
    open_shard,
    open_store,
    sha256_digest,
)
from synthvlm.storage.manifest import read_manifest
from synthvlm.storage.schemas import PAIRS, SELECTION
from tests.dataset.shards import Scored, chain_of, run_of

CONFIGURATION = {"generation": {"parameters": {"steps": 20}}, "names": ["ü", 1.5, None]}


def selection_of(store, top_k=9, **run):
    return select(store, run_of(store, **run), SelectionRule(top_k=top_k), SILENT).ref


def request_for(selection, name="shapes", shard_size=4, configuration=CONFIGURATION):
    return AssemblyRequest(selection, name, shard_size, configuration)


def contents(store, folder):
    return {path: store.read(path) for path in store.list(folder)}


@pytest.fixture
def version(store):
    ref = assemble(store, request_for(selection_of(store)), SILENT).ref
    return open_shard(store, ref)


class TestFiles:
    def test_all_files_are_there_and_whole(self, version):
        names = [entry.name for entry in version.manifest.files]
        tars = [f"pairs-{number:06d}.tar" for number in range(3)]
        assert names == ["llava.json", *tars, "pairs.parquet"]
        for name in names:
            version.read(name)
        assert [entry.records for entry in version.manifest.files] == [9, 4, 4, 1, 9]
        assert version.store.list(version.ref.path) == [
            f"{version.ref.path}/{name}" for name in sorted([*names, "manifest.json"])
        ]

    def test_the_index_leads_to_every_image(self, version):
        selection = ShardRef(*_selection_place(version))
        selected = open_shard(version.store, selection).table("selection.parquet", SELECTION)
        by_id = {row["image_id"]: row for row in selected.to_pylist()}
        pairs = version.table("pairs.parquet", PAIRS).to_pylist()
        assert [row["image_id"] for row in pairs] == sorted(by_id)
        for row in pairs:
            tar = version.path(row["shard"])
            data = version.store.read_range(tar, row["offset"], row["size"])
            assert sha256_digest(data) == row["sha256"] == by_id[row["image_id"]]["sha256"]
            for name in ("caption_id", "text", "seed", "repeat", "weighted_score", "source_id"):
                assert row[name] == by_id[row["image_id"]][name]
            assert row["generation"] in version.manifest.details["stages"]["generation"]

    def test_the_real_webdataset_library_reads_the_tars(self, version):
        pairs = {row["image_id"]: row for row in version.table("pairs.parquet", PAIRS).to_pylist()}
        folder = version.store.uri.removeprefix("file://")
        tars = f"{folder}/{version.ref.path}/pairs-{{000000..000002}}.tar"
        samples = list(webdataset.WebDataset(tars, shardshuffle=False).decode("pil"))
        assert [sample["__key__"] for sample in samples] == sorted(pairs)
        for sample in samples:
            row = pairs[sample["__key__"]]
            assert sample["txt"] == row["text"]
            assert sample["jpg"].size == (8, 8)
            assert sample["json"]["seed"] == row["seed"]
            assert sample["json"]["weighted_score"] == pytest.approx(row["weighted_score"])

    def test_tar_headers_hold_nothing_of_the_machine(self, version, tmp_path):
        with tarfile.open(version.download("pairs-000000.tar", tmp_path)) as tar:
            for member in tar:
                assert (member.mtime, member.uid, member.uname, member.mode) == (0, 0, "", 0o644)

    def test_llava_records_have_the_papers_form(self, version):
        pairs = {row["image_id"]: row for row in version.table("pairs.parquet", PAIRS).to_pylist()}
        records = json.loads(version.read("llava.json"))
        assert [record["id"] for record in records] == sorted(pairs)
        for record in records:
            row = pairs[record["id"]]
            number = row["shard"].removeprefix("pairs-").removesuffix(".tar")
            assert record["image"] == f"{number}/{row['file']}"
            human, model = record["conversations"]
            assert human == {"from": "human", "value": f"{prompt_of(record['id'])}\n<image>"}
            assert model == {"from": "gpt", "value": row["text"]}

    def test_the_manifest_is_the_identity_and_holds_nothing_of_this_run(self, version, tmp_path):
        text = version.manifest.to_bytes().decode()
        assert sha256_digest(text.encode()) == version.ref.digest
        manifest = json.loads(text)
        assert manifest["kind"] == "dataset"
        assert manifest["configuration"] == {
            "name": "shapes",
            "shard_size": 4,
            "run": CONFIGURATION,
        }
        assert manifest["counts"] == {
            "pairs": 9,
            "selected": 9,
            "captions": 20,
            "scored": 40,
            "unusable_scores": 0,
        }
        assert manifest["details"]["selection_rule"] == {"top_k": 9}
        assert set(manifest["details"]["stages"]) == {"caption", "generation", "alignment"}
        (generation,) = manifest["details"]["stages"]["generation"].values()
        assert generation["configuration"]["sampling"] == {"steps": 20}
        for changing in (str(tmp_path), "create_time", "git", "parent", 'version":1,"n'):
            assert changing not in text


def _selection_place(version):
    digest = version.manifest.inputs["selection"]
    for path in version.store.list("selection"):
        folder, _, name = path.rpartition("/")
        if name == "manifest.json" and read_manifest(version.store, folder).digest == digest:
            return folder, digest, 9
    raise AssertionError(f"no selection {digest}")


def test_prompts_are_eleven_whole_sentences():
    assert len(set(PROMPTS)) == len(PROMPTS) == 11
    assert all(prompt[0].isupper() and prompt[-1] in ".?" for prompt in PROMPTS)
    # Two that lack a comma between them would be one.
    assert max(len(prompt) for prompt in PROMPTS) < 70
    ids = [hashlib.sha256(str(number).encode()).hexdigest()[:32] for number in range(2200)]
    counts = Counter(map(prompt_of, ids))
    assert set(counts) == set(PROMPTS)
    assert max(counts.values()) < 2 * min(counts.values())


class TestIdentity:
    def test_everything_that_determines_content_changes_the_digest(self, store):
        selection = selection_of(store)
        digests = {
            assemble(store, wanted, SILENT).ref.digest
            for wanted in (
                request_for(selection),
                request_for(selection, name="other"),
                request_for(selection, shard_size=5),
                request_for(selection, configuration={}),
                request_for(selection_of(store, top_k=8)),
                request_for(selection_of(store, seed=1)),
            )
        }
        assert len(digests) == 6

    def test_a_lost_file_is_made_again(self, store):
        wanted = request_for(selection_of(store))
        ref = assemble(store, wanted, SILENT).ref
        before = contents(store, ref.path)
        store.delete([f"{ref.path}/pairs-000001.tar"])
        assert assemble(store, wanted, SILENT).ref == ref
        assert contents(store, ref.path) == before


class TestRefusals:
    def test_an_empty_selection(self, store):
        chain = chain_of(store, [Scored("a cat", 0, float("nan"), float("nan"))])
        ref = select(store, [chain], SelectionRule(top_k=1), SILENT).ref
        with pytest.raises(PreconditionFailed, match="empty"):
            assemble(store, request_for(ref), SILENT)

    def test_what_is_no_selection(self, store):
        (chain,) = run_of(store, shards=1)
        with pytest.raises(InvalidInput) as raised:
            assemble(store, request_for(chain.score_set), SILENT)
        assert raised.value.violations[0].field == "selection"

    def test_what_does_not_exist(self, store):
        with pytest.raises(NotFound):
            assemble(store, request_for(ShardRef("selection/x", "sha256:0", 1)), SILENT)

    def test_damaged_image_bytes_are_never_published(self, store):
        selection = selection_of(store)
        row = open_shard(store, selection).table("selection.parquet", SELECTION).to_pylist()[0]
        tar = f"{row['image_set']}/images.tar"
        data = bytearray(store.read(tar))
        data[row["offset"] + 5] ^= 1
        store.write(tar, bytes(data))
        with pytest.raises(DataCorrupt, match=row["image_id"]):
            assemble(store, request_for(selection), SILENT)
        assert not [path for path in store.list("dataset") if path.endswith("manifest.json")]


# Kills an assembly before each change that it makes to the store, one after the other, and lets the
# next attempt finish. Attempts are forks of a process that has no threads yet: imports are slow.
CRASHING = textwrap.dedent(
    """
    import json, os, pathlib, shutil, signal, sys
    from synthvlm.dataset.assembly import AssemblyRequest, assemble
    from synthvlm.dataset.catalogue import Catalogue
    from synthvlm.dataset.config import DatasetSettings
    from synthvlm.dataset.migrations import MIGRATIONS
    from synthvlm.dataset.provenance import Maker
    from synthvlm.dataset.publication import publish
    from synthvlm.progress import SILENT
    from synthvlm.sql.database import open_database
    from synthvlm.storage import ShardRef, Store, file_location, open_store, parse_location

    folder = pathlib.Path(sys.argv[1])
    selection = ShardRef(sys.argv[2], sys.argv[3], int(sys.argv[4]))

    def attempt(home, allowed):
        left = allowed
        for name in ("write", "write_if_absent", "upload", "delete"):
            def method(*arguments, original=getattr(Store, name)):
                nonlocal left
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*arguments)
            setattr(Store, name, method)
        store = open_store(parse_location(f"file://{home}/store"))
        database = f"sqlite:///{home}/catalogue.sqlite"
        catalogue = Catalogue(open_database(DatasetSettings(database=database), MIGRATIONS))
        wanted = AssemblyRequest(selection, "shapes", 4, {"seed": 1})
        publish(catalogue, store, "shapes", assemble(store, wanted, SILENT), Maker())

    def status_of(home, allowed):
        child = os.fork()
        if not child:
            attempt(home, allowed)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    point = 0
    while True:
        home = folder / f"killed-{point}"
        shutil.copytree(folder / "template", home)
        killed = status_of(home, point)
        assert killed in (0, -signal.SIGKILL), killed
        assert status_of(home, 10**9) == 0
        if not killed:
            break
        point += 1
    print(point)
    """
)


def test_killed_at_any_point_and_run_again_gives_the_same_version(tmp_path, catalogue):
    catalogue.close()
    template = tmp_path / "crashes" / "template"
    template.mkdir(parents=True)
    (tmp_path / "catalogue.sqlite").rename(template / "catalogue.sqlite")
    store = open_store(file_location(template / "store"))
    selection = selection_of(store)
    reference = open_store(file_location(tmp_path / "reference"))
    wanted = request_for(selection_of(reference), configuration={"seed": 1})
    expected = assemble(reference, wanted, SILENT).ref

    script = tmp_path / "crash.py"
    script.write_text(CRASHING)
    place = [selection.path, selection.digest, str(selection.records)]
    done = subprocess.run(
        [sys.executable, str(script), str(template.parent), *place],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    points = int(done.stdout)
    # Three tars and their parts, two files, the manifest, the parts' removal, the provenance.
    assert points >= 3 * 2 + 2 + 1 + 1 + 1
    for point in range(points + 1):
        home = template.parent / f"killed-{point}"
        found = open_catalogue(DatasetSettings(database=f"sqlite:///{home}/catalogue.sqlite"))
        (entry,) = found.versions()
        found.close()
        assert (entry.label, entry.ref) == ("shapes@1", expected)
        made = open_store(file_location(home / "store"))
        written = contents(made, expected.path)
        assert written.pop(f"{expected.path}/provenance.json")
        # Parts that were not removed any more are no part of the version.
        written = {path: data for path, data in written.items() if "/parts/" not in path}
        assert written == contents(reference, expected.path)
