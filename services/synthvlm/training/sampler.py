"""The order of samples: one global position is its whole state.

A run reads one stream of samples, epoch after epoch, each epoch in an order of its own that
depends on the seed alone. Step ``k`` takes the samples at the positions from ``k * global_batch``
on, however many processes share them and however many workers read them: so a run can go on from
any position, on another number of machines, without reading what it passes over.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from synthvlm.errors import InvalidInput

WINDOW: Final = 50
"""Global batches among which samples are sorted by length."""

_Indices = npt.NDArray[np.int64]


class GlobalOrder(Sampler[int]):
    """The samples of a run from a position on.

    Iterating does not move the position: what loaders have read ahead has not been trained on. Who
    trains says so by ``advance``.

    Args:
        length: Samples in the data set.
        seed: Decides the order.
        global_batch: Samples in each step, of all processes together.
        position: Samples that were trained on before.
        end: Samples of the whole run; None: one epoch, and as many more samples of the next as its
            last step needs.
        lengths: About how long each sample is, in any unit: those of similar length then share a
            step, which saves padding. None: in no order.
        groups: Number of the kind of each sample: a step takes samples of one kind, but for
            the last ones of an epoch. None: all are of one kind.
        window: Global batches among which samples are sorted by length.

    Raises:
        InvalidInput: A number is out of its range.
    """

    def __init__(
        self,
        length: int,
        seed: int,
        global_batch: int,
        position: int = 0,
        *,
        end: int | None = None,
        lengths: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
        window: int = WINDOW,
    ) -> None:
        if length < 1 or global_batch < 1 or window < 1:
            raise InvalidInput("an order needs samples, a global batch and a window of 1 or more")
        self.length = length
        self.seed = seed
        self.global_batch = global_batch
        self.end = -(-length // global_batch) * global_batch if end is None else end
        self.window = window
        self._lengths = _column("lengths", lengths, length)
        self._groups = _column("groups", groups, length)
        self._epoch = lru_cache(maxsize=2)(self._shuffled)
        self.position = 0
        self._move(position)

    def __len__(self) -> int:
        return self.end - self.position

    def __iter__(self) -> Iterator[int]:
        for position in range(self.position, self.end):
            yield self.index(position)

    def index(self, position: int) -> int:
        """Which sample is at a position of the run."""
        epoch, within = divmod(position, self.length)
        return int(self._epoch(epoch)[within])

    def advance(self, samples: int) -> None:
        """Notes that the next ``samples`` were trained on."""
        self._move(self.position + samples)

    def state_dict(self) -> dict[str, int]:
        """The position, and what a position would mean nothing without."""
        return {
            "position": self.position,
            "length": self.length,
            "seed": self.seed,
            "global_batch": self.global_batch,
            "window": self.window,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes to a position.

        Raises:
            InvalidInput: It is a position in another order.
        """
        own = {name: value for name, value in self.state_dict().items() if name != "position"}
        if other := {name: state.get(name) for name in own if state.get(name) != own[name]}:
            raise InvalidInput(f"the checkpoint is of another order of samples: {other}, not {own}")
        self._move(int(state["position"]))

    def _move(self, position: int) -> None:
        if not 0 <= position <= self.end:
            raise InvalidInput(f"the position {position} is not between 0 and {self.end}")
        self.position = position

    def _shuffled(self, epoch: int) -> _Indices:
        """All samples, in the order of an epoch."""
        rng = np.random.Generator(np.random.PCG64([self.seed, epoch]))
        order: _Indices = rng.permutation(self.length)
        if self._lengths is None and self._groups is None:
            return order
        groups = np.zeros(self.length, np.int64) if self._groups is None else self._groups
        whole, rest = [], []
        for group in np.unique(groups):
            own = self._sorted_in_windows(order[groups[order] == group])
            cut = len(own) - len(own) % self.global_batch
            whole.append(own[:cut].reshape(-1, self.global_batch))
            rest.append(own[cut:])
        batches = rng.permuted(rng.permutation(np.concatenate(whole)), axis=1)
        return np.concatenate([batches.ravel(), *rest])

    def _sorted_in_windows(self, order: _Indices) -> _Indices:
        if self._lengths is None:
            return order
        size = self.window * self.global_batch
        windows = [order[start : start + size] for start in range(0, len(order), size)]
        return np.concatenate(
            [one[np.argsort(self._lengths[one], kind="stable")] for one in windows] or [order]
        )


def _column(name: str, values: npt.ArrayLike | None, length: int) -> _Indices | None:
    if values is None:
        return None
    column = np.asarray(values, np.int64)
    if column.shape != (length,):
        raise InvalidInput(f"{name} has {column.shape} values, not one for each of {length}")
    return column
