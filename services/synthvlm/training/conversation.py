"""Conversations as text: LLaVA's plain template of stage 1, and its v1 template of stage 2.

A template turns a conversation into spans of text, each of them either given or to be learnt. What
becomes of spans in tokens is the encoder's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from PIL.Image import Image

from synthvlm.errors import InvalidInput

IMAGE: Final = "<image>"
"""Stands in a text for what the vision tower sees."""

Role = Literal["user", "assistant"]

MismatchKind = Literal["layout", "image", "reserved", "boundary", "length"]
"""Why a sample cannot be given a mask:

``layout``: the turns do not alternate, or an answer is missing;
``image``: placeholders and pictures are not equally many;
``reserved``: a text has a token or mark that the template uses itself;
``boundary``: a token begins in a question and ends in its answer;
``length``: nothing to learn, or only a part of the image, is left within the longest length.
"""


class MaskMismatch(InvalidInput):
    """A sample's loss mask cannot be made to fit it.

    Attributes:
        kind: Why, for counting.
    """

    reason = "MASK_MISMATCH"

    def __init__(self, kind: MismatchKind, message: str) -> None:
        super().__init__(message)
        self.kind: MismatchKind = kind


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """Something to learn from.

    Attributes:
        image: The picture that the conversation is about; None for text alone.
        conversation: Turns of user and assistant, the user first. A turn of the assistant alone is
            a text to learn as it is, without a picture.
        id: Names the sample in errors and reports.
        separate: Each exchange is learnt as if it were the whole conversation, and no answer sees
            the others; the picture, in the first turn, is before each of them.
    """

    image: Image | None
    conversation: Sequence[Turn]
    id: str
    separate: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text; ``learnt`` says whether its tokens count in the loss."""

    text: str
    learnt: bool


@dataclass(frozen=True)
class Template:
    """How a conversation is written.

    Attributes:
        name: Name in profiles.
        kind: ``plain`` drops the prompt: the picture, its caption and a separator. ``v1`` writes
            ``SYSTEM USER: … ASSISTANT: …</s>USER: …``.
        system: The sentence before the first turn of ``v1``; empty: none.
        end: What ends an answer, and is learnt as a part of it.
    """

    name: str
    kind: Literal["plain", "v1"]
    system: str = ""
    end: str = "</s>"

    def spans(self, conversation: Sequence[Turn], *, image: bool) -> list[Span]:
        """The conversation as text.

        Args:
            conversation: Turns of user and assistant.
            image: Whether a picture belongs to it.

        Raises:
            MaskMismatch: The turns do not fit the template.
        """
        if self.kind == "plain":
            return self._plain(conversation)
        return self._v1(conversation, image=image)

    def _plain(self, conversation: Sequence[Turn]) -> list[Span]:
        match conversation:
            case [Turn("user", prompt), Turn("assistant", caption)] if IMAGE in prompt and caption:
                _require_no_image(caption)
                return [Span(IMAGE, False), Span(caption + self.end, True)]
        raise MaskMismatch(
            "layout", f"the plain template takes one prompt with {IMAGE}, and one caption"
        )

    def _v1(self, conversation: Sequence[Turn], *, image: bool) -> list[Span]:
        match conversation:
            case [Turn("assistant", text)] if text and not image:
                return [Span(text + self.end, True)]
        # As LLaVA: what the assistant says before anything was asked is left out.
        turns = list(conversation)[bool(conversation) and conversation[0].role == "assistant" :]
        roles = [turn.role for turn in turns]
        if not turns or roles != ["user", "assistant"] * (len(turns) // 2):
            raise MaskMismatch("layout", "user and assistant do not take turns, an answer last")
        spans = [Span(f"{self.system} ", False)] if self.system else []
        for asked, answered in zip(turns[::2], turns[1::2], strict=True):
            if not answered.text:
                raise MaskMismatch("layout", "an answer is empty")
            _require_no_image(answered.text)
            question = image_first(asked.text) if image else asked.text
            for text in (question, answered.text):
                if _ASSISTANT in f"{text} " or self.end in text:
                    raise MaskMismatch(
                        "reserved", f"a text has {_ASSISTANT.strip()!r} or {self.end!r} in it"
                    )
            spans += [Span(f"USER: {question} ASSISTANT:", False)]
            spans += [Span(f" {answered.text}{self.end}", True)]
        return spans


def image_first(question: str) -> str:
    """A question with its placeholder before it, on a line of its own, wherever it was."""
    if IMAGE not in question:
        return question
    return f"{IMAGE}\n{question.replace(IMAGE, '').strip()}".strip()


def _require_no_image(answer: str) -> None:
    if IMAGE in answer:
        raise MaskMismatch("image", f"an answer has {IMAGE} in it")


_ASSISTANT: Final = " ASSISTANT: "

PLAIN: Final = Template("plain", "plain", end="\n")
"""Stage 1 of LLaVA-1.5."""

V1: Final = Template(
    "v1",
    "v1",
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions.",
)
"""Stage 2 of LLaVA-1.5, with Vicuna's system sentence."""

V1_BRIEF: Final = Template("v1-brief", "v1")
"""The same without a system sentence, as mini-llm has learnt it."""

TEMPLATES: Final = {template.name: template for template in (PLAIN, V1, V1_BRIEF)}
"""By their names in profiles."""
