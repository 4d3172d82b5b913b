"""Time and memory of a selection and of the assembly that follows, at the size of a real run.

    python benchmarks/dataset/selection.py --captions 100000 --repeats 5 --top-k 10000 --clusters 16

Writes the shards of a run with random scores (the images are a few bytes each: their size does not
matter for a selection), then selects in a process of its own and prints seconds and peak resident
memory, which must stay below --limit-mib. With --clusters, selects the same share of each.
"""

import argparse
import hashlib
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.dataset.best import SelectionRule, Strata
from synthvlm.dataset.chains import ShardChain
from synthvlm.dataset.lookup import rows_by_prefix
from synthvlm.dataset.selection import select
from synthvlm.progress import SILENT
from synthvlm.storage import (
    Commit,
    ShardKey,
    ShardRef,
    Store,
    file_location,
    open_store,
    parse_location,
    sha256_digest,
)
from synthvlm.storage.schemas import CAPTIONS, DROPPED, IMAGE_INDEX, IMAGES, SCORES
from synthvlm.storage.tables import table_bytes

SHARD = 10_000
"""Captions per shard."""


def ids(prefix: str, numbers: range) -> list[str]:
    """32 hexadecimal digits per number, like the stages' ids."""
    return [hashlib.sha256(f"{prefix}{n}".encode()).hexdigest()[:32] for n in numbers]


def captions_of_words(seed: int, count: int) -> list[str]:
    """Captions of twelve words of 20,000, which are as frequent as those of a language."""
    frequency = 1 / np.arange(1, 20_001)
    words = np.random.default_rng(seed).choice(20_000, (count, 12), p=frequency / frequency.sum())
    return [" ".join(f"word{number}" for number in row) for row in words.tolist()]


def write_chain(
    store: Store,
    folder: Path,
    first: int,
    captions: int,
    repeats: int,
    picture: bytes | None = None,
) -> ShardChain:
    """Writes one shard's CaptionSet, ImageSet and ScoreSet.

    Args:
        store: Where the shards go.
        folder: For files before they are uploaded.
        first: Number of the first caption.
        captions: Captions of the shard; the same number again are dropped.
        repeats: Images per caption.
        picture: An encoded JPEG that stands for every image; None: bytes that cannot be decoded.
    """
    caption_ids = ids("caption", range(first, first + captions))
    texts = captions_of_words(first, captions)
    key = ShardKey("captions", {"pool": sha256_digest(str(first).encode())})
    table = pa.table(
        {
            "caption_id": caption_ids,
            "text": texts,
            "source_id": [str(first + n) for n in range(captions)],
            "stats": pa.array([[("alnum_ratio", 0.8)]] * captions, CAPTIONS.field("stats").type),
        }
    )
    dropped_by = pa.array([["text_length_filter"]] * captions, DROPPED.field("dropped_by").type)
    files: dict[str, Any] = {
        "captions.parquet": table_bytes(table, CAPTIONS),
        "dropped.parquet": table_bytes(table.append_column("dropped_by", dropped_by), DROPPED),
    }
    caption_set = Commit(store, key).finish(files, captions)

    count = captions * repeats
    image_ids = ids("image", range(first * repeats, first * repeats + count))
    repeat = pa.array(np.tile(np.arange(repeats), captions), pa.int32())
    of_caption = [caption for caption in caption_ids for _ in range(repeats)]
    # Only ranges of it are ever read, so the file need not be a real tar, which is slow to write.
    path = folder / "images.tar"
    path.write_bytes("".join(image_ids).encode() if picture is None else picture)
    digests = (
        [sha256_digest(image_id.encode()) for image_id in image_ids]
        if picture is None
        else [sha256_digest(picture)] * count
    )
    size = 32 if picture is None else len(picture)
    offsets = range(0, count * 32, 32) if picture is None else [0] * count
    table = pa.table(
        {
            "image_id": image_ids,
            "caption_id": of_caption,
            "repeat": repeat,
            "seed": pa.array(range(count), pa.int64()),
            "file": [f"{image_id}.jpg" for image_id in image_ids],
            "media_type": ["image/jpeg"] * count,
            "width": pa.array([1024] * count, pa.int32()),
            "height": pa.array([1024] * count, pa.int32()),
            "offset": pa.array(offsets, pa.int64()),
            "size": pa.array([size] * count, pa.int64()),
            "sha256": digests,
            "truncated": [False] * count,
        }
    )
    files = {"images.parquet": table_bytes(table, IMAGES), "images.tar": path}
    key = ShardKey("images", {"captions": caption_set.digest}, {"sampling": {"steps": 20}})
    image_set = Commit(store, key).finish(files, count)

    rng = np.random.default_rng(first)
    scores = {
        name: pa.array(rng.random(count), pa.float32())
        for name in ("clip_score", "ssim_score", "weighted_score")
    }
    table = pa.table({"image_id": image_ids, "caption_id": of_caption, "repeat": repeat, **scores})
    key = ShardKey("scores", {"captions": caption_set.digest, "images": image_set.digest})
    score_set = Commit(store, key).finish({"scores.parquet": table_bytes(table, SCORES)}, count)
    return ShardChain(caption_set, image_set, score_set)


def measured(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float, float]:
    """Runs ``work`` in a process of its own; its result, seconds and peak memory in MiB."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        result: tuple[Any, float, float] = pool.apply(_timed, (work, arguments))
    return result


def _timed(work: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, float, float]:
    start = time.perf_counter()
    result = work(*arguments)
    seconds = time.perf_counter() - start
    return result, seconds, _peak_mib()


def _peak_mib() -> float:
    # Not ru_maxrss, which starts at the memory of the process that this one was forked from.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def run_select(uri: str, chains: list[ShardChain], rule: SelectionRule) -> Any:
    """Selects."""
    return select(open_store(parse_location(uri)), chains, rule, SILENT)


def run_assemble(uri: str, selection: ShardRef) -> Any:
    """Assembles."""
    return assemble(
        open_store(parse_location(uri)), AssemblyRequest(selection, "benchmark", SHARD), SILENT
    )


def look_up(store: Store, index: ShardRef, count: int) -> float:
    """Mean seconds to find one image among all."""
    path = f"{index.path}/images.parquet"
    start = time.perf_counter()
    for image_id in ids("image", range(count)):
        assert rows_by_prefix(store, path, image_id, IMAGE_INDEX.names, 2).num_rows == 1
    return (time.perf_counter() - start) / count


def main() -> int:
    """Measures; the exit status says whether memory stayed below the limit."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--captions", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--top-k", type=int)
    limit.add_argument("--top-fraction", type=float)
    parser.add_argument("--clusters", type=int, default=0)
    parser.add_argument("--limit-mib", type=float, default=1024)
    options = parser.parse_args()
    if options.top_k is None and options.top_fraction is None:
        options.top_fraction = 0.1
    strata = Strata(clusters=options.clusters) if options.clusters else None
    rule = SelectionRule(options.top_k, options.top_fraction, strata)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = open_store(file_location(folder / "store"))
        start = time.perf_counter()
        chains = [
            write_chain(store, folder, first, min(SHARD, options.captions - first), options.repeats)
            for first in range(0, options.captions, SHARD)
        ]
        images = options.captions * options.repeats
        print(f"{options.captions:,} captions x {options.repeats} = {images:,} images")
        print(f"written in {time.perf_counter() - start:.1f} s, {len(chains)} shards\n")
        print(f"{'stage':<10}{'records':>12}{'seconds':>10}{'peak RSS':>12}")
        selected, seconds, select_mib = measured(run_select, store.uri, chains, rule)
        print(f"{'select':<10}{selected.scored:>12,}{seconds:>10.1f}{select_mib:>8.0f} MiB")
        version, seconds, assemble_mib = measured(run_assemble, store.uri, selected.ref)
        print(f"{'assemble':<10}{version.ref.records:>12,}{seconds:>10.1f}{assemble_mib:>8.0f} MiB")
        each = look_up(store, selected.index, 50)
        print(f"{'look-up':<10}{'1':>12}{each:>10.4f}")
        return 0 if max(select_mib, assemble_mib) < options.limit_mib else 1


if __name__ == "__main__":
    sys.exit(main())
