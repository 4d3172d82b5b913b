"""A run of a million captions in figures: shards, steps, store operations, rows, GPU hours.

What the design does is counted here as the code does it (``operations`` is held against what the
simulation measured, by a test); rates are the published ones of ``synthvlm capacity``; the sizes of
images and the number of GPUs are assumptions, which ``Design`` names.
"""

import math
from dataclasses import dataclass

from synthvlm.cli.commands.capacity.estimates import GPUS, USUAL, Plan, estimates
from synthvlm.storage.store import piece_bytes
from synthvlm_pipelines.settings import PipelineSettings

GIB = 2**30
TIB = 2**40
_BUFFER = 2**20
_LOOPED = 3
_ONCE = 3
"""Import, select, assemble."""

_RESULTS_BYTES = 600
"""Bytes of a shard's three results in the argument of the selection's step."""


@dataclass(frozen=True)
class Design:
    """A run.

    Attributes:
        captions: Captions, all of which are kept.
        repeats: Images a caption.
        shard_size: Captions a shard.
        selected: Pairs of the version.
        image_bytes: Bytes of an image: an assumption, for a JPEG of 1024 by 1024 pixels.
        generation_batch: Images generated at once, and kept as one part.
        scoring_batch: Pairs scored at once, and kept as one part.
        pairs_a_tar: Pairs in a tar of the version.
        steps: Denoising steps.
        gpus: GPUs that generate at the same time.
    """

    captions: int = 1_000_000
    repeats: int = 5
    shard_size: int = 16_000
    selected: int = 100_000
    image_bytes: int = 500_000
    generation_batch: int = 4
    scoring_batch: int = 256
    pairs_a_tar: int = 10_000
    steps: int = 60
    gpus: int = 64

    @property
    def shards(self) -> int:
        """Shards of the run."""
        return -(-self.captions // self.shard_size)

    @property
    def images(self) -> int:
        """Images of all captions."""
        return self.captions * self.repeats

    @property
    def run_steps(self) -> int:
        """Steps of the pipeline that are executed, up to the version."""
        return _LOOPED * self.shards + _ONCE

    def parts(self, batch: int) -> int:
        """Parts of all shards: one for each batch, of which the last of a shard is not full."""
        whole, rest = divmod(self.captions, self.shard_size)
        of_a_shard = -(-self.shard_size * self.repeats // batch)
        return whole * of_a_shard + -(-rest * self.repeats // batch)


def operations(design: Design) -> dict[str, int]:
    """Operations of the four services on the store, by kind, for a run that finds nothing made."""
    shards = design.shards
    parts = design.parts(design.generation_batch) + design.parts(design.scoring_batch)
    shard_bytes = design.shard_size * design.repeats * design.image_bytes
    tars = -(-design.selected // design.pairs_a_tar)
    return {
        # Objects of a shard of captions, of images and of scores, and two entries of usage.
        "put": parts + shards * (5 + 4 + 3 + 2) + tars + 12,
        "delete": parts + tars,
        # A tar of images is read in pieces by scoring, and by assembly one image at a time.
        "get": shards * (2 + 6 + 3 + math.ceil(shard_bytes / _BUFFER) + 11) + design.selected,
        "head": shards,
        "list": 6 * shards + 4,
    }


def shape_table(sizes: tuple[int, ...], base: Design) -> str:
    """What the size of a shard decides, as Markdown."""
    lines = [
        "| captions a shard | shards | steps | results as an argument | a shard's images | "
        "pieces of its upload | GPUs that it can keep busy | |",
        "|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    most = PipelineSettings().most_shards
    for size in sizes:
        one = Design(shard_size=size, captions=base.captions, repeats=base.repeats)
        tar = size * one.repeats * one.image_bytes
        verdict = "" if one.shards <= most else "refused: too many shards"
        lines.append(
            f"| {size:,} | {one.shards:,} | {one.run_steps:,} | "
            f"{one.shards * _RESULTS_BYTES / 1024:,.0f} KiB | {tar / GIB:,.0f} GiB | "
            f"{-(-tar // piece_bytes(tar)):,} | {one.shards:,} | {verdict} |"
        )
    return "\n".join(lines)


def gpu_table(design: Design) -> str:
    """GPU hours, nodes and days of the images, as Markdown."""
    plan = Plan(design.images, design.steps, design.gpus)
    lines = [
        f"| GPU | images/s, one GPU | images/s, one node | GPU hours | node hours | days on "
        f"{design.gpus} GPUs |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for one in estimates(plan, USUAL):
        node = GPUS[one.gpu].node
        second = one.images_an_hour / 3600
        lines.append(
            f"| {one.gpu} | {second:.2f} | {second * node:.1f} ({node} GPUs) | "
            f"{one.gpu_hours:,.0f} | {one.gpu_hours / node:,.0f} | {one.days:.1f} |"
        )
    return "\n".join(lines)


def store_table(design: Design) -> str:
    """Store operations, bytes and rows, as Markdown."""
    counted = operations(design)
    images = design.images * design.image_bytes
    version = design.selected * design.image_bytes
    at_work = min(design.gpus, design.shards)
    parts = min(images, at_work * design.shard_size * design.repeats * design.image_bytes)
    rows = {
        **{f"operations: {kind}": f"{count:,}" for kind, count in counted.items()},
        "bytes: ImageSets": f"{images / TIB:.2f} TiB",
        "bytes: the version": f"{version / GIB:,.0f} GiB",
        "bytes written in all": f"{(2 * images + version) / TIB:.2f} TiB: each image in a part, "
        f"and in its shard's tar",
        "bytes of parts at a time": f"{parts / TIB:.2f} TiB at most, with {at_work} shards at work",
        "objects that stay": f"{design.shards * 14 + design.selected // design.pairs_a_tar + 12:,}",
        "rows of the catalogue": "2: a version, and its index",
        "rows of the index of images and scores": f"{2 * design.images:,}, and "
        f"{design.parts(design.generation_batch) + design.shards:,} of objects",
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows.items())]
    return "\n".join(lines)
