"""The tasks of the scene world, asked by lm-eval, as answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from synthvlm.evaluation.answers import Answer, Scored
from synthvlm.evaluation.lm_harness import Harness, Samples, task_configurations
from synthvlm.evaluation.mini_tasks import CAPTIONS, JUDGING, SCENE_VQA
from synthvlm.evaluation.results import Condition
from synthvlm.evaluation.summary import majority

_PICTURED: Final[dict[str, Condition]] = {SCENE_VQA: "image", f"{SCENE_VQA}-blank": "blank-image"}
_IN_WORDS: Final = f"{SCENE_VQA}-text"


def ask_vision_model(harness: Harness, folder: Path) -> Iterator[Scored]:
    """Questions with the picture, with an empty one and without any; the majority; texts.

    Args:
        harness: The model, of the kind for images.
        folder: A copy of the shard of tasks.
    """
    tasks = task_configurations(folder)
    samples = harness.run([tasks[name] for name in _PICTURED])
    for name, condition in _PICTURED.items():
        yield _questions(samples[name], condition)
    yield majority(_questions(samples[SCENE_VQA], "image"), "kind")
    samples = harness.run([tasks[name] for name in (_IN_WORDS, CAPTIONS, JUDGING)])
    yield _questions(samples[_IN_WORDS], "text-only")
    yield from _texts(samples, "text-only")


def ask_language_model(harness: Harness, folder: Path) -> Iterator[Scored]:
    """What the language model makes of the same texts, to see whether they were kept."""
    tasks = task_configurations(folder)
    samples = harness.run([tasks[name] for name in (CAPTIONS, JUDGING)])
    yield from _texts(samples, "language-model")


def _texts(samples: Samples, condition: Condition) -> Iterator[Scored]:
    """The perplexity of captions, and the judging of captions."""
    captions = _answers(samples[CAPTIONS], CAPTIONS, condition, _likelihood, grouped=())
    yield Scored(CAPTIONS, condition, "word_perplexity", "perplexity", "lm-eval", captions)
    judged = _answers(samples[JUDGING], JUDGING, condition, _choice, grouped=("kind",))
    yield Scored(JUDGING, condition, "acc", "share", "lm-eval", judged)


def _questions(samples: Sequence[Mapping[str, Any]], condition: Condition) -> Scored:
    grouped = ("kind", "things")
    answers = _answers(samples, SCENE_VQA, condition, _exact_match, grouped)
    return Scored(SCENE_VQA, condition, "exact_match", "share", "lm-eval", answers)


Reading = tuple[str, float, float]
"""An answer, its score and its weight."""


def _exact_match(sample: Mapping[str, Any]) -> Reading:
    return sample["filtered_resps"][0].strip(), float(sample["exact_match"]), 1.0


def _choice(sample: Mapping[str, Any]) -> Reading:
    likelihoods = [float(response[0]) for response in sample["filtered_resps"]]
    best = likelihoods.index(max(likelihoods))
    return sample["arguments"][best][1].strip(), float(sample["acc"]), 1.0


def _likelihood(sample: Mapping[str, Any]) -> Reading:
    likelihood, words = sample["word_perplexity"]
    return "", float(likelihood), float(words)


def _answers(
    samples: Sequence[Mapping[str, Any]],
    benchmark: str,
    condition: Condition,
    read: Callable[[Mapping[str, Any]], Reading],
    grouped: Sequence[str],
) -> list[Answer]:
    """The answers in the order of the questions."""
    answers = []
    for sample in sorted(samples, key=lambda one: int(one["doc_id"])):
        doc = sample["doc"]
        answer, score, weight = read(sample)
        answers.append(
            Answer(
                benchmark=benchmark,
                condition=condition,
                question_id=doc["question_id"],
                cluster=doc["cluster"],
                question=doc["prompt"],
                truth=doc["answer"],
                answer=answer,
                score=score,
                weight=weight,
                groups={name: doc[name] for name in grouped},
            )
        )
    return answers
