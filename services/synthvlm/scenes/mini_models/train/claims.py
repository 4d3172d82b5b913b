"""What a caption claims, as class numbers that a linear head can learn to read off a vector.

Text encoders have to learn the language somewhere: real SDXL takes two from CLIP; those of
mini-sdxl, which never see an image, learn to say from one vector what a caption claims.
"""

import random
from collections.abc import Sequence
from typing import Final

import torch
from torch import nn
from torch.nn import functional

from synthvlm.scenes.captions import meaning_of
from synthvlm.scenes.grammar import Group, Meaning
from synthvlm.scenes.world import (
    BACKGROUNDS,
    COLOURS,
    OPPOSITE,
    PLACES,
    RADII,
    RELATIONS,
    SHAPES,
    Scene,
)

_COLOURS: Final = (None, *COLOURS)
_SHAPES: Final = (None, *SHAPES)
_SIZES: Final = (None, *RADII)
_RELATIONS: Final = (None, *RELATIONS)
_PLACES: Final = (None, *PLACES)
_BACKGROUNDS: Final = (None, *BACKGROUNDS)
_COUNTS: Final = (0, 1, 2, 3, 4)
# Things by the order in which they are named, then by the side on which they lie.
SLOTS: Final = ("first", "second", *RELATIONS)

CLASSES: Final[tuple[int, ...]] = (
    len(_RELATIONS),
    len(_PLACES),
    len(_BACKGROUNDS),
    len(_COUNTS),
    len(_COUNTS),
) + (len(_COLOURS), len(_SHAPES), len(_SIZES)) * len(SLOTS)
"""Number of classes of each claim; class 0 stands for what is not said."""


def claims_of(meaning: Meaning) -> list[int]:
    """Class numbers of what ``meaning`` claims, one for every entry of ``CLASSES``."""
    first = meaning.groups[0]
    second = meaning.groups[1] if len(meaning.groups) > 1 else None
    slots: dict[str, Group | None] = dict.fromkeys(SLOTS)
    slots |= {"first": first, "second": second}
    if meaning.relation is not None:
        slots |= {meaning.relation: first, OPPOSITE[meaning.relation]: second}
    claims = [
        _RELATIONS.index(meaning.relation),
        _PLACES.index(meaning.place),
        _BACKGROUNDS.index(meaning.background),
        first.count,
        second.count if second else 0,
    ]
    for group in slots.values():
        claims += [
            _COLOURS.index(group.colour if group else None),
            _SHAPES.index(group.shape if group else None),
            _SIZES.index(group.size if group else None),
        ]
    return claims


def claims_of_scene(scene: Scene) -> list[int]:
    """Class numbers of what a full caption of ``scene`` would claim.

    What depends on the order in which two kinds of things are named is -1: ignored.
    """
    claims = claims_of(meaning_of(scene, random.Random(0), detail=3))
    if len({(t.colour, t.shape, t.size) for t in scene.things}) > 1:
        by_order = [0, 3, 4, *range(5, 5 + 3 * 2)]
        claims = [-1 if i in by_order else c for i, c in enumerate(claims)]
    return claims


class ClaimHead(nn.Module):
    """Reads all claims off vectors of ``width`` with one linear layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, sum(CLASSES))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Logits of every claim, each (n, its classes), for vectors (n, width)."""
        return torch.split(self.linear(x), CLASSES, dim=-1)


def claim_loss(logits: Sequence[torch.Tensor], claims: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over claims (n, len(CLASSES)); claims of -1 are ignored."""
    losses = [
        functional.cross_entropy(x.float(), claims[:, i], ignore_index=-1, reduction="sum")
        for i, x in enumerate(logits)
    ]
    return torch.stack(losses).sum() / (claims >= 0).sum()


def claim_accuracy(logits: Sequence[torch.Tensor], claims: torch.Tensor) -> float:
    """Share of captions whose claims (n, len(CLASSES)) are all read correctly."""
    right = torch.stack([x.argmax(-1) == claims[:, i] for i, x in enumerate(logits)], -1)
    return (right | (claims < 0)).all(-1).float().mean().item()
