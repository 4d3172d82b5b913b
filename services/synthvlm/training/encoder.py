"""Conversations as tokens with labels.

Each text between two placeholders is tokenized by itself, as LLaVA does, and each token's place in
the text says whether it is learnt: a mask cannot slip, as one made of counted tokens can.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final

from PIL.Image import Image

from synthvlm.training.conversation import (
    IMAGE,
    MaskMismatch,
    Sample,
    Span,
    Template,
    Turn,
    image_first,
)

IGNORED: Final = -100
"""The label of a token that does not count in the loss."""


@dataclass(frozen=True, slots=True)
class EncodedSample:
    """A sample in tokens.

    Attributes:
        input_ids: Tokens; the picture's placeholder as often as the picture has tokens.
        labels: The same tokens where they are learnt, ``IGNORED`` elsewhere. Not shifted.
        image: The picture; None for text alone.
        id: The sample's.
        positions: Position of each token; None: 0, 1, 2…
        parts: For exchanges that do not see one another: 0 for tokens that all see, else the number
            of the exchange. None: an ordinary conversation.
        truncated: Whether tokens beyond the longest length were cut off.
    """

    input_ids: list[int]
    labels: list[int]
    image: Image | None = None
    id: str = ""
    positions: list[int] | None = None
    parts: list[int] | None = None
    truncated: bool = False

    @property
    def length(self) -> int:
        """Tokens."""
        return len(self.input_ids)


_Tokens = list[tuple[int, int]]
"""Ids with their labels."""


class Encoder:
    """Writes samples in the tokens of one language model.

    Args:
        tokenizer: A fast tokenizer of transformers that knows ``<image>`` as one token.
        image_tokens: Tokens that stand for one picture: 576 for LLaVA-1.5, 64 for mini-clip.
        template: How conversations are written.
        max_length: Tokens, those of the picture included, after which a sample is cut off.
    """

    def __init__(
        self, tokenizer: Any, image_tokens: int, template: Template, max_length: int
    ) -> None:
        self.template = template
        self.max_length = max_length
        self._backend = tokenizer.backend_tokenizer
        # Not every tokenizer with such a token begins a text with it.
        self._start = [
            token for token in tokenizer("").input_ids if token == tokenizer.bos_token_id
        ]
        self._image_id = int(tokenizer.convert_tokens_to_ids(IMAGE))
        self._image_tokens = image_tokens
        special = {str(token) for token in tokenizer.all_special_tokens}
        self._reserved = sorted(special - {IMAGE})

    def encode(self, sample: Sample) -> EncodedSample:
        """The sample in tokens.

        Raises:
            MaskMismatch: Its mask does not fit it; the message names the sample.
        """
        try:
            self._require_plain_text(sample.conversation)
            if sample.separate and len(sample.conversation) > 2:
                return self._separate(sample)
            return self._cut(sample, self._tokens(sample.conversation, sample.image is not None))
        except MaskMismatch as error:
            raise MaskMismatch(error.kind, f"sample {sample.id}: {error.message}") from error

    def _separate(self, sample: Sample) -> EncodedSample:
        """All exchanges behind what they have in common, which is there once."""
        has_image = sample.image is not None
        alone = [self._tokens(turns, has_image) for turns in exchanges(sample.conversation)]
        columns = takewhile(_is_shared, zip(*alone, strict=False))
        shared = [column[0] for column in columns]
        tokens, parts = list(shared), [0] * len(shared)
        positions = list(range(len(shared)))
        for number, one in enumerate(alone, 1):
            own = one[len(shared) :]
            tokens += own
            parts += [number] * len(own)
            positions += range(len(shared), len(one))
        return self._cut(sample, tokens, positions, parts)

    def _tokens(self, conversation: Sequence[Turn], has_image: bool) -> _Tokens:
        spans = self.template.spans(conversation, image=has_image)
        pieces = _between_images(spans)
        if len(pieces) - 1 != has_image:
            raise MaskMismatch(
                "image", f"it has {len(pieces) - 1} times {IMAGE} and {int(has_image)} pictures"
            )
        tokens: _Tokens = [(token, IGNORED) for token in self._start]
        for number, piece in enumerate(pieces):
            if number:
                tokens += [(self._image_id, IGNORED)] * self._image_tokens
            tokens += self._labelled(piece)
        return tokens

    def _labelled(self, spans: Sequence[Span]) -> _Tokens:
        """One text without placeholders."""
        text = "".join(span.text for span in spans)
        learnt = [span.learnt for span in spans for _ in span.text]
        encoded = self._backend.encode(text, add_special_tokens=False)
        tokens: _Tokens = []
        for token, (start, end) in zip(encoded.ids, encoded.offsets, strict=True):
            # Sentencepiece's first token may stand for no letter at all.
            covered = learnt[start : max(end, start + 1)]
            if any(covered) != all(covered):
                raise MaskMismatch(
                    "boundary", f"the token {text[start:end]!r} is partly in an answer"
                )
            tokens.append((token, token if covered and covered[0] else IGNORED))
        return tokens

    def _cut(
        self,
        sample: Sample,
        tokens: _Tokens,
        positions: list[int] | None = None,
        parts: list[int] | None = None,
    ) -> EncodedSample:
        kept = tokens[: self.max_length]
        ids, labels = [token for token, _ in kept], [label for _, label in kept]
        if all(label == IGNORED for label in labels):
            raise MaskMismatch(
                "length", f"none of its {len(tokens)} tokens within {self.max_length} is learnt"
            )
        if ids.count(self._image_id) < self._image_tokens * (sample.image is not None):
            raise MaskMismatch("length", f"its image does not fit into {self.max_length} tokens")
        return EncodedSample(
            ids,
            labels,
            sample.image,
            sample.id,
            None if positions is None else positions[: self.max_length],
            None if parts is None else parts[: self.max_length],
            truncated=len(kept) < len(tokens),
        )

    def _require_plain_text(self, conversation: Sequence[Turn]) -> None:
        for turn in conversation:
            for token in self._reserved:
                if token in turn.text:
                    raise MaskMismatch("reserved", f"a text has the special token {token} in it")


def exchanges(conversation: Sequence[Turn]) -> list[list[Turn]]:
    """Each question with its answer, the picture of the first before each question."""
    pairs = [list(conversation[start : start + 2]) for start in range(0, len(conversation), 2)]
    if pairs and IMAGE in pairs[0][0].text:
        for pair in pairs[1:]:
            pair[0] = Turn(pair[0].role, image_first(f"{IMAGE}{pair[0].text}"))
    return pairs


def _is_shared(column: Sequence[tuple[int, int]]) -> bool:
    """Whether all have the same token there, which is not learnt."""
    return len(set(column)) == 1 and column[0][1] == IGNORED


def _between_images(spans: Sequence[Span]) -> list[list[Span]]:
    """The spans before, between and after the placeholders."""
    pieces: list[list[Span]] = [[]]
    for span in spans:
        first, *others = span.text.split(IMAGE)
        pieces[-1].append(Span(first, span.learnt))
        pieces += [[Span(text, span.learnt)] for text in others]
    return pieces
