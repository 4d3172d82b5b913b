"""Measures mini-llm: ``python -m synthvlm.scenes.mini_models.measure.llm --weights DIR``.

Captions and questions are about held-out scenes, that is scenes of other seeds than the training's;
a short caption such as "here is a red star" will still have been in the training. Prints JSON.
"""

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, AutoTokenizer

from synthvlm.scenes.captions import describe
from synthvlm.scenes.grammar import parse
from synthvlm.scenes.mini_models.lessons import (
    BADNESS,
    DESCRIBE,
    JUDGE,
    MIX,
    NO,
    YES,
    about,
    questions_on_caption,
    sample_judged,
    shuffle_words,
    user_text,
)
from synthvlm.scenes.mini_models.measure.clip import auc
from synthvlm.scenes.truth import holds
from synthvlm.scenes.world import sample_scene

GOOD: Final = "good"
"""How tables name captions without a flaw."""

BATCH: Final = 64

Floats = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Followed:
    """A text's mean log likelihood per token, and whether the model would say the same.

    It would when every token, the end included, is its first choice after those before.
    """

    log_likelihood: float
    says_the_same: bool


class Reader:
    """mini-llm, loaded and prompted like any causal language model."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()

    def perplexities(self, captions: Sequence[str]) -> Floats:
        """Perplexities of bare captions, end token included; (n,)."""
        followed = self.follow([("", caption) for caption in captions])
        return np.exp([-one.log_likelihood for one in followed])

    def yes_over_no(self, prompts: Sequence[str]) -> Floats:
        """Logit of ``Yes`` less that of ``No`` where the answer begins; (n,)."""
        (yes,), (no,) = self.tokenizer([f" {YES}", f" {NO}"], add_special_tokens=False).input_ids
        differences: list[float] = []
        for some in _batches(list(prompts)):
            inputs = self.tokenizer(
                [user_text(x) for x in some], padding=True, padding_side="left", return_tensors="pt"
            )
            with torch.no_grad():
                logits = self.model(**inputs).logits[:, -1]
            differences += (logits[:, yes] - logits[:, no]).tolist()
        return np.asarray(differences)

    def answers(self, prompts: Sequence[str], longest: int = 48) -> list[str]:
        """What the model says, choosing the likeliest token each time."""
        said: list[str] = []
        for some in _batches(list(prompts)):
            inputs = self.tokenizer(
                [user_text(x) for x in some], padding=True, padding_side="left", return_tensors="pt"
            )
            with torch.no_grad():
                ids = self.model.generate(**inputs, max_new_tokens=longest, do_sample=False)
            new = ids[:, inputs.input_ids.shape[1] :]
            said += self.tokenizer.batch_decode(new, skip_special_tokens=True)
        return [text.strip() for text in said]

    def follow(self, pairs: Sequence[tuple[str, str]]) -> list[Followed]:
        """Reads each text after what is given before it."""
        end = self.tokenizer.eos_token_id
        followed = []
        for some in _batches(list(pairs)):
            given = self.tokenizer([before for before, _ in some]).input_ids
            said = self.tokenizer([text for _, text in some], add_special_tokens=False).input_ids
            # Padding on the right makes no difference: the model is causal.
            rows = [[*a, *b, end] for a, b in zip(given, said, strict=True)]
            longest = max(map(len, rows))
            ids = torch.tensor([row + [end] * (longest - len(row)) for row in rows])
            with torch.no_grad():
                likelihoods = self.model(ids).logits[:, :-1].log_softmax(-1)
            for row, before, likelihood in zip(rows, given, likelihoods, strict=True):
                expected = torch.tensor(row[len(before) :])
                own = likelihood[len(before) - 1 : len(row) - 1]
                mean = own.gather(-1, expected[:, None]).mean().item()
                followed.append(Followed(mean, bool((own.argmax(-1) == expected).all())))
        return followed


def perplexity(reader: Reader, count: int, seed: int = 550_000) -> dict[str, float]:
    """How well perplexity tells captions from the same words in another order."""
    rng = random.Random(seed)
    captions = [describe(sample_scene(rng, MIX), rng) for _ in range(count)]
    straight = reader.perplexities(captions)
    shuffled = reader.perplexities([shuffle_words(caption, rng) for caption in captions])
    return {
        "auc": auc(shuffled, straight),
        "median_of_captions": float(np.median(straight)),
        "median_of_shuffled": float(np.median(shuffled)),
    }


def judgement(reader: Reader, count: int, seed: int = 560_000) -> dict[str, float]:
    """Share of captions judged as they were made, by what is wrong with them, and of all.

    Half of the captions are good; the others have each flaw equally often.
    """
    rng = random.Random(seed)
    flaws = [None if i % 2 else BADNESS[i // 2 % len(BADNESS)] for i in range(count)]
    judged = [sample_judged(rng, flaw) for flaw in flaws]
    says_yes = reader.yes_over_no([about(x.caption, JUDGE[0]) for x in judged]) > 0
    right = [bool(yes) == (x.flaw is None) for yes, x in zip(says_yes, judged, strict=True)]
    return _shares((x.flaw or GOOD, ok) for x, ok in zip(judged, right, strict=True))


def answers(reader: Reader, count: int, seed: int = 570_000) -> dict[str, float]:
    """Share of questions about full captions that are answered right, by kind, and of all."""
    rng = random.Random(seed)
    kinds: list[str] = []
    pairs: list[tuple[str, str]] = []
    while len(pairs) < count:
        scene = sample_scene(rng, MIX)
        question = rng.choice(questions_on_caption(scene, rng))
        kinds.append(question.kind)
        prompt = about(describe(scene, rng, 3), question.question)
        pairs.append((user_text(prompt), f" {question.answer}"))
    followed = reader.follow(pairs)
    return _shares((kind, one.says_the_same) for kind, one in zip(kinds, followed, strict=True))


def descriptions(reader: Reader, count: int, seed: int = 580_000) -> dict[str, float]:
    """Share of captions in other words that are true of the scene, by the detail asked for."""
    rng = random.Random(seed)
    scenes = [sample_scene(rng, MIX) for _ in range(count)]
    details = [rng.choice(tuple(DESCRIBE)) for _ in scenes]
    prompts = [
        about(describe(scene, rng, 3), DESCRIBE[detail][0])
        for scene, detail in zip(scenes, details, strict=True)
    ]
    meanings = [parse(said) for said in reader.answers(prompts)]
    return _shares(
        (f"detail {detail}", meaning is not None and holds(meaning, scene))
        for scene, detail, meaning in zip(scenes, details, meanings, strict=True)
    )


def _shares(results: Iterable[tuple[str, bool]]) -> dict[str, float]:
    """Shares of what is right by name, those that are most often right first, then ``all``."""
    by_name: dict[str, list[bool]] = defaultdict(list)
    everything: list[bool] = []
    for name, right in results:
        by_name[name].append(right)
        everything.append(right)
    shares = {name: float(np.mean(rights)) for name, rights in by_name.items()}
    ordered = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return {**dict(ordered), "all": float(np.mean(everything))}


def _batches(items: list[T]) -> Iterable[list[T]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))


def measure(folder: Path, count: int) -> dict[str, Any]:
    """All figures of the model in ``folder``, each on ``count`` samples (descriptions: a fifth)."""
    reader = Reader(folder)
    return {
        "perplexity": perplexity(reader, count),
        "judgement": judgement(reader, count),
        "answers": answers(reader, count),
        "descriptions": descriptions(reader, max(1, count // 5)),
    }


def main() -> None:
    """Prints the measurement."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(json.dumps(measure(args.weights / "mini-llm", args.count)))


if __name__ == "__main__":
    main()
