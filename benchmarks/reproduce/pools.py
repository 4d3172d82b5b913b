"""Pools: captions, images and scores that the arms choose from, made by ``synthvlm run``."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.reproduce.design import Design
from synthvlm.dataset.chains import ShardChain
from synthvlm.model_folders import model_digest, resolve_model
from synthvlm.profiles import load_profile
from synthvlm.report.record import RunRecord
from synthvlm.report.write import RECORD_FILE
from synthvlm.scenes.files import write_captions
from synthvlm.storage import Commit, ShardKey, Store, open_shard

KIND: Final = "pools"
CODE_VERSION: Final = 1
"""Raised whenever this code makes another pool of the same design."""

FLAWED: Final = 0.15
"""Share of the captions that are bad on purpose, which curation is to find."""

_KEEP_ALL: Final = "process:\n  - text_length_filter: {min_len: 1}\n"


@dataclass(frozen=True)
class Pool:
    """What a run has left.

    Attributes:
        chains: Its captions, images and scores.
        captions: Captions that curation kept.
    """

    chains: list[ShardChain]
    captions: int


def make_pool(home: Path, store: Store, design: Design, seed: int, *, curated: bool) -> Pool:
    """Makes a pool, or finds it made. A run that was killed goes on where it was.

    Args:
        home: The home of the run's services.
        store: The home's store.
        design: Sizes, and how images are made.
        seed: Decides the captions and their images.
        curated: Whether bad captions are left out.

    Raises:
        CalledProcessError: The run failed; it has told why.
    """
    profile = _profile(design)
    configuration = {
        "profile": profile,
        "captions": design.captions,
        "repeats": design.repeats,
        "seed": seed,
        "curated": curated,
    }
    models = profile["generation"]["pipeline"]["model"], profile["alignment"]["model"]
    digest = model_digest(*map(resolve_model, models))
    commit = Commit(store, ShardKey(KIND, {}, configuration, digest, CODE_VERSION))
    if (ref := commit.find()) is None:
        made = _run(home, design, profile, seed, curated=curated)
        ref = commit.finish({RECORD_FILE: made}, records=1)
    record = RunRecord.model_validate_json(open_shard(store, ref).read(RECORD_FILE))
    chains = [
        ShardChain(shard.caption_set, shard.image_set, shard.score_set) for shard in record.shards
    ]
    return Pool(chains, sum(chain.caption_set.records for chain in chains))


def _profile(design: Design) -> dict[str, Any]:
    """The profile ``mini``, with images that are often wrong."""
    mini = load_profile("mini")
    sections = {name: mini.section(name) for name in ("caption", "generation", "alignment")}
    pipeline = {**sections["generation"]["pipeline"]}
    pipeline.pop("refiner", None)
    sections["generation"] = {
        **sections["generation"],
        "pipeline": pipeline,
        "steps": design.image_steps,
        "guidance_scale": design.guidance_scale,
    }
    sections["generation"].pop("high_noise_fraction", None)
    return sections


def _run(home: Path, design: Design, profile: dict[str, Any], seed: int, *, curated: bool) -> bytes:
    name = f"{'curated' if curated else 'uncurated'}-{seed}"
    folder = home / "pools"
    folder.mkdir(parents=True, exist_ok=True)
    captions = folder / f"captions-{seed}.jsonl"
    write_captions(seed, design.captions, FLAWED, captions)
    file = folder / f"{name}-profile.yaml"
    file.write_text(yaml.safe_dump(profile), encoding="utf-8")
    command = [sys.executable, "-m", "synthvlm.cli", "--home", str(home), "run", "--json"]
    command += ["--profile", str(file), "--captions", str(captions), "--name", name]
    command += ["--repeat", str(design.repeats), "--top-fraction", str(design.fraction)]
    command += ["--seed", str(seed)]
    if not curated:
        recipe = folder / "keep-all.yaml"
        recipe.write_text(_KEEP_ALL, encoding="utf-8")
        command += ["--recipe", str(recipe)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(ended.stdout.splitlines()[-1])
    return Path(told["report"]).with_name(RECORD_FILE).read_bytes()
