"""Trains mini-llm on captions and conversations.

Every lesson is drawn once and never seen again: there are many scenes, and text is quickly made.
"""

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from synthvlm.scenes.mini_models.architectures import make_llm, save_llm
from synthvlm.scenes.mini_models.lessons import Turn, sample_lesson, user_text
from synthvlm.scenes.mini_models.llm_tokenizer import CONTEXT, build_llm_tokenizer
from synthvlm.scenes.mini_models.train.export import publish
from synthvlm.scenes.mini_models.train.loop import Training, mixed_precision

CHUNK: Final = 64
"""Batches that are drawn, and sorted by length, together."""


@dataclass(frozen=True)
class Batch:
    """``ids``: int64 (n, longest), padded; ``weights``: float32 (n, longest), 0 where given."""

    ids: torch.Tensor
    weights: torch.Tensor


def encode(
    tokenizer: PreTrainedTokenizerFast, turns: Sequence[Turn]
) -> tuple[list[int], list[float]]:
    """Token ids of a conversation and their weights in the loss, cut to the context."""
    # Without the checks of transformers' own method, which take most of its time.
    encoder = tokenizer.backend_tokenizer
    ids, weights = [tokenizer.bos_token_id], [0.0]
    for turn in turns:
        answer = turn.answer
        if turn.prompt is not None:
            given = encoder.encode(user_text(turn.prompt), add_special_tokens=False).ids
            ids += given
            weights += [0.0] * len(given)
            answer = f" {answer}"
        said = [*encoder.encode(answer, add_special_tokens=False).ids, tokenizer.eos_token_id]
        ids += said
        weights += [turn.weight] * len(said)
    return ids[:CONTEXT], weights[:CONTEXT]


def draw_chunk(
    tokenizer: PreTrainedTokenizerFast, seed: int, rank: int, chunk: int, size: int
) -> list[Batch]:
    """Batches of one worker, each of lessons of similar length, in an order that all workers share.

    In every step the workers' batches are about equally long, so none waits for another.
    """
    rng = random.Random(f"lessons {seed} {rank} {chunk}")
    lessons = sorted(
        (encode(tokenizer, sample_lesson(rng)) for _ in range(CHUNK * size)),
        key=lambda x: len(x[0]),
    )
    batches = []
    for start in range(0, len(lessons), size):
        some = lessons[start : start + size]
        shape = (size, len(some[-1][0]))
        batch = Batch(torch.full(shape, tokenizer.pad_token_id), torch.zeros(shape))
        for row, (ids, weights) in enumerate(some):
            batch.ids[row, : len(ids)] = torch.tensor(ids)
            batch.weights[row, : len(ids)] = torch.tensor(weights)
        batches.append(batch)
    random.Random(f"order {seed} {chunk}").shuffle(batches)
    return batches


def main() -> None:
    """Trains and exports."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--export", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--batch", type=int, default=16, help="of each worker")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokenizer = build_llm_tokenizer()
    model = make_llm(tokenizer)
    training = Training({"llm": model}, args.out, args.steps, args.lr, 0.995)
    batches: list[Batch] = []
    while training.step < args.steps:
        chunk, place = divmod(training.step, CHUNK)
        if place == 0 or not batches:
            batches = draw_chunk(tokenizer, args.seed, training.rank, chunk, args.batch)
        batch = batches[place]
        with mixed_precision():
            logits = model(batch.ids[:, :-1]).logits
        losses = functional.cross_entropy(
            logits.float().flatten(0, 1), batch.ids[:, 1:].flatten(), reduction="none"
        )
        weights = batch.weights[:, 1:].flatten()
        training.update((losses * weights).sum() / weights.sum())
        if training.step % 250 == 0:
            training.save()
    training.save()
    if training.rank != 0:
        return
    final = make_llm(tokenizer)
    final.load_state_dict(training.averaged()["llm"])
    publish(lambda folder: save_llm(folder, final, tokenizer), args.export / "mini-llm")


if __name__ == "__main__":
    main()
