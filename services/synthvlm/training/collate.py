"""Samples become a batch: padded or packed, with pictures where there are some, and counted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import torch
from torch.nn.utils.rnn import pad_sequence

from synthvlm.errors import InvalidInput
from synthvlm.training import packing
from synthvlm.training.conversation import MaskMismatch, MismatchKind
from synthvlm.training.encoder import IGNORED, EncodedSample
from synthvlm.training.images import Aspect, pixel_values

STATISTICS: Final = "statistics"
"""Key of a batch's counts; take it out by ``pop_statistics`` before the model gets the batch."""

_KINDS: Final[tuple[MismatchKind, ...]] = ("layout", "image", "reserved", "boundary", "length")
_COUNTS: Final = ("samples", "images", "tokens", "learnt", "places", "truncated", *_KINDS)


@dataclass
class Statistics:
    """What went into batches.

    Attributes:
        counts: ``samples``, those without a fitting mask included; ``images``; ``tokens``, and
            those ``learnt``; ``places`` in the batches' rows, padding included; samples that were
            ``truncated``; and samples whose mask does not fit, by ``MismatchKind``.
    """

    counts: Counter[str] = field(default_factory=Counter)

    @property
    def padding(self) -> float:
        """Share of the places that are padding, from 0 to 1."""
        places = self.counts["places"]
        return 1 - self.counts["tokens"] / places if places else 0.0

    @property
    def mismatched(self) -> dict[str, int]:
        """Samples that nothing was learnt from, by the kind of the mismatch."""
        return {kind: self.counts[kind] for kind in _KINDS if self.counts[kind]}

    def add(self, other: "Statistics") -> None:
        """Adds another batch, or another process's batches."""
        self.counts.update(other.counts)

    def to_tensor(self) -> torch.Tensor:
        """Int64, one value a count, so that processes can be summed."""
        return torch.tensor([self.counts[name] for name in _COUNTS])

    @classmethod
    def from_tensor(cls, values: torch.Tensor) -> "Statistics":
        """What ``to_tensor`` gave."""
        return cls(Counter(dict(zip(_COUNTS, map(int, values.tolist()), strict=True))))

    def require_few_mismatches(self, share: float) -> None:
        """Returns when at most ``share`` of the samples have a mask that does not fit.

        Raises:
            InvalidInput: There are more.
        """
        total = sum(self.mismatched.values())
        if total > share * self.counts["samples"]:
            kinds = ", ".join(f"{kind} {number}" for kind, number in self.mismatched.items())
            raise InvalidInput(
                f"the loss mask does not fit {total} of {self.counts['samples']} samples ({kinds}),"
                f" more than the share of {share:g} that is allowed; see the log for their ids"
            )


def pop_statistics(batch: dict[str, Any]) -> Statistics:
    """Takes the counts out of a batch."""
    return Statistics.from_tensor(batch.pop(STATISTICS))


class Collator:
    """Makes batches of encoded samples.

    A batch has ``input_ids``, ``labels`` and ``attention_mask``, with ``pixel_values`` where it has
    pictures: text alone costs the tower nothing. ``position_ids``, and a mask of four dimensions,
    where a row has several samples or parts. ``statistics`` has its counts.

    A sample whose mask does not fit keeps its place as a row of which nothing is learnt, so that
    all processes have equally many, and is counted.

    Args:
        pad_token_id: Fills rows up, on the right.
        image_processor: Of the vision tower.
        aspect: What is done with pictures that are not square.
        row_length: Tokens a row when samples are packed; None: a row a sample.
        attention: Implementation of attention in transformers: one takes a mask of four dimensions
            as truths, the other as numbers to add, and neither says when it gets the wrong ones.
    """

    def __init__(
        self,
        pad_token_id: int,
        image_processor: Any,
        aspect: Aspect = "pad",
        row_length: int | None = None,
        attention: Literal["sdpa", "eager"] = "sdpa",
    ) -> None:
        self._pad = pad_token_id
        self._image_processor = image_processor
        self._aspect: Aspect = aspect
        self._row_length = row_length
        self._attention = attention

    def __call__(self, samples: Sequence[EncodedSample | MaskMismatch]) -> dict[str, torch.Tensor]:
        """The batch; its rows and pictures are in the order of the samples, unless packed."""
        encoded = [
            EncodedSample([self._pad], [IGNORED]) if isinstance(one, MaskMismatch) else one
            for one in samples
        ]
        if self._row_length is None:
            rows = [[one] for one in encoded]
        else:
            places = packing.rows([one.length for one in encoded], self._row_length)
            rows = [[encoded[index] for index in row] for row in places]
        batch = {
            "input_ids": self._padded([_joined(row, "input_ids") for row in rows], self._pad),
            "labels": self._padded([_joined(row, "labels") for row in rows], IGNORED),
        }
        batch |= self._masks(rows)
        images = [one.image for row in rows for one in row if one.image is not None]
        if images:
            batch["pixel_values"] = pixel_values(images, self._image_processor, self._aspect)
        batch[STATISTICS] = _statistics(samples, batch, len(images)).to_tensor()
        return batch

    def _masks(self, rows: Sequence[Sequence[EncodedSample]]) -> dict[str, torch.Tensor]:
        numbers = self._padded(
            [[number for number, one in enumerate(row) for _ in one.input_ids] for row in rows], -1
        )
        if all(len(row) == 1 and row[0].parts is None for row in rows):
            return {"attention_mask": (numbers >= 0).long()}
        parts = [[part for one in row for part in one.parts or [0] * one.length] for row in rows]
        positions = [
            [at for one in row for at in one.positions or range(one.length)] for row in rows
        ]
        mask = packing.visible(numbers, self._padded(parts, 0))
        if self._attention == "eager":
            mask = torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)
        return {
            "attention_mask": mask,
            "position_ids": self._padded(positions, 0),
        }

    def _padded(self, rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
        return pad_sequence([torch.tensor(row) for row in rows], True, value)


def _joined(row: Sequence[EncodedSample], name: str) -> list[int]:
    return [value for one in row for value in getattr(one, name)]


def _statistics(
    samples: Sequence[EncodedSample | MaskMismatch], batch: dict[str, torch.Tensor], images: int
) -> Statistics:
    fitting = [one for one in samples if isinstance(one, EncodedSample)]
    counts = Counter[str](one.kind for one in samples if isinstance(one, MaskMismatch))
    counts.update(
        samples=len(samples),
        images=images,
        tokens=sum(one.length for one in fitting),
        learnt=int((batch["labels"] != IGNORED).sum()),
        places=batch["labels"].numel(),
        truncated=sum(one.truncated for one in fitting),
    )
    return Statistics(counts)
