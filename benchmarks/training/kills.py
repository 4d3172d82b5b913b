"""Random kills of a training, and the same request again: is it the same curve and model?

    python -m benchmarks.training.kills --kills 20 --seed 1

Trains the bundled mini models on drawn scenes once, undisturbed. Then, in other stores, the same
request is trained, killed with SIGKILL and trained again, until it ends by itself before it is
killed. Half of the kills come at a random moment, the others in the middle of writing a random file
of a checkpoint or of the model. With --processes 2, every attempt is one of one or two processes.

Losses must be those of the undisturbed training within 1e-4; with one process always, they must be
equal, and the model's digest the same. The exit status is 1 if anything differs.
"""

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from synthvlm.storage import Store, file_location, open_store
from synthvlm.storage.manifest import MANIFEST
from synthvlm.training.checkpoints import KIND as CHECKPOINTS
from synthvlm.training.request import TrainingRequest
from synthvlm.training.samples import VersionLocation
from synthvlm.training.settings import FINETUNE, PRETRAIN
from synthvlm.training.trained import TrainedModel, last_model, open_curve
from tests.training.attempts import Attempt, attempt, tiny_request
from tests.training.versions import drawn_version

STEPS = 24
"""Steps of each stage; every second one ends with a checkpoint."""
TOLERANCE = 1e-4
FILES = 40
"""Files of the next checkpoints among which one is drawn to be killed in."""
SETTINGS = {
    stage: {"steps": STEPS, "global_batch": 4, "micro_batch": 2} for stage in (PRETRAIN, FINETUNE)
}


@dataclass(frozen=True)
class Kill:
    """What a kill hit.

    Attributes:
        training: Number of the training, from 1.
        processes: How many trained together.
        aim: When it came.
        steps: Steps that had been told, of both stages together; -1: none of this attempt.
        is_saving: Whether it left a checkpoint without its manifest.
    """

    training: int
    processes: int
    aim: str
    steps: int
    is_saving: bool

    @property
    def row(self) -> str:
        """A row of the table."""
        where = "loading" if self.steps < 0 else f"after step {self.steps} of {2 * STEPS}"
        saving = "yes" if self.is_saving else "no"
        return f"| {self.training} | {self.processes} | {self.aim} | {where} | {saving} |"


def killed_after(seconds: float, request: TrainingRequest, folder: Path, processes: int) -> Attempt:
    """Trains, and kills all processes after so many seconds."""
    results: list[Attempt] = []
    thread = threading.Thread(target=lambda: results.append(attempt(request, folder, processes)))
    thread.start()
    thread.join(seconds)
    for child in multiprocessing.active_children():
        if child.pid is not None:
            os.kill(child.pid, signal.SIGKILL)
    thread.join()
    return results[0]


def cut_off(store: Store) -> dict[str, int]:
    """Files, with their sizes, of checkpoints that lie there without a manifest."""
    sizes = store.sizes(CHECKPOINTS)
    whole = {name.rpartition("/")[0] for name in sizes if name.endswith(f"/{MANIFEST}")}
    return {name: size for name, size in sizes.items() if name.rpartition("/")[0] not in whole}


def trained_in(store: Store) -> TrainedModel:
    """The model of a training that has ended."""
    model = last_model(store)
    if model is None:
        raise SystemExit(f"there is no model in {store.uri}")
    return model


def losses(store: Store) -> list[float]:
    """The loss of every step."""
    return [point["loss"] for point in open_curve(store, trained_in(store)).to_pylist()]


class Disturbed:
    """Trainings that are killed, each until it ends by itself.

    Args:
        root: Folder for their stores.
        rng: Draws moments, files and numbers of processes.
        processes: At most so many train together.
        seconds: How long an undisturbed training takes.
    """

    def __init__(self, root: Path, rng: random.Random, processes: int, seconds: float) -> None:
        self._root = root
        self._rng = rng
        self._processes = processes
        self._seconds = seconds
        self.kills: list[Kill] = []
        self.trainings = 0

    def train(self, version: VersionLocation, most: int) -> Store:
        """One training, killed until ``most`` kills are done or it ends; returns its store."""
        self.trainings += 1
        store = open_store(file_location(self._root / f"killed-{self.trainings}"))
        request = tiny_request(version, store, **SETTINGS)
        while True:
            processes = self._rng.randint(1, self._processes)
            aim, ended, before = "", Attempt([]), cut_off(store)
            if len(self.kills) >= most:
                ended = attempt(request, self._root, processes)
            elif self._rng.random() < 0.5:
                moment = self._rng.uniform(0, self._seconds)
                aim = f"{moment:.1f} s"
                ended = killed_after(moment, request, self._root, processes)
            else:
                file = self._rng.randrange(FILES)
                aim = f"in file {file}"
                ended = attempt(request, self._root, processes, kill_at_upload=file)
            if -signal.SIGKILL not in ended.statuses:
                break
            steps = max((event.done for event in ended.events), default=-1)
            after = cut_off(store)
            kill = Kill(self.trainings, processes, aim, steps, bool(after) and after != before)
            self.kills.append(kill)
            print(kill.row, flush=True)
        if any(ended.statuses):
            raise SystemExit(f"it ended with {ended.statuses}:\n{ended.output}")
        return store


def main() -> int:
    """Kills, compares, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, choices=(1, 2), default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="synthvlm-kills-") as name:
        root = Path(name)
        version = drawn_version(open_store(file_location(root / "data")), 12)
        # The first loads the libraries, the second is timed.
        for folder in ("first", "undisturbed"):
            began = time.monotonic()
            store = open_store(file_location(root / folder))
            done = attempt(tiny_request(version, store, **SETTINGS), root)
            seconds = time.monotonic() - began
            if any(done.statuses):
                raise SystemExit(done.output)
        wanted, expected = trained_in(store).ref.digest, losses(store)
        print(f"undisturbed: {seconds:.1f} s, {len(expected)} steps, {wanted}", flush=True)
        disturbed = Disturbed(root, random.Random(options.seed), options.processes, seconds)
        worst, problems = 0.0, 0
        while len(disturbed.kills) < options.kills:
            store = disturbed.train(version, options.kills)
            pairs = zip(losses(store), expected, strict=True)
            off = max(abs(one - other) for one, other in pairs)
            is_same = trained_in(store).ref.digest == wanted
            problems += off > TOLERANCE or (options.processes == 1 and not is_same)
            worst = max(worst, off)
        saving = sum(kill.is_saving for kill in disturbed.kills)
        print(
            f"{len(disturbed.kills)} kills in {disturbed.trainings} trainings, {saving} of them "
            f"during saving: {problems} trainings differ; largest difference of a loss {worst:.2g}"
        )
    return int(problems > 0)


if __name__ == "__main__":
    sys.exit(main())
