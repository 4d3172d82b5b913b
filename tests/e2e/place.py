"""A home for real runs, with captions and a small profile, and the commands that work in it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from synthvlm.local.home import Home
from synthvlm.local.words import WORDS
from synthvlm.profiles import load_profile
from synthvlm_pipelines.events import EventReader, StageEvent

CAPTIONS = [
    "a small red circle to the left of a big blue square on a white background.",
    "a big green triangle above a small yellow circle on a black background.",
    "there is a tiny purple star, and it lies below a large orange square!",
    "two big blue circles, side by side, on a white background.",
    "a large yellow triangle to the right of a small red square; that is all.",
    "here we see a big red star on a black background.",
    "a small blue circle under a big green square, on a white background.",
    "one tiny orange triangle and one large purple circle (nothing else).",
    "a big yellow square above a small green star on a white background.",
    "three small red squares, in a row, on a black background.",
    "a large blue star to the left of a tiny yellow square, on white.",
    "a small purple triangle below a big red circle on a black background.",
]
"""All of them pass the paper's rules."""

ONE_MORE_CAPTION = "a big green star above a small red circle on a white background."

STAGE_SECONDS = 240


class RunEvents:
    """The events of the next run that begins in a home."""

    def __init__(self, home: Home) -> None:
        self._runs = home.runs
        self._known = set(home.runs.glob("*"))
        self._reader: EventReader | None = None

    def new(self) -> list[StageEvent]:
        """The events since the last call; none before the run begins."""
        if self._reader is None:
            fresh = set(self._runs.glob("*")) - self._known
            if not fresh:
                return []
            self._reader = EventReader(fresh.pop() / "progress.jsonl")
        return list(self._reader.new())


@dataclass
class Place:
    """A home, the profile used in it, and the captions."""

    home: Home
    profile: Path
    captions: Path
    shard_size: int

    def run_command(self, *more: str) -> list[str]:
        return [
            *("run", "--captions", str(self.captions), "--name", "scenes", "--repeat", "2"),
            *("--top-fraction", "1", "--seed", "7", "--shard-size", str(self.shard_size)),
            *("--profile", str(self.profile), "--json", *more),
        ]

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "synthvlm.cli", "--home", str(self.home.root), *arguments],
            env={**os.environ, "TERM": "dumb"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *arguments: str, status: int = 0) -> tuple[str, str]:
        process = self.start(*arguments)
        out, err = process.communicate()
        assert process.returncode == status, f"{arguments} ended with {process.returncode}: {err}"
        return out, err

    def json(self, *arguments: str) -> Any:
        out, _ = self.call(*arguments)
        return json.loads(out)

    def make(self, *more: str) -> dict[str, Any]:
        out, _ = self.call(*self.run_command(*more))
        return last_line(out)

    @contextmanager
    def services_up(self) -> Iterator[None]:
        """``synthvlm up``, ended at the end of the context; its services have ended too by then."""
        process = self.start("up", "--profile", str(self.profile), "--json")
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        assert set(json.loads(line)["services"]) == set(WORDS)
        pids = self.service_pids()
        try:
            yield
        finally:
            process.terminate()
            _, err = process.communicate()
        assert process.returncode == 0, err
        assert not any(psutil.pid_exists(pid) for pid in pids.values())
        assert not self.home.services_file.exists()

    def service_pids(self) -> dict[str, int]:
        running = json.loads(self.home.services_file.read_text())["running"]
        return {word: entry["pid"] for word, entry in running.items()}

    def wait_for(self, condition: Callable[[StageEvent], bool]) -> None:
        """Waits for an event of the run that has begun last."""
        events = RunEvents(self.home)
        deadline = time.monotonic() + STAGE_SECONDS
        while time.monotonic() < deadline:
            if any(condition(event) for event in events.new()):
                return
            time.sleep(0.01)
        raise AssertionError("the event did not come")

    def pairs(self, folder: Path) -> list[dict[str, Any]]:
        self.call("datasets", "export", "scenes", "--format", "llava", "--to", str(folder))
        pairs: list[dict[str, Any]] = json.loads((folder / "dataset.json").read_text())
        return pairs


def last_line(out: str) -> dict[str, Any]:
    """What a run with ``--json`` says."""
    answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    return answer


def place_in(
    folder: Path,
    captions: Sequence[str] = CAPTIONS,
    shard_size: int = 6,
    changes: dict[str, dict[str, Any]] | None = None,
) -> Place:
    """A home with a profile that is ``mini`` with fewer steps, smaller batches, one trainer.

    Args:
        folder: Where the home, the profile and the caption file are put.
        captions: The captions.
        shard_size: Captions per shard.
        changes: Further settings of the profile, by section.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sections = load_profile("mini").sections
    sections["generation"] |= {"steps": 6, "batch_size": 4}
    sections["training"]["processes"] = 1  # two are started in tests/training/test_launch.py
    for stage in ("pretrain", "finetune"):
        sections["training"][stage]["steps"] = 3
    sections["evaluation"]["scenes"] |= {"scenes": 12, "texts": 6}
    for section, settings in (changes or {}).items():
        sections[section] |= settings
    profile = folder / "quick.yaml"
    profile.write_text(yaml.safe_dump(sections))
    file = folder / "captions.jsonl"
    records = [{"id": number, "caption": text} for number, text in enumerate(captions)]
    file.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return Place(Home(folder / "home"), profile, file, shard_size)
