"""What a run took, stage by stage: device time, records, tokens, bytes in the store, and a bill.

Everything but the times of its stages is read from the store: what its attempts at shards took from
its ledger, how fast a training went from the file beside its model, bytes from manifests. So it is
the same for a run on this machine and for one on a cluster.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from synthvlm.errors import DataCorrupt, NotFound
from synthvlm.report.bill import RunCost, StageCost
from synthvlm.report.outcome import DeviceUse
from synthvlm.report.record import Prices, RunRecord, Stage
from synthvlm.report.training import THROUGHPUT_FILE
from synthvlm.storage import Shard, ShardRef, Store, open_shard
from synthvlm.storage.ledger import run_usage

SECONDS_AN_HOUR: Final = 3600
BYTES_A_GB: Final = 10**9

_KINDS: Final[Mapping[Stage, str]] = {"generate": "images", "score": "scores"}
"""Stages whose attempts write down what they take, and the kind of the shards that they make."""

_NOUNS: Final[Mapping[Stage, str]] = {
    "import": "captions",
    "curate": "captions",
    "generate": "images",
    "score": "scores",
    "select": "images looked at",
    "assemble": "pairs",
    "train": "samples",
    "evaluate": "parts",  # a harness with its tasks, with and without images
}
_OPENED_AT_ONCE: Final = 16


def run_cost(store: Store, record: RunRecord) -> RunCost:
    """What a run took.

    Args:
        store: Has the run's shards and its ledger.
        record: The run's record.

    Raises:
        NotFound: A shard is gone.
        DataCorrupt: Stored bytes are damaged.
    """
    usage = run_usage(store, record.run)
    sizes = _sizes(store, record)
    training = None if record.model is None else _training(open_shard(store, record.model))
    stages = []
    for timing in record.stages:
        made = max(0, timing.done - timing.resumed)
        parts: dict[str, int] = {}
        device: float | None = None
        tokens: int | None = None
        if timing.stage in _KINDS:
            taken = usage.of(_KINDS[timing.stage])
            made = max(made, taken.made)
            # A run that has made something and written nothing down did not say its name.
            device = taken.device_seconds if taken.attempts or not made else None
        elif timing.stage == "train" and training is not None and timing.done:
            # A training that began before this run was paid for by the run that began it.
            share = made / timing.done
            device, tokens = training.device_seconds * share, round(training.tokens * share)
            parts = {name: round(one * share) for name, one in training.samples.items()}
            made = sum(parts.values())
        elif timing.stage == "evaluate":  # one process on one device, loading included
            device = timing.seconds if made else 0.0
        stages.append(
            StageCost(
                stage=timing.stage,
                seconds=timing.seconds,
                made=made,
                noun=_NOUNS.get(timing.stage, "records"),
                device_seconds=device,
                tokens=tokens,
                bytes=sizes.get(timing.stage, 0),
                compute=_compute(record.prices, timing.stage, device),
                storage=_storage(record.prices, sizes.get(timing.stage, 0)),
                parts=parts,
            )
        )
    return RunCost(stages, record.prices.currency)


def device_use(store: Store, run: str, prices: Prices) -> list[DeviceUse]:
    """What a run's images and scores took so far, also of a run that failed.

    Args:
        store: Has the run's ledger.
        run: The run's name.
        prices: What it is charged for.

    Raises:
        DataCorrupt: An entry of the ledger is damaged.
        Unavailable: The store cannot be reached.
    """
    usage = run_usage(store, run)
    return [
        DeviceUse(
            stage=stage,
            made=taken.made,
            seconds=taken.device_seconds,
            compute=_compute(prices, stage, taken.device_seconds),
        )
        for stage, kind in _KINDS.items()
        if (taken := usage.of(kind)).attempts
    ]


def _sizes(store: Store, record: RunRecord) -> dict[Stage, int]:
    """Bytes of the shards of each stage."""
    shards = record.shards
    refs: list[tuple[Stage, ShardRef]] = [
        *(("import", ref) for ref in record.pool),
        *(("curate", shard.caption_set) for shard in shards),
        *(("generate", shard.image_set) for shard in shards),
        *(("score", shard.score_set) for shard in shards),
        ("select", record.selection),
    ]
    if record.quarantine is not None:
        refs.append(("import", record.quarantine))
    if record.model is not None:
        refs.append(("train", record.model))
    if record.evaluation is not None:
        refs.append(("evaluate", record.evaluation))
    sizes: dict[Stage, int] = dict.fromkeys(_NOUNS, 0)
    with ThreadPoolExecutor(_OPENED_AT_ONCE) as pool:
        opened = pool.map(lambda one: (one[0], _bytes(open_shard(store, one[1]))), refs)
        for stage, size in opened:
            sizes[stage] += size
    return sizes | {"assemble": record.version.bytes}


def _bytes(shard: Shard) -> int:
    return sum(entry.size for entry in shard.manifest.files)


@dataclass(frozen=True)
class _Training:
    device_seconds: float
    tokens: int
    samples: dict[str, int]


def _training(model: Shard) -> _Training | None:
    """What a training took from its beginning, its earlier attempts included.

    Saving and loading are left out: the curve has the time of steps.
    """
    details = model.manifest.details.get("stages")
    if not details:
        return None
    path = f"{model.ref.path}/{THROUGHPUT_FILE}"
    try:
        lines = model.store.read(path).decode().splitlines()
    except NotFound:
        return None
    seconds = 0.0
    try:
        stages = {stage["stage"]: stage for stage in details}
        points = [json.loads(line) for line in lines]
        for before, point in pairwise([None, *points]):
            stage = stages[point["stage"]]
            same = before is not None and before["stage"] == point["stage"]
            steps = point["step"] - (before["step"] if same else 0)
            samples = steps * stage["samples"] / stage["steps"]
            seconds += samples / point["samples_per_second"] * point["processes"]
        tokens = sum(stage["tokens"] for stage in stages.values())
        samples = {name: int(stage["samples"]) for name, stage in stages.items()}
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise DataCorrupt(f"{path} in {model.store.uri} is damaged; delete it") from error
    return _Training(seconds, tokens, samples)


def _compute(prices: Prices, stage: Stage, seconds: float | None) -> float | None:
    price = prices.of_gpu_hour(stage)
    if price is None or seconds is None:
        return None
    return seconds / SECONDS_AN_HOUR * price


def _storage(prices: Prices, size: int) -> float | None:
    return None if prices.gb_month is None else size / BYTES_A_GB * prices.gb_month
