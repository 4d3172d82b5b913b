"""Real images come into a store, and people compare them with generated ones."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from synthvlm.caption.caption_ids import caption_id
from synthvlm.caption.importing import ImportRequest, import_captions
from synthvlm.caption.locations import Locations
from synthvlm.caption.readers import Layout, find_caption_file
from synthvlm.cli.commands.review.command import app
from synthvlm.cli.commands.review.sources import shard_at
from synthvlm.cli.failures import WrongUsageError
from synthvlm.errors import InvalidInput, NotFound
from synthvlm.progress import SILENT
from synthvlm.real_set import importing
from synthvlm.real_set.importing import RealSet, RealSetRequest, import_real_set
from synthvlm.review.config import ReviewSettings
from synthvlm.review.people import token_digest
from synthvlm.review.service import SERVICE
from synthvlm.review.v1 import review_pb2 as pb
from synthvlm.review.v1 import review_pb2_grpc
from synthvlm.serving.testing import serving
from synthvlm.storage import ShardRef, Store, file_location, open_shard, open_store, verified_image
from synthvlm.storage.protos import ref_to_proto
from synthvlm.storage.schemas import (
    IMAGES_TAR,
    PAIRS,
    PAIRS_FILE,
    POOL,
    POOL_FILE,
    QUARANTINE,
    QUARANTINE_FILE,
    REVIEWED,
    REVIEWED_FILE,
)
from tests.dataset import shards
from tests.hostile_images import png_header
from tests.review.campaign import selection_of

KINDS = ("JPEG", "PNG", "WEBP")


def encoded(colour: int, kind: str = "PNG") -> bytes:
    """An image of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (24, 16), (colour, 80, 160)).save(buffer, kind)
    return buffer.getvalue()


def entry(number: int, image: str) -> dict[str, object]:
    """A record of LLaVA's form."""
    turns = [
        {"from": "human", "value": "<image>\nDescribe it."},
        {"from": "gpt", "value": f"caption {number}"},
    ]
    return {"id": str(number), "image": image, "conversations": turns}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, one of each format."""
    (tmp_path / "images" / "deep").mkdir(parents=True)
    for number, kind in enumerate(KINDS):
        (tmp_path / "images" / "deep" / str(number)).write_bytes(encoded(number * 90, kind))
    return tmp_path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(file_location(tmp_path / "store"))


def imported(store: Store, file: Path, images: Path, name: str = "real") -> RealSet:
    found = find_caption_file(str(file), Locations([str(file.parent)]))
    return import_real_set(store, RealSetRequest(name, found, images, Layout(), "image"), SILENT)


def quarantine_of(store: Store, found: RealSet) -> list[tuple[int, str]]:
    table = open_shard(store, found.ref).table(QUARANTINE_FILE, QUARANTINE)
    return [(row["line"], row["reason"]) for row in table.to_pylist()]


def written(folder: Path, *entries: object) -> Path:
    file = folder / "real.json"
    file.write_text(json.dumps(entries))
    return file


def test_every_image_is_in_the_shard_with_its_caption(folder: Path, store: Store) -> None:
    file = written(folder, *(entry(number, f"deep/{number}") for number in range(3)))
    found = imported(store, file, folder / "images")
    assert (found.read, found.quarantined, found.is_new, found.ref.records) == (3, {}, True, 3)
    shard = open_shard(store, found.ref)
    rows = shard.table(PAIRS_FILE, PAIRS).to_pylist()
    assert [row["text"] for row in rows] == ["caption 0", "caption 1", "caption 2"]
    assert [row["media_type"] for row in rows] == ["image/jpeg", "image/png", "image/webp"]
    assert {(row["width"], row["height"], row["shard"]) for row in rows} == {(24, 16, IMAGES_TAR)}
    for number, row in enumerate(rows):
        original = (folder / "images" / "deep" / str(number)).read_bytes()
        assert verified_image(store, shard.path(IMAGES_TAR), row) == original


def test_all_formats_of_a_table_are_the_same_set(folder: Path, store: Store) -> None:
    rows = [{"id": str(n), "image": f"deep/{n}", "caption": f"caption {n}"} for n in range(3)]
    written(folder, *rows)
    (folder / "real.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with (folder / "real.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    pq.write_table(pa.Table.from_pylist(rows), folder / "real.parquet")
    made = [
        imported(store, folder / f"real.{form}", folder / "images")
        for form in ("json", "jsonl", "csv", "parquet")
    ]
    assert len({one.ref for one in made}) == 1
    assert [one.is_new for one in made] == [True, False, False, False]


def test_the_same_input_is_found_again_and_makes_the_same_bytes(folder: Path, store: Store) -> None:
    file = written(folder, entry(0, "deep/0"), entry(1, "gone.png"))
    first = imported(store, file, folder / "images")
    assert not imported(store, file, folder / "images").is_new
    elsewhere = open_store(file_location(folder / "other"))
    assert imported(elsewhere, file, folder / "images").ref == first.ref
    assert imported(store, file, folder / "images", name="another").ref.path != first.ref.path
    (folder / "images" / "deep" / "0").write_bytes(encoded(7))
    assert imported(store, file, folder / "images").ref.path != first.ref.path


def test_what_cannot_be_used_is_in_quarantine_with_its_reason(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "MAX_IMAGE_BYTES", 5_000)
    images = folder / "images"
    (images / "animation.gif").write_bytes(encoded(1, "GIF"))
    (images / "cut.png").write_bytes(encoded(1)[:-30])
    (images / "bomb.png").write_bytes(png_header(60_000, 60_000))
    (images / "large.png").write_bytes(encoded(1) + bytes(5_000))
    bad: list[tuple[object, str]] = [
        (entry(0, "deep/0"), "duplicate_caption"),
        ({"id": "9", "image": "deep/0", "caption": "  "}, "empty_caption"),
        ({"id": "9", "image": "deep/0", "caption": "x" * 20_000}, "caption_too_long"),
        ({"id": "9", "image": "deep/0"}, "missing_caption"),
        ({"id": "9", "caption": "x"}, "no_image_named"),
        ({"id": "9", "caption": "x", "image": 4}, "no_image_named"),
        ({"id": "9", "caption": "x", "image": ["deep/0", "deep/1"]}, "several_images"),
        (entry(9, "gone.png"), "image_not_found"),
        (entry(9, "deep"), "image_not_a_file"),
        (entry(9, "animation.gif"), "image_unsupported_format"),
        (entry(9, "cut.png"), "image_undecodable"),
        (entry(9, "bomb.png"), "image_too_many_pixels"),
        (entry(9, "large.png"), "image_too_many_bytes"),
        ("no record", "no_image_named"),
    ]
    file = written(folder, entry(0, "deep/0"), *(record for record, _ in bad), entry(9, "deep/1"))
    found = imported(store, file, images)
    assert quarantine_of(store, found) == [
        (line, reason) for line, (_, reason) in enumerate(bad, start=2)
    ]
    assert sum(found.quarantined.values()) == len(bad) == found.read - found.ref.records
    assert found.quarantined["no_image_named"] == 3
    assert found.example.startswith("real.json:2: duplicate_caption: caption 0")


def test_no_image_outside_of_the_folder_is_read(folder: Path, store: Store) -> None:
    images, secret = folder / "images", folder / "secret.png"
    secret.write_bytes(encoded(200))
    (images / "link.png").symlink_to(secret)
    (images / "up").symlink_to(folder)
    (images / "circle").symlink_to("circle")
    (images / "within.png").symlink_to("deep/1")
    paths = ["../secret.png", str(secret), "link.png", "up/secret.png", "circle", "a\0b"]
    file = written(
        folder,
        *(entry(number, path) for number, path in enumerate(paths)),
        entry(7, f"file://{secret}"),
        entry(8, "within.png"),
        entry(9, str(images / "deep" / "0")),
    )
    found = imported(store, file, images)
    assert found.quarantined == {"image_not_found": 1, "image_outside_folder": len(paths)}
    tar = open_shard(store, found.ref).read(IMAGES_TAR)
    assert encoded(200) not in tar
    assert found.ref.records == 2


def test_what_names_no_image_at_all_is_refused_with_what_to_do(folder: Path, store: Store) -> None:
    images = folder / "images"
    with pytest.raises(InvalidInput, match=r"no record with image in it.*--image-column"):
        imported(store, written(folder, {"caption": "x"}), images)
    with pytest.raises(InvalidInput, match=r"the first is real.json:1: image_not_found: gone"):
        imported(store, written(folder, entry(0, "gone")), images)
    (folder / "real.csv").write_text("caption,picture\nx,deep/0\n")
    with pytest.raises(InvalidInput, match="--image-column"):
        imported(store, folder / "real.csv", images)
    (folder / "real.txt").write_text("deep/0\n")
    with pytest.raises(InvalidInput, match="plain text, which cannot name images"):
        imported(store, folder / "real.txt", images)
    with pytest.raises(NotFound, match=r"the folder .* does not exist"):
        imported(store, written(folder, entry(0, "deep/0")), folder / "nowhere")
    assert not store.list("real-set")


async def test_people_compare_generated_images_with_real_ones(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "caption_id", lambda text: caption_id(text, None))
    store, selection = selection_of(folder, captions=12)
    texts = [f"caption {number} of shard 0" for number in range(5)]
    records = [{"caption": text, "image": f"deep/{n % 3}"} for n, text in enumerate(texts)]
    other = {"caption": "of no generated image", "image": "deep/0"}
    real = imported(store, written(folder, *records, other), folder / "images").ref
    assert shard_at(store, "real-set/real", "--compare") == real
    people = folder / "people"
    people.write_text(f"olga owner {token_digest('olga')}\n")
    settings = ReviewSettings(
        database=f"sqlite:///{folder}/review.sqlite", store_roots=[store.uri], people_file=people
    )
    who = (("authorization", "Bearer olga"),)
    async with (
        serving(SERVICE, settings) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        stub: Any = review_pb2_grpc.ReviewServiceStub(channel)
        request = pb.CreateCampaignRequest(
            store={"uri": store.uri},
            source=ref_to_proto(selection),
            compared=ref_to_proto(real),
            design={"title": "Real?", "sample_size": 12, "verdicts_per_pair": 1},
        )
        made = (await stub.CreateCampaign(request, metadata=who)).campaign
        # Only captions that both have are shown.
        assert made.pairs == len(texts)
        named: Any = {"campaign_id": made.campaign_id}
        await stub.OpenCampaign(pb.OpenCampaignRequest(**named), metadata=who)
        leased = await stub.LeasePairs(pb.LeasePairsRequest(**named, count=12), metadata=who)
        assert sorted(pair.caption for pair in leased.pairs) == texts
        originals = {encoded(n * 90, kind) for n, kind in enumerate(KINDS)}
        entries = []
        for pair in leased.pairs:
            is_real = {}
            for side in ("LEFT", "RIGHT"):
                one = pb.GetImageRequest(**named, pair_id=pair.pair_id, side=f"SIDE_{side}")
                is_real[side] = (await stub.GetImage(one, metadata=who)).image in originals
            (better,) = (side for side, real_one in is_real.items() if real_one)
            verdict = pb.Verdict(preference=f"PREFERENCE_{better}")
            entries.append(
                pb.SubmittedVerdict(
                    pair_id=pair.pair_id, request_id=f"r{pair.pair_id}", verdict=verdict
                )
            )
        await stub.SubmitVerdicts(pb.SubmitVerdictsRequest(**named, verdicts=entries), metadata=who)
        figures = await stub.GetStatistics(pb.GetStatisticsRequest(**named), metadata=who)
        assert dict(figures.verdicts) == {"right": 5}
        assert 0 < figures.truth_rate.value < 0.1
        await stub.CloseCampaign(pb.CloseCampaignRequest(**named), metadata=who)
        finish = pb.FinishCampaignRequest(**named)
        final = (await stub.FinishCampaign(finish, metadata=who)).campaign.review_set
    reviewed = open_shard(store, ShardRef(final.path, final.digest, final.records))
    rows = reviewed.table(REVIEWED_FILE, REVIEWED).to_pylist()
    pairs = open_shard(store, real).table(PAIRS_FILE, PAIRS).to_pylist()
    assert {row["preference"] for row in rows} == {"compared"}
    assert {row["compared_image_id"] for row in rows} == {row["image_id"] for row in pairs[:5]}


def test_captions_have_the_ids_that_their_import_gives_them(folder: Path, store: Store) -> None:
    file = written(folder, *(entry(number, f"deep/{number}") for number in range(3)))
    real = open_shard(store, imported(store, file, folder / "images").ref).table(PAIRS_FILE, PAIRS)
    found = find_caption_file(str(file), Locations([str(folder)]))
    (pool,) = import_captions(store, ImportRequest([found], Layout(), 10), SILENT).shards
    captions = open_shard(store, pool).table(POOL_FILE, POOL)
    assert real.select(POOL.names).to_pylist() == captions.to_pylist()


def test_the_command_imports_a_set_that_is_found_by_its_name(folder: Path) -> None:
    file = written(folder, entry(0, "deep/0"), entry(1, "gone.png"))
    arguments = ["import-set", str(file), "--images", str(folder / "images"), "--name", "coco"]
    home = ["--home", str(folder / "home")]
    told = CliRunner().invoke(app, [*arguments, *home, "--json"])
    assert told.exit_code == 0, told.output
    answer = json.loads(told.stdout)
    assert (answer["name"], answer["quarantined"]) == ("coco", {"image_not_found": 1})
    again = CliRunner().invoke(app, [*arguments, *home])
    assert f"{answer['ref']['path']}: 1 pairs, as before; 1 of 2 records" in again.stdout
    assert "--compare real-set/coco" in again.stdout


def test_a_name_that_several_sets_have_is_told(folder: Path, store: Store) -> None:
    refs = [
        imported(store, written(folder, entry(number, "deep/0")), folder / "images").ref
        for number in range(2)
    ]
    with pytest.raises(WrongUsageError, match="several sets have this name"):
        shard_at(store, "real-set/real", "--compare")
    assert shard_at(store, refs[1].path, "--compare") == refs[1]
    with pytest.raises(WrongUsageError, match="there is no such shard"):
        shard_at(store, "real-set/other", "--compare")
