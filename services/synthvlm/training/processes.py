"""The processes that train together, as ``torch.distributed.run`` starts them."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object
from transformers.utils.logging import disable_progress_bar

from synthvlm.training.settings import TrainingSettings

STOPPED_STATUS = 128 + signal.SIGTERM
"""Exit status after SIGTERM: a checkpoint is committed, and the same command goes on from it."""

_PATIENCE = timedelta(hours=2)
"""How long processes wait for one another: as long as it takes to store a large checkpoint."""


class Processes:
    """This process and those beside it.

    Args:
        settings: Decides device and threads. Without ``torch.distributed.run`` it is one process.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        torch.set_num_threads(settings.threads)
        # Else accelerate takes all cores, here and again whenever arguments of Trainer are made.
        os.environ["OMP_NUM_THREADS"] = str(settings.threads)
        disable_progress_bar()
        self._state = PartialState(cpu=settings.device == "cpu", timeout=_PATIENCE)
        self.count: int = self._state.num_processes
        self.rank: int = self._state.process_index
        self.is_first: bool = self._state.is_main_process
        self.is_first_here: bool = self._state.is_local_main_process
        self.device: torch.device = self._state.device
        self._node = os.environ.get("GROUP_RANK", "0")

    def wait(self) -> None:
        """Waits until all processes are here."""
        self._state.wait_for_everyone()

    def from_first(self, value: Any) -> Any:
        """What the first process gives, in all of them."""
        if self.count == 1:
            return value
        values = [value]
        broadcast_object_list(values, from_process=0)
        return values[0]

    def from_all(self, value: Any) -> list[Any]:
        """What each process gives, in order of rank, in all of them."""
        return [value] if self.count == 1 else list(gather_object([value]))

    def any(self, value: bool) -> bool:
        """Whether it is so in any process."""
        if self.count == 1:
            return value
        flag = torch.tensor(int(value), device=self.device)
        torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
        return bool(flag.item())

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A temporary folder of this machine, the same in all of its processes."""
        with tempfile.TemporaryDirectory(prefix="synthvlm-training-") as own:
            offered = self.from_all((self._node, self.is_first_here, own))
            shared = next(path for node, first, path in offered if first and node == self._node)
            yield Path(shared)
            self.wait()  # before the first process removes it

    def end(self) -> None:
        """Leaves the group in good order."""
        self._state.destroy_process_group()


class StopSignal:
    """Takes note of SIGTERM, which a machine gets that is about to be taken away.

    Each process gets it at its own time, so they have to agree before they act on it
    (``Processes.any``).
    """

    def __init__(self) -> None:
        self.is_set = False

    def install(self) -> None:
        """From now on the signal does no more than to be noted."""
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.is_set = True
