"""Lessons in rows of one length, side by side, so that no token of a row is lost to padding.

What two conversations have in common, the caption that they are about, is read once. A mask keeps
them from seeing each other and their positions begin anew, so each is learnt as if it stood alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from transformers import PreTrainedTokenizerFast

from synthvlm.scenes.mini_models.lessons import USER, Turn, about, user_text
from synthvlm.scenes.mini_models.train.curriculum import Lesson

Weighed = list[tuple[int, float]]
"""Tokens with their weights in the loss."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A lesson in tokens: what its conversations have in common, and how each goes on.

    ``evidence`` has a tuple for each conversation of a lesson in binding: where in the conversation
    its first answer is decided, where in it the thing is named, and where in what is shared.
    ``linked`` are two places in what is shared.
    """

    shared: Weighed
    conversations: list[Weighed]
    evidence: list[tuple[int, int, int]] = field(default_factory=list)
    linked: tuple[int, int] | None = None


@dataclass(frozen=True)
class Batch:
    """Rows of packed lessons, all of one length.

    ``ids``: int64 (rows, length); ``weights``: float32 of the same shape, those of the tokens as
    targets; ``positions``: int64 of the same shape; ``mask``: bfloat16 (rows, 1, length, length),
    added to the scores of attention: 0 where a token sees another, else the least number.
    ``before``: int64 (rows, length), where the token before each is (itself for the first).
    ``asked`` and ``told``: int64 (n, 3), a row, where in it an answer is decided, and where the
    thing that it is about is named: in the question, and in the caption. ``linked``: int64 (n, 3),
    a row, and where in it are a word, and the one before it that it shall know of.
    """

    ids: torch.Tensor
    weights: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    before: torch.Tensor
    asked: torch.Tensor
    told: torch.Tensor
    linked: torch.Tensor


def encode(tokenizer: PreTrainedTokenizerFast, lesson: Lesson) -> Encoded:
    """Turns a lesson into tokens, laid out as LLaVA lays out conversations."""
    # Without the checks of transformers' own method, which take most of its time.
    encoder = tokenizer.backend_tokenizer

    def ids_of(text: str) -> list[int]:
        ids: list[int] = encoder.encode(text, add_special_tokens=False).ids
        return ids

    def weigh(turns: Sequence[Turn]) -> Weighed:
        tokens: Weighed = []
        for number, turn in enumerate(turns):
            answer = turn.answer
            if turn.prompt is not None:
                given = user_text(turn.prompt)
                given = given if number else given.removeprefix(USER)
                tokens += [(token, lesson.given_weight) for token in ids_of(given)]
                answer = f" {answer}"
            said = [*ids_of(answer), tokenizer.eos_token_id]
            tokens += [(token, turn.weight) for token in said]
        return tokens

    def where(words: Sequence[str], tokens: Weighed) -> int:
        ids = {first for first, *_ in (ids_of(f" {word}") for word in words)}
        return next(at for at, (token, _) in enumerate(tokens) if token in ids)

    subject = [] if lesson.subject is None else ids_of(f"{USER}{about(lesson.subject, '')}")
    shared = [(tokenizer.bos_token_id, 0.0), *((token, lesson.given_weight) for token in subject)]
    conversations = [weigh(turns) for turns in lesson.conversations]
    evidence = []
    for one, turns, tokens in zip(
        lesson.evidence, lesson.conversations, conversations, strict=False
    ):
        decided = len(tokens) - len(ids_of(f" {turns[0].answer}")) - 2
        evidence.append((decided, where(one.asked, tokens), where(one.told, shared)))
    linked = None
    if lesson.linked is not None:
        word, known = (where(words, shared) for words in lesson.linked)
        linked = (word, known)
    return Encoded(shared, conversations, evidence, linked)


def pack(lessons: Iterator[Encoded], length: int, pad: int) -> Batch:
    """Fills a row with lessons, each of which loses the conversations that find no room.

    Args:
        lessons: More than find room.
        length: Tokens of the row.
        pad: The token at its end.

    Raises:
        ValueError: The first lesson is longer than the row.
    """
    ids = torch.full((1, length), pad)
    weights = torch.zeros(1, length)
    positions = torch.zeros(1, length, dtype=torch.int64)
    lesson_of = torch.full((1, length), -1)
    conversation_of = torch.zeros(1, length, dtype=torch.int64)
    before = torch.zeros(1, length, dtype=torch.int64)
    asked: list[tuple[int, int, int]] = []
    told: list[tuple[int, int, int]] = []
    linked: list[tuple[int, int, int]] = []
    end = 0
    for number, lesson in enumerate(lessons):
        shared = len(lesson.shared)
        if end + shared + len(lesson.conversations[0]) > length:
            break
        begin = end
        if lesson.linked is not None:
            word, known = lesson.linked
            linked.append((0, begin + word, begin + known))
        for which, part in enumerate([lesson.shared, *lesson.conversations]):
            start, stop = end, end + len(part)
            if stop > length:
                break
            ids[0, start:stop] = torch.tensor([token for token, _ in part])
            weights[0, start:stop] = torch.tensor([weight for _, weight in part])
            if which > 1:
                weights[0, start] = 0.0  # the token before it is of another conversation
            first = 0 if which == 0 else shared
            positions[0, start:stop] = torch.arange(first, first + len(part))
            lesson_of[0, start:stop] = number
            conversation_of[0, start:stop] = which
            before[0, start:stop] = torch.arange(start - 1, stop - 1)
            before[0, start] = begin + shared - 1 if which else begin
            if which and lesson.evidence:
                decided, named, noun = lesson.evidence[which - 1]
                asked.append((0, start + decided, start + named))
                told.append((0, start + decided, begin + noun))
            end = stop
    if end == 0:
        raise ValueError(f"a lesson is longer than a row of {length} tokens")
    return Batch(
        ids,
        weights,
        positions,
        _what_is_seen(lesson_of, conversation_of),
        before,
        torch.tensor(asked, dtype=torch.int64).view(-1, 3),
        torch.tensor(told, dtype=torch.int64).view(-1, 3),
        torch.tensor(linked, dtype=torch.int64).view(-1, 3),
    )


def stack(rows: Sequence[Batch]) -> Batch:
    """Rows of one length below each other."""
    below = torch.tensor([1, 0, 0])
    return Batch(
        torch.cat([row.ids for row in rows]),
        torch.cat([row.weights for row in rows]),
        torch.cat([row.positions for row in rows]),
        torch.cat([row.mask for row in rows]),
        torch.cat([row.before for row in rows]),
        torch.cat([row.asked + number * below for number, row in enumerate(rows)]),
        torch.cat([row.told + number * below for number, row in enumerate(rows)]),
        torch.cat([row.linked + number * below for number, row in enumerate(rows)]),
    )


def _what_is_seen(lesson: torch.Tensor, conversation: torch.Tensor) -> torch.Tensor:
    """Each token sees those before it of its conversation, and what its lesson shares (0)."""
    same = conversation[:, None, :] == conversation[:, :, None]
    seen = (lesson[:, None, :] == lesson[:, :, None]) & (same | (conversation[:, None, :] == 0))
    hidden = ~seen.tril()[:, None]
    return torch.zeros(hidden.shape, dtype=torch.bfloat16).masked_fill_(
        hidden, torch.finfo(torch.bfloat16).min
    )
