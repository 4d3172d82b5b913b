"""A small run in a store: scenes as images, real curation and selection, and scores that know the
truth of each image."""

import io
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from PIL import Image

from synthvlm.alignment.ssim import ssim_score
from synthvlm.caption.curation import curate
from synthvlm.caption.locations import Locations
from synthvlm.caption.recipe import load_recipe
from synthvlm.dataset.best import SelectionRule, Strata
from synthvlm.dataset.chains import ShardChain
from synthvlm.dataset.selection import select
from synthvlm.progress import SILENT
from synthvlm.report.record import RunRecord, RunShard, StageTiming, VersionRecord
from synthvlm.scenes.captions import describe
from synthvlm.scenes.flawed import FLAWS
from synthvlm.scenes.mutate import mutate
from synthvlm.scenes.render import render
from synthvlm.scenes.world import Scene, sample_scene
from synthvlm.storage import Commit, ShardKey, ShardRef, Store, open_shard, sha256_digest
from synthvlm.storage.schemas import FAILED, IMAGES, POOL, QUARANTINE, SCORES
from synthvlm.storage.tables import table_bytes
from synthvlm.storage.tar import TarFile

GENERATOR = sha256_digest(b"generator")
SCORER = sha256_digest(b"scorer")


def make_run(
    store: Store,
    captions: int,
    repeats: int = 2,
    top_k: int = 8,
    shards: int = 2,
    more: Sequence[str] = (),
    scale: int = 1,
    strata: Strata | None = None,
) -> RunRecord:
    """Commits all shards of a run, and returns its record.

    Args:
        store: Where to.
        captions: Captions of scenes, a fifth of them flawed.
        repeats: Images a caption.
        top_k: Pairs to select.
        shards: Pool shards.
        more: Further captions, in the first shard, that are always scored best.
        scale: Factor by which images are larger than 64 x 64 pixels.
        strata: Within what to select.
    """
    rng = random.Random(7)
    scenes = [sample_scene(rng) for _ in range(captions)]
    texts = [
        rng.choice(list(FLAWS.values()))(scene, rng) if rng.random() < 0.2 else describe(scene, rng)
        for scene in scenes
    ]
    known = dict(zip(texts, scenes, strict=True)) | {text: sample_scene(rng) for text in more}
    every = [*more, *dict.fromkeys(texts)]
    pools = [_pool(store, every[place::shards]) for place in range(shards)]
    recipe = load_recipe("paper-rules", Locations(()))
    chains = []
    for pool in pools:
        kept = curate(store, pool, recipe, SILENT).ref
        images, truth = _images(store, kept, known, repeats, scale, rng)
        scores = _scores(store, kept, images, truth, set(more), rng)
        chains.append(RunShard(caption_set=kept, image_set=images, score_set=scores))
    selected = select(
        store,
        [ShardChain(one.caption_set, one.image_set, one.score_set) for one in chains],
        SelectionRule(top_k=top_k, strata=strata),
        SILENT,
    )
    quarantine = _quarantine(store)
    started = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    generated = sum(one.image_set.records for one in chains)
    return RunRecord(
        name="demo",
        profile="mini",
        started=started,
        finished=started + timedelta(seconds=372),
        stages=[
            StageTiming(stage="import", seconds=0.4, done=len(every) + 3),
            StageTiming(stage="curate", seconds=0.8, done=len(every)),
            StageTiming(stage="generate", seconds=341.5, done=generated, resumed=generated // 8),
            StageTiming(stage="score", seconds=12.75, done=generated),
            StageTiming(stage="select", seconds=0.3, done=generated),
            StageTiming(stage="assemble", seconds=0.9, done=top_k),
        ],
        read=len(every) + quarantine.records,
        quarantined={"invalid_json": 1, "empty_caption": 2},
        quarantine=quarantine,
        pool=pools,
        shards=chains,
        selection=selected.ref,
        version=VersionRecord(
            name="demo",
            version=3,
            digest=sha256_digest(b"version"),
            pairs=selected.selected,
            bytes=1_234_567,
            path="dataset/abc",
        ),
        configuration={
            "profile": "mini",
            "curation": {"recipe": "paper-rules"},
            "generation": {
                "parameters": {"steps": 20, "guidance_scale": 3.0, "negative_prompt": ""},
                "repeats": repeats,
                "seed": 0,
            },
            "selection": {"top_k": top_k},
        },
    )


def _pool(store: Store, texts: Sequence[str]) -> ShardRef:
    rows = [
        {
            "caption_id": sha256_digest(text.encode()).removeprefix("sha256:")[:32],
            "text": text,
            "source_id": None,
        }
        for text in texts
    ]
    table = table_bytes(pa.Table.from_pylist(rows, POOL), POOL)
    commit = Commit(store, ShardKey("pool", {"files": sha256_digest(table)}))
    return commit.finish({"pool.parquet": table}, records=len(rows))


def _quarantine(store: Store) -> ShardRef:
    rows = [
        {"file": "pool.jsonl", "line": 3, "reason": "invalid_json", "excerpt": '{"caption": "a re'},
        {"file": "pool.jsonl", "line": 9, "reason": "empty_caption", "excerpt": ""},
        {"file": "pool.jsonl", "line": 12, "reason": "empty_caption", "excerpt": ""},
    ]
    table = table_bytes(pa.Table.from_pylist(rows, QUARANTINE), QUARANTINE)
    commit = Commit(store, ShardKey("quarantine", {"files": sha256_digest(table)}))
    return commit.finish({"quarantine.parquet": table}, records=len(rows))


def _images(
    store: Store,
    kept: ShardRef,
    known: dict[str, Scene],
    repeats: int,
    scale: int,
    rng: random.Random,
) -> tuple[ShardRef, dict[str, tuple[float, Image.Image]]]:
    """The ImageSet, and for each image how true it is and the image itself."""
    rows, truth, buffer = [], {}, io.BytesIO()
    captions = open_shard(store, kept).table("captions.parquet", POOL).to_pylist()
    with TarFile(buffer) as tar:
        for caption in captions:
            for repeat in range(repeats):
                scene, faults = known[caption["text"]], 0
                while rng.random() < 0.55:
                    scene, faults = mutate(scene, rng), faults + 1
                noise = np.random.default_rng(rng.randrange(2**32)).normal(
                    0, rng.uniform(0, 9), (64, 64, 3)
                )
                pixels = np.clip(render(scene) + noise, 0, 255).astype(np.uint8)
                picture = Image.fromarray(pixels).resize((64 * scale, 64 * scale))
                encoded = io.BytesIO()
                picture.save(encoded, "PNG")
                image_id = sha256_digest(f"{caption['caption_id']}/{repeat}".encode())[7:39]
                offset, size = tar.add(f"{image_id}.png", encoded.getvalue())
                truth[image_id] = (1 / (1 + faults), picture)
                rows.append(
                    {
                        "image_id": image_id,
                        "caption_id": caption["caption_id"],
                        "repeat": repeat,
                        "seed": 1000 + repeat,
                        "file": f"{image_id}.png",
                        "media_type": "image/png",
                        "width": picture.width,
                        "height": picture.height,
                        "offset": offset,
                        "size": size,
                        "sha256": sha256_digest(encoded.getvalue()),
                        "truncated": False,
                    }
                )
    key = ShardKey("images", {"captions": kept.digest}, {"repeats": repeats}, GENERATOR)
    files = {
        "images.tar": buffer.getvalue(),
        "images.parquet": table_bytes(pa.Table.from_pylist(rows, IMAGES), IMAGES),
        "failed.parquet": table_bytes(FAILED.empty_table(), FAILED),
    }
    counts = {"failed:blank": 1, "truncated_prompts": 2}
    return Commit(store, key).finish(files, records=len(rows), counts=counts), truth


def _scores(
    store: Store,
    kept: ShardRef,
    images: ShardRef,
    truth: dict[str, tuple[float, Image.Image]],
    best: set[str],
    rng: random.Random,
) -> ShardRef:
    texts = {
        row["caption_id"]: row["text"]
        for row in open_shard(store, kept).table("captions.parquet", POOL).to_pylist()
    }
    rows = []
    # The last image cannot be scored.
    for row in open_shard(store, images).table("images.parquet", IMAGES).to_pylist()[:-1]:
        true, picture = truth[row["image_id"]]
        clip = 0.12 + 0.2 * true + rng.gauss(0, 0.02)
        clip = 0.5 if texts[row["caption_id"]] in best else min(max(clip, 0), 0.49)
        ssim = ssim_score(picture, 32 * picture.width // 64)
        rows.append(
            {
                "image_id": row["image_id"],
                "caption_id": row["caption_id"],
                "repeat": row["repeat"],
                "clip_score": clip,
                "ssim_score": ssim,
                "weighted_score": 1.0
                if texts[row["caption_id"]] in best
                else 0.5 * clip / 0.5 + 0.5 * ssim,
            }
        )
    key = ShardKey("scores", {"captions": kept.digest, "images": images.digest}, {}, SCORER)
    files = {"scores.parquet": table_bytes(pa.Table.from_pylist(rows, SCORES), SCORES)}
    counts = {"failed:undecodable": 1}
    return Commit(store, key).finish(files, records=len(rows), counts=counts)
