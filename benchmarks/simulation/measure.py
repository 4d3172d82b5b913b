"""One run of the simulation, and what it took."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.simulation.captions import write_captions
from benchmarks.simulation.processes import PeakMemory
from benchmarks.simulation.services import Simulated, simulated_services, write_profile
from synthvlm.local.home import Home


@dataclass(frozen=True)
class Setting:
    """What a run of the simulation is asked to do."""

    captions: int
    repeats: int
    shard_size: int
    seconds_per_image: float
    top_fraction: float


@dataclass(frozen=True)
class Measured:
    """What a run took.

    Attributes:
        setting: What was asked for.
        seconds: The whole command.
        stages: Seconds in which each stage had work.
        step_seconds: Time of all steps of a stage added up, their start left out.
        memory_mib: Peak memory by process.
        operations: Store operations by service and kind.
        store_bytes: Bytes read and written by service.
        objects: Objects in the store, by the first folder of their paths.
        stored: Their bytes.
        rows: Rows of the databases by table.
        files: Bytes of what the run itself writes down: arguments, events, record, report, KFP's.
    """

    setting: Setting
    seconds: float
    images: int
    selected: int
    stages: dict[str, float]
    step_seconds: dict[str, float]
    memory_mib: dict[str, float]
    operations: dict[str, dict[str, float]]
    store_bytes: dict[str, dict[str, float]]
    objects: dict[str, int]
    stored: dict[str, int]
    rows: dict[str, int]
    files: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def of(cls, content: dict[str, Any]) -> "Measured":
        """What ``to_json`` gave."""
        return cls(**{**content, "setting": Setting(**content["setting"])})


def measure(folder: Path, setting: Setting) -> Measured:
    """Runs the pipeline on captions of the simulation, in a home of its own.

    Raises:
        SystemExit: The run failed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    home, profile, captions = Home(folder / "home"), folder / "sim.yaml", folder / "captions.jsonl"
    write_profile(profile)
    write_captions(captions, setting.captions)
    with simulated_services(home, profile, setting.seconds_per_image) as services:
        begin = time.monotonic()
        peaks = _run(home, profile, captions, setting)
        seconds = time.monotonic() - begin
        return _measured(home, setting, services, seconds, peaks)


def _run(home: Home, profile: Path, captions: Path, setting: Setting) -> dict[str, float]:
    command = [
        *(sys.executable, "-m", "synthvlm.cli", "--home", str(home.root), "run"),
        *("--captions", str(captions), "--name", "simulated", "--profile", str(profile), "--json"),
        *("--repeat", str(setting.repeats), "--shard-size", str(setting.shard_size)),
        *("--top-fraction", str(setting.top_fraction)),
    ]
    errors = home.root / "run.err"
    with errors.open("wb") as told:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=told)
        try:
            with PeakMemory(process.pid) as peaks:
                process.wait()
        finally:
            process.terminate()
    if process.returncode:
        raise SystemExit(f"the run failed, see {errors}: {errors.read_text()[-2000:]}")
    return peaks.mib


def _measured(
    home: Home, setting: Setting, services: Simulated, seconds: float, peaks: dict[str, float]
) -> Measured:
    (run,) = home.runs.iterdir()
    record = json.loads((run / "record.json").read_text())
    steps: Counter[str] = Counter()
    for line in (run / "progress.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["state"] == "finished":
            steps[event["stage"]] += event["seconds"]
    sizes = {file: file.stat().st_size for file in home.store.rglob("*") if file.is_file()}
    objects: Counter[str] = Counter()
    stored: Counter[str] = Counter()
    for file, size in sizes.items():
        kind = file.relative_to(home.store).parts[0]
        objects[kind] += 1
        stored[kind] += size
    return Measured(
        setting=setting,
        seconds=seconds,
        images=sum(shard["image_set"]["records"] for shard in record["shards"]),
        selected=record["version"]["pairs"],
        stages={stage["stage"]: stage["seconds"] for stage in record["stages"]},
        step_seconds=dict(steps),
        memory_mib={**services.peaks(), **peaks},
        operations=services.counted("synthvlm_store_operations", "operation"),
        store_bytes=services.counted("synthvlm_store_bytes", "direction"),
        objects=dict(objects),
        stored=dict(stored),
        rows=_rows(home.catalogue) | _rows(home.reuse_index),
        files={
            **{file.name: file.stat().st_size for file in run.iterdir() if file.is_file()},
            "kfp": sum(file.stat().st_size for file in (run / "kfp").rglob("*") if file.is_file()),
            "catalogue.sqlite": home.catalogue.stat().st_size,
            "reuse.sqlite": home.reuse_index.stat().st_size,
        },
    )


def _rows(database: Path) -> dict[str, int]:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        names = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if not name.startswith(("sqlite_", "alembic")) and "version" not in name.split("_")[-1:]
        ]
        counted = {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for name in names
        }
    finally:
        connection.close()
    return counted
