"""What mini-llm learns: captions, and answers in conversations about what a caption says.

A conversation is laid out as LLaVA lays out its own::

    <s>USER: a red star on a white page
    what colour is the star? ASSISTANT: red</s>USER: how many stars are there? ASSISTANT: one</s>

What is asked about comes first, then a line break and the request. A vision-language model
has ``<image>`` where mini-llm has a caption, and is asked in words that mini-llm already knows.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from synthvlm.scenes.captions import DETAILS, describe
from synthvlm.scenes.flawed import FLAWS
from synthvlm.scenes.grammar import parse
from synthvlm.scenes.questions import KINDS, Question, ask_all
from synthvlm.scenes.world import Mix, Scene, sample_scene

IMAGE: Final = "<image>"
USER: Final = "USER: "
YES: Final = "Yes"
NO: Final = "No"
JUDGE: Final = (
    "Is this a good caption? Answer Yes or No.",
    "Is this a good prompt for an image? Answer Yes or No.",
    "Does this caption describe a picture clearly? Answer Yes or No.",
)
"""Requests to judge a caption; answered by ``Yes`` or ``No``."""

DESCRIBE: Final[dict[int, tuple[str, ...]]] = {
    1: ("Name the things in the picture.", "What is in the picture?"),
    2: ("Describe the picture.", "Describe the image."),
    3: ("Describe the picture in detail.", "Describe the image in detail."),
}
"""Requests for a caption, by its level of detail."""

SHUFFLED: Final = "shuffled"
BADNESS: Final = (*FLAWS, SHUFFLED)
"""What may be wrong with a caption that is judged."""

MIX: Final = Mix(one=0.3, two=0.45, group=0.25)
CAPTION_WEIGHT: Final = 0.3  # wordings are a matter of taste, answers are not
MOST_QUESTIONS: Final = 4


@dataclass(frozen=True, slots=True)
class Turn:
    """A prompt, the answer to it, and the weight of the answer's tokens in the loss.

    Without a prompt the answer stands by itself, for example a bare caption.
    """

    prompt: str | None
    answer: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Judged:
    """A caption, and what is wrong with it (one of ``BADNESS``), or None."""

    caption: str
    flaw: str | None


def user_text(prompt: str) -> str:
    """The prompt of a turn as the model reads it, up to where its answer begins."""
    return f"{USER}{prompt} ASSISTANT:"


def about(subject: str, request: str) -> str:
    """A prompt that asks something about a caption, or about ``<image>``."""
    return f"{subject}\n{request}"


def shuffle_words(caption: str, rng: random.Random) -> str:
    """The words of a caption in an order that is not grammatical, without punctuation.

    Raises:
        ValueError: The caption has a single word.
    """
    words = caption.replace(",", "").replace(".", "").split()
    if len(words) < 2:
        raise ValueError(f"{caption!r} has no other order")
    while True:
        rng.shuffle(words)
        shuffled = " ".join(words)
        if parse(shuffled) is None:
            return shuffled


def sample_judged(rng: random.Random, flaw: str | None = None) -> Judged:
    """A caption of the grammar, or one with the flaw of that name."""
    scene = sample_scene(rng, MIX)
    if flaw is None:
        return Judged(describe(scene, rng), None)
    if flaw == SHUFFLED:
        return Judged(shuffle_words(describe(scene, rng), rng), flaw)
    return Judged(FLAWS[flaw](scene, rng), flaw)


def kinds_on_caption(scene: Scene) -> list[str]:
    """The kinds of questions that a full caption of ``scene`` answers.

    A full caption says where a lone thing lies and how two things lie to each other, but nothing
    about the places of more.
    """
    unsaid = {1: {"relation"}, 2: {"place"}}.get(len(scene.things), {"relation", "place"})
    return [kind for kind in KINDS if kind not in unsaid]


def questions_on_caption(scene: Scene, rng: random.Random) -> list[Question]:
    """One question of each kind that a full caption of ``scene`` answers."""
    kinds = kinds_on_caption(scene)
    return [question for question in ask_all(scene, rng) if question.kind in kinds]


def sample_lesson(rng: random.Random) -> list[Turn]:
    """Draws something to learn: a caption, a judgement, a description, or some questions."""
    kind = rng.choices(("caption", "judgement", "description", "questions"), (2, 3, 2, 5))[0]
    if kind == "judgement":
        judged = sample_judged(rng, rng.choice(BADNESS) if rng.random() < 0.5 else None)
        request = about(judged.caption, rng.choice(JUDGE))
        return [Turn(request, YES if judged.flaw is None else NO)]
    scene = sample_scene(rng, MIX)
    if kind == "caption":
        return [Turn(None, describe(scene, rng), CAPTION_WEIGHT)]
    full = describe(scene, rng, 3)
    if kind == "description":
        detail = rng.choice(DETAILS)
        request = about(full, rng.choice(DESCRIBE[detail]))
        return [Turn(request, describe(scene, rng, detail), CAPTION_WEIGHT)]
    questions = questions_on_caption(scene, rng)
    asked = rng.sample(questions, min(len(questions), rng.randint(1, MOST_QUESTIONS)))
    return ask_about(full, asked)


def ask_about(subject: str, questions: Sequence[Question]) -> list[Turn]:
    """A conversation of some questions about a caption; only the first shows the caption."""
    turns = [Turn(question.question, question.answer) for question in questions]
    return [Turn(about(subject, turns[0].prompt or ""), turns[0].answer), *turns[1:]]
