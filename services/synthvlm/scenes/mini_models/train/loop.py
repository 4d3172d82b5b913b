"""What every training needs: a learning-rate curve, averaged weights, checkpoints, a log."""

import csv
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from synthvlm.atomic_files import atomically_replaced


def bfloat16() -> torch.autocast:
    """bfloat16 where the CPU supports it; emulating it elsewhere would be slow."""
    enabled = torch.cpu._is_avx512_bf16_supported()
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


@contextmanager
def mixed_precision() -> Iterator[None]:
    """For training: ``bfloat16`` with plain attention.

    The backward pass of the fused CPU kernel for attention is slow.
    """
    with sdpa_kernel(SDPBackend.MATH), bfloat16():
        yield


def join_workers() -> tuple[int, int]:
    """Joins the other workers when ``torch.distributed.run`` started this process.

    Two workers of one thread each get more out of two busy cores than one worker of two threads
    that wait for each other after every operation.

    Returns:
        This worker's rank, and how many there are.
    """
    if "WORLD_SIZE" not in os.environ:
        return 0, 1
    dist.init_process_group("gloo")
    return dist.get_rank(), dist.get_world_size()


class Training:
    """State of one training, saved as a whole so that an interrupted one resumes where it was.

    Args:
        modules: The modules to train, by name.
        out: Folder of the checkpoint and of ``log.csv``.
        steps: Length of the training.
        lr: Peak learning rate of a one-cycle curve (5% warm-up, cosine to zero).
        decay: Of the exponential moving average of the weights.
        optimizers: What updates the parameters; each group's rate is then its own peak, in place of
            ``lr``. AdamW for all of them when empty.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        out: Path,
        steps: int,
        lr: float,
        decay: float,
        optimizers: Sequence[torch.optim.Optimizer] = (),
    ) -> None:
        self.modules = dict(modules)
        self.out = out
        self.steps = steps
        self.lr = lr
        self.decay = decay
        self.step = 0
        self.rank, self.workers = join_workers()
        self.parameters = [p for m in self.modules.values() for p in m.parameters()]
        self.average = [p.detach().clone() for p in self.parameters]
        self.optimizers = list(optimizers) or [
            torch.optim.AdamW(self.parameters, lr, betas=(0.9, 0.98), weight_decay=0.01)
        ]
        for group in self._groups():
            group["peak"] = group["lr"]
        self.running: float | None = None
        self._began = time.monotonic()
        out.mkdir(parents=True, exist_ok=True)
        if (out / "checkpoint.pt").exists():
            self._load(torch.load(out / "checkpoint.pt"))

    def update(self, loss: torch.Tensor) -> None:
        """One optimiser step on ``loss``; then the average follows, and the log now and then."""
        part = self._part_of_peak()
        for group in self._groups():
            group["lr"] = group["peak"] * part
        loss.backward()
        self._share_gradients()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        # A young average must forget the random start quickly.
        keep = min(self.decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.parameters, 1 - keep)
        value = loss.item()
        self.running = value if self.running is None else 0.98 * self.running + 0.02 * value
        self.step += 1
        if self.step % 50 == 0 and self.rank == 0:
            self._log(self.lr * part)

    def averaged(self) -> dict[str, dict[str, torch.Tensor]]:
        """State dictionaries of the modules with averaged weights, by the modules' names."""
        smooth = {id(p): a for p, a in zip(self.parameters, self.average, strict=True)}
        states = {}
        for name, module in self.modules.items():
            state = {k: v.clone() for k, v in module.state_dict().items()}
            # A tensor that two names share must be replaced under both.
            named = module.named_parameters(remove_duplicate=False)
            state.update({k: smooth[id(p)].clone() for k, p in named})
            states[name] = state
        return states

    def save(self) -> None:
        """Writes the checkpoint; a reader sees the old or the new one, never half of one."""
        if self.rank != 0:
            return
        state = {
            "step": self.step,
            "modules": {k: m.state_dict() for k, m in self.modules.items()},
            "average": self.average,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "running": self.running,
        }
        with atomically_replaced(self.out / "checkpoint.pt") as fresh:
            torch.save(state, fresh)

    def _share_gradients(self) -> None:
        """Averages the gradients over the workers, which therefore stay equal."""
        if self.workers == 1:
            return
        grads = [p.grad for p in self.parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in grads])
        dist.all_reduce(flat)
        flat /= self.workers
        averages = flat.split([g.numel() for g in grads])
        for grad, average in zip(grads, averages, strict=True):
            grad.copy_(average.view_as(grad))

    def _load(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.running = state["running"]
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        self.average = state["average"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)

    def _groups(self) -> Iterator[dict[str, Any]]:
        for optimizer in self.optimizers:
            yield from optimizer.param_groups

    def _part_of_peak(self) -> float:
        warm = max(1, self.steps // 20)
        if self.step < warm:
            return (self.step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (self.step - warm) / (self.steps - warm)))

    def _log(self, rate: float) -> None:
        seconds = round(time.monotonic() - self._began, 1)
        row: Iterable[object] = (self.step, f"{self.running:.5f}", f"{rate:.2e}", seconds)
        new = not (self.out / "log.csv").exists()
        with (self.out / "log.csv").open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(("step", "loss", "lr", "seconds"))
            writer.writerow(row)
        print(*row, flush=True)
