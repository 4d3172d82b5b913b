"""Several samples in one row: which go together, and who sees whom."""

from collections.abc import Sequence

import torch


def rows(lengths: Sequence[int], row_length: int) -> list[list[int]]:
    """Which samples share a row: each goes into the first row that still has room.

    Args:
        lengths: Tokens of each sample.
        row_length: Tokens that a row has room for; a longer sample gets a row of its own.

    Returns:
        Indices of the samples of each row.
    """
    packed: list[list[int]] = []
    room: list[int] = []
    for index, length in enumerate(lengths):
        row = next((row for row, left in enumerate(room) if length <= left), len(packed))
        if row == len(packed):
            packed.append([])
            room.append(row_length)
        packed[row].append(index)
        room[row] -= length
    return packed


def visible(samples: torch.Tensor, parts: torch.Tensor) -> torch.Tensor:
    """The mask of attention for rows of several samples.

    A token sees itself and those before it of its own sample: of its own part, and of part 0, which
    all parts share.

    Args:
        samples: Number of each token's sample within its row, int64 (rows, length); padding has a
            number of its own.
        parts: Number of each token's part within its sample, of the same shape.

    Returns:
        Bool (rows, 1, length, length), true where the token of the third dimension sees that of the
        fourth.
    """
    same_sample = samples[:, :, None] == samples[:, None, :]
    same_part = (parts[:, :, None] == parts[:, None, :]) | (parts[:, None, :] == 0)
    length = samples.shape[1]
    earlier = torch.ones(length, length, dtype=torch.bool, device=samples.device).tril()
    return (same_sample & same_part & earlier)[:, None]
