"""The paper's experiment in small: which data makes the better model, and why.

    python -m benchmarks.reproduce --home build/reproduce --out docs/reproduce

Trains and evaluates a model for each arm and seed. What is finished is found again: after a kill,
or when the time is over, the same command goes on.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final

from benchmarks.reproduce.arms import Seed
from benchmarks.reproduce.cells import Cell, CellWork
from benchmarks.reproduce.design import ARMS, Design
from benchmarks.reproduce.pages import plot, table
from benchmarks.reproduce.pools import make_pool
from benchmarks.reproduce.summary import (
    arm_figures,
    claim_figures,
    of_finished_seeds,
    read_answers,
)
from synthvlm.atomic_files import write_atomically
from synthvlm.storage import Store, file_location, open_store
from synthvlm.training.request import DatasetVersion, TrainingRequest

UNFINISHED_STATUS: Final = 3
"""Exit status when the time is over before the experiment is."""

LEAST_SEEDS: Final = 2
"""Fewer have no interval."""


class Experiment:
    """The experiment in a home.

    Args:
        home: Where pools, models and results are kept.
        design: Its sizes.
        seconds: Time after which no cell is begun that would end later.
        workers: Cells at a time, each on a core.
    """

    def __init__(self, home: Path, design: Design, seconds: float, workers: int) -> None:
        self._home = home
        self._design = design
        self._began = time.monotonic()
        self._seconds = seconds
        self._workers = workers
        self._longest = 0.0
        self.store: Store = open_store(file_location(home / "store"))
        self.cells: list[Cell] = []

    def run(self) -> bool:
        """Makes all cells, or as many as there is time for; returns whether all are made."""
        running: dict[Future[tuple[Cell, float]], CellWork] = {}
        with ThreadPoolExecutor(self._workers) as pool:
            for work in self._works():
                found = work.find()
                if found is not None:
                    self.cells.append(found)
                    continue
                while len(running) >= self._workers:
                    self._take(running)
                if self._elapsed + self._longest > self._seconds:
                    break
                running[pool.submit(_timed, work)] = work
            while running:
                self._take(running)
        return len(self.cells) == len(self._design.cells)

    def _works(self) -> Iterator[CellWork]:
        for seed in range(self._design.seeds):
            curated, uncurated = (
                make_pool(self._home, self.store, self._design, seed, curated=is_curated)
                for is_curated in (True, False)
            )
            of = Seed(self.store, self._design, seed, curated, uncurated)
            for arm in ARMS:
                yield CellWork(of, arm, of.version(arm))

    def _take(self, running: dict[Future[tuple[Cell, float]], CellWork]) -> None:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            del running[future]
            cell, seconds = future.result()
            self._longest = max(self._longest, seconds)
            self.cells.append(cell)
            left = len(self._design.cells) - len(self.cells)
            print(
                f"{cell.arm} {cell.seed}: {seconds:.0f} s; {left} of {len(self._design.cells)} "
                f"cells left, about {left * seconds / self._workers / 60:.0f} minutes",
                flush=True,
            )

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._began


def _timed(work: CellWork) -> tuple[Cell, float]:
    began = time.monotonic()
    return work.make(), time.monotonic() - began


def estimate(design: Design, workers: int) -> float:
    """Hours, by the step costs that were measured."""
    nothing = DatasetVersion(store="", path="", digest=f"sha256:{'0' * 64}")
    settings = TrainingRequest(dataset=nothing, store="", training=design.training).settings()
    steps = settings.pretrain.steps, settings.finetune.steps
    if steps[0] is None or steps[1] is None:
        raise ValueError("arms of different sizes are comparable only with training.*.steps")
    return design.core_seconds(steps[0], steps[1]) / workers / 3600


def write_pages(experiment: Experiment, design: Design, out: Path) -> None:
    """Writes ``table.md`` and ``plot.svg`` of the seeds that are finished, two of them at least."""
    cells = of_finished_seeds(experiment.cells)
    seeds = len({cell.seed for cell in cells})
    if seeds < LEAST_SEEDS:
        print(f"a table takes {LEAST_SEEDS} finished seeds; there are {seeds}")
        return
    answers = read_answers(experiment.store, cells)
    claims = claim_figures(answers)
    arms = [arm_figures(arm, cells, answers) for arm in ARMS]
    out.mkdir(parents=True, exist_ok=True)
    text = table(design, arms, claims, cells)
    write_atomically(out / "table.md", text)
    write_atomically(out / "plot.svg", plot(claims))
    print(text)


def main() -> int:
    """Runs the experiment; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--home", type=Path, default=Path("build/reproduce"))
    parser.add_argument("--out", type=Path, default=Path("docs/reproduce"))
    parser.add_argument("--design", type=Path, help="YAML with other sizes")
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--workers", type=int, default=2, help="cells at a time, each on a core")
    parser.add_argument("--estimate", action="store_true", help="tell how long it takes, and end")
    options = parser.parse_args()
    design = Design.read(options.design)
    hours = estimate(design, options.workers)
    print(f"{len(design.cells)} cells, about {hours:.1f} hours on {options.workers} free cores")
    if options.estimate:
        return 0
    if hours > options.hours:
        print(f"that is more than --hours {options.hours:g}: the same command goes on afterwards")
    home = options.home.resolve()
    experiment = Experiment(home, design, options.hours * 3600, options.workers)
    is_finished = experiment.run()
    write_pages(experiment, design, options.out)
    if not is_finished:
        print(f"the time is over with {len(experiment.cells)} of {len(design.cells)} cells")
    return 0 if is_finished else UNFINISHED_STATUS


if __name__ == "__main__":
    sys.exit(main())
