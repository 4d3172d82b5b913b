"""A byte that flips in a store is named, or made again; it never gives another dataset."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from synthvlm.alignment.score_set import ScoreSetMaker, ScoreSetRequest
from synthvlm.alignment.scorer import Scorer
from synthvlm.caption.curation import curate
from synthvlm.caption.importing import ImportRequest, import_captions
from synthvlm.caption.locations import Locations
from synthvlm.caption.readers import Layout, find_caption_file
from synthvlm.caption.recipe import load_recipe
from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.dataset.best import SelectionRule
from synthvlm.dataset.catalogue import Catalogue
from synthvlm.dataset.chains import ShardChain
from synthvlm.dataset.migrations import MIGRATIONS
from synthvlm.dataset.provenance import Maker
from synthvlm.dataset.publication import publish, reindex
from synthvlm.dataset.selection import select
from synthvlm.errors import DataCorrupt
from synthvlm.generation.encoding import ImageFormat
from synthvlm.generation.engine import Sampling
from synthvlm.generation.engines.diffusers import DiffusersEngine
from synthvlm.generation.image_set import ImageSetMaker, ImageSetRequest
from synthvlm.progress import SILENT
from synthvlm.sql.database import open_database
from synthvlm.sql.settings import DatabaseSettings
from synthvlm.storage import ShardRef, Store, file_location, open_shard, open_store
from synthvlm.storage.manifest import MANIFEST
from tests.alignment.conftest import PARAMETERS, Hasher
from tests.generation.conftest import Painter

TEXTS = [f"a scene with {n} circles" for n in range(11)]
POSITIONS = 12
"""Bytes of each file that are flipped, one at a time, spread over it."""


@dataclass(frozen=True)
class Home:
    """A store and a catalogue, made anew for each run."""

    folder: Path

    @property
    def store(self) -> Store:
        return open_store(file_location(self.folder / "store"))

    def files(self) -> dict[str, bytes]:
        return {path: self.store.read(path) for path in self.store.list("")}


def run(home: Home) -> list[ShardRef]:
    """All stages on a handful of captions; every shard, the published version last."""
    store = home.store
    file = home.folder / "captions.txt"
    file.write_text("".join(f"{text}\n" for text in [*TEXTS, "x", "x"]))
    found = find_caption_file(str(file), Locations(["/"]))
    imported = import_captions(store, ImportRequest([found], Layout(), 100), SILENT)
    (pool,) = imported.shards
    captions = curate(store, pool, load_recipe("paper-rules", Locations([])), SILENT).ref
    pipelines: Any = Painter()
    with closing(DiffusersEngine(pipelines, 4, 0.0)) as engine:
        wanted = ImageSetRequest(
            captions, 1, 7, Sampling(2, 3.0, 0.8, 16, 8), ImageFormat.JPEG, engine.model_digest
        )
        images = ImageSetMaker(engine).make(store, wanted, SILENT).ref
    with closing(Scorer(Hasher(), 4, 2)) as scorer:
        request = ScoreSetRequest(captions, images, PARAMETERS, "")
        scores = ScoreSetMaker(scorer).make(store, request, SILENT).ref
    selected = select(store, [ShardChain(captions, images, scores)], SelectionRule(top_k=9), SILENT)
    assembled = assemble(store, AssemblyRequest(selected.ref, "shapes", 4, {"seed": 1}), SILENT)
    database = DatabaseSettings(database=f"sqlite:///{home.folder}/catalogue.sqlite")
    with closing(Catalogue(open_database(database, MIGRATIONS))) as catalogue:
        publish(catalogue, store, "shapes", assembled, Maker(git_revision="0123abc"))
    quarantine = [imported.quarantine] if imported.quarantine is not None else []
    return [
        *(pool, *quarantine, captions, images, scores),
        *(selected.index, selected.ref, assembled.ref),
    ]


def read_everything(home: Home, made: list[ShardRef]) -> None:
    """Reads every file of every shard, as the stages that follow and exports do."""
    for ref in made:
        shard = open_shard(home.store, ref)
        for entry in shard.manifest.files:
            shard.read(entry.name)
    database = DatabaseSettings(database=f"sqlite:///{home.folder}/reindexed.sqlite")
    with closing(Catalogue(open_database(database, MIGRATIONS))) as catalogue:
        reindex(catalogue, home.store, Maker(), SILENT)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, list[ShardRef]]]:
    """A finished run."""
    home = Home(tmp_path_factory.mktemp("finished"))
    yield home, run(home)


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1 << position % 8
    return bytes(changed)


def test_every_flipped_byte_is_named_or_mended(finished: tuple[Home, list[ShardRef]]) -> None:
    home, made = finished
    files = home.files()
    kinds = {path.rpartition(".")[2] for path in files}
    assert kinds >= {"json", "parquet", "tar"}
    for path, data in files.items():
        for position in sorted({n * len(data) // POSITIONS for n in range(POSITIONS)}):
            home.store.write(path, flipped(data, position))
            with pytest.raises(DataCorrupt) as caught:
                assert run(home) == made
                read_everything(home, made)
            # Which object, in which store, and what to do.
            message = caught.value.message
            assert path in message, (path, position)
            assert home.store.uri in message
            assert "delete it and" in message or "delete it, and" in message
            home.store.write(path, data)


def test_what_the_message_says_mends_it(finished: tuple[Home, list[ShardRef]]) -> None:
    home, made = finished
    files = home.files()
    for path in files:
        home.store.delete([path])
        assert run(home) == made
        assert home.files() == files, path
    read_everything(home, made)


def test_a_manifest_in_the_place_of_another_is_refused(
    finished: tuple[Home, list[ShardRef]],
) -> None:
    home, made = finished
    store = home.store
    for ref, other in zip(made, [*made[1:], made[0]], strict=True):
        own = store.read(f"{ref.path}/{MANIFEST}")
        store.write(f"{ref.path}/{MANIFEST}", store.read(f"{other.path}/{MANIFEST}"))
        with pytest.raises(DataCorrupt, match="another shard"):
            run(home)
        store.write(f"{ref.path}/{MANIFEST}", own)


@pytest.mark.parametrize("kind", ["pool", "captions", "images", "scores", "dataset"])
def test_a_damaged_part_is_made_again(
    kind: str, finished: tuple[Home, list[ShardRef]], tmp_path: Path
) -> None:
    home, made = finished
    files = home.files()
    ref = next(ref for ref in made if ref.path.startswith(f"{kind}/"))
    other = Home(tmp_path)
    shutil.copytree(home.folder / "store", other.folder / "store")
    # As after a kill before the commit, with a part that has been damaged since.
    other.store.delete([f"{ref.path}/{MANIFEST}"])
    other.store.write(f"{ref.path}/parts/000000", b"sha256:" + b"0" * 400)
    assert run(other) == made
    assert other.files() == files
