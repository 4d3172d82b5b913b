"""What stage 2 is made of: sources by weight, and a share of text, from a YAML file.

Text is a part of the recipe: a small language model that only learns to speak of pictures forgets
all else that it knew.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from synthvlm.errors import InvalidInput, NotFound
from synthvlm.training.conversation import IMAGE, Sample, Turn
from synthvlm.training.instructions import LlavaRecords
from synthvlm.training.samples import Samples, VersionPairs
from synthvlm.yaml_text import load_yaml

Kind = Literal["pairs", "questions", "instructions", "text", "lessons"]

_OF_TEXT: Final[tuple[Kind, ...]] = ("text", "lessons")
_FILES: Final[dict[Kind, set[str]]] = {"instructions": {"file", "images"}, "text": {"file"}}
_LESSON_LETTERS: Final = 100


class SourceSettings(BaseModel):
    """A source of samples.

    Attributes:
        name: Tells sources apart in reports and random choices.
        kind: ``pairs``: the dataset version's pictures and captions. ``questions``: its pictures,
            and what its captions answer, in the scene world's language. ``instructions``: records
            with pictures of a file of LLaVA's. ``text``: records without pictures of such a file.
            ``lessons``: what mini-llm learnt at first.
        weight: Share of the samples, relative to the other sources with, or without, pictures.
        file: A JSON file of LLaVA's instruction data.
        images: The folder that its pictures are below.
        separate: Of ``questions``: whether they are learnt as if each were alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    kind: Kind
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    file: Path | None = None
    images: Path | None = None
    separate: bool = True

    @property
    def has_images(self) -> bool:
        """Whether all its samples have pictures; else none has."""
        return self.kind not in _OF_TEXT

    @model_validator(mode="after")
    def _files_fit(self) -> Self:
        given = {name for name in ("file", "images") if getattr(self, name) is not None}
        wanted = _FILES.get(self.kind, set())
        if given != wanted:
            needs = " and ".join(sorted(wanted)) or "neither file nor images"
            raise ValueError(f"the source {self.name!r} of {self.kind} takes {needs}")
        return self


class Mixture(BaseModel):
    """The recipe of stage 2.

    Attributes:
        text_share: Share of the samples that are text alone, from 0 to less than 1.
        sources: Where samples come from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text_share: float = Field(ge=0, lt=1, allow_inf_nan=False)
    sources: tuple[SourceSettings, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _sources_fit(self) -> Self:
        names = [source.name for source in self.sources]
        if len(set(names)) < len(names):
            raise ValueError("two sources have the same name")
        if all(not source.has_images for source in self.sources):
            raise ValueError("no source has pictures")
        if (self.text_share > 0) == all(source.has_images for source in self.sources):
            raise ValueError("text_share is more than 0 where a source has text alone, else 0")
        return self

    @classmethod
    def from_yaml(cls, path: Path) -> "Mixture":
        """Reads a recipe; files that it names are relative to its own folder.

        Raises:
            NotFound: There is no such file.
            InvalidInput: It is not a recipe; the message says what is wrong where.
        """
        try:
            mixture = cls.model_validate(load_yaml(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise NotFound(f"the mixture {path} does not exist") from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "recipe"
            raise InvalidInput(f"{path}: {place}: {first['msg']}") from error
        except ValueError as error:
            raise InvalidInput(f"{path} is not YAML: {error}") from error
        placed = [
            source.model_copy(
                update={
                    name: path.parent / value
                    for name in ("file", "images")
                    if (value := getattr(source, name)) is not None
                }
            )
            for source in mixture.sources
        ]
        return mixture.model_copy(update={"sources": tuple(placed)})

    def counts(self, samples: int, global_batch: int = 1) -> dict[str, int]:
        """How many of ``samples`` come from each source, by its name.

        Text makes up whole global batches, so that a step can be of one kind throughout.
        """
        batches = samples // global_batch
        text = round(batches * self.text_share) * global_batch
        counts: dict[str, int] = {}
        for has_images, total in ((True, samples - text), (False, text)):
            some = [source for source in self.sources if source.has_images == has_images]
            counts |= _apportioned({source.name: source.weight for source in some}, total)
        return {source.name: counts[source.name] for source in self.sources}

    def draw(
        self, pairs: VersionPairs | None, *, samples: int, seed: int, global_batch: int = 1
    ) -> "MixedSamples":
        """Opens the sources and draws all samples of a run from them.

        Args:
            pairs: The dataset version, for sources that need one.
            samples: How many to draw: those of the whole run.
            seed: Decides the order within each source, and what is asked.
            global_batch: Samples in a step.

        Raises:
            InvalidInput: A source cannot be opened, or needs a dataset version.
            NotFound: A file does not exist.
        """
        counts = self.counts(samples, global_batch)
        draws = [
            _Draw(source, _opened(source, pairs), counts[source.name], seed)
            for source in self.sources
        ]
        return MixedSamples(draws)


class MixedSamples:
    """All samples of a run of stage 2, source after source; ``GlobalOrder`` mixes them.

    A source is gone through as a whole, in an order of its own, before anything of it comes again;
    questions and lessons are new each time.
    """

    def __init__(self, draws: Sequence["_Draw"]) -> None:
        self._draws = draws
        self._ends = np.cumsum([len(draw) for draw in draws])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = int(np.searchsorted(self._ends, index, side="right"))
        return self._draws[number][index - int(self._ends[number]) + len(self._draws[number])]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Letters of each sample's text, or of the caption that is asked about."""
        return np.concatenate([draw.lengths for draw in self._draws])

    @property
    def groups(self) -> npt.NDArray[np.int64]:
        """0 for each sample with a picture, 1 for each without."""
        return np.concatenate(
            [np.full(len(draw), int(not draw.has_images), np.int64) for draw in self._draws]
        )


class _Source(Protocol):
    @property
    def size(self) -> int | None:
        """Samples; None: without end."""

    @property
    def lengths(self) -> npt.NDArray[np.int64]: ...

    def sample(self, index: int, rng: random.Random) -> Sample: ...


class _Draw:
    """What a run takes from one source."""

    def __init__(self, settings: SourceSettings, source: _Source, count: int, seed: int) -> None:
        self.has_images = settings.has_images
        self._source = source
        self._seed = f"{seed} {settings.name}"
        if source.size is None:
            self._indices = np.arange(count)
            self.lengths = np.full(count, _LESSON_LETTERS, np.int64)
            return
        rng = np.random.Generator(np.random.PCG64([seed, *settings.name.encode()]))
        passes = [rng.permutation(source.size) for _ in range(-(-count // source.size))]
        self._indices = np.concatenate([*passes, np.empty(0, np.int64)])[:count].astype(np.int64)
        self.lengths = source.lengths[self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, number: int) -> Sample:
        rng = random.Random(f"{self._seed} {number}")  # noqa: S311 - choices, not secrets
        return self._source.sample(int(self._indices[number]), rng)


class _Whole:
    """Samples as they are."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self.lengths = samples.lengths
        self.size: int | None = len(samples)

    def sample(self, index: int, rng: random.Random) -> Sample:
        del rng
        return self._samples[index]


class _Questions:
    """The pictures of a dataset version, with questions that their captions answer."""

    def __init__(self, pairs: VersionPairs, *, separate: bool) -> None:
        from synthvlm.training.scene_questions import questions_of

        self._ask = questions_of
        self._pairs = pairs
        self._separate = separate
        probe = random.Random(0)  # noqa: S311
        captions = pairs.captions
        self._indices = [i for i, caption in enumerate(captions) if questions_of(caption, probe)]
        if not self._indices:
            raise InvalidInput(
                "no caption of the dataset version is in the scene world's language; use pairs or "
                "instructions instead of questions"
            )
        self._captions = [captions[i] for i in self._indices]
        self.lengths = pairs.lengths[self._indices]
        self.size: int | None = len(self._indices)

    def sample(self, index: int, rng: random.Random) -> Sample:
        pair = self._pairs[self._indices[index]]
        turns = [
            turn
            for question in self._ask(self._captions[index], rng)
            for turn in (Turn("user", question.question), Turn("assistant", question.answer))
        ]
        turns[0] = Turn("user", f"{IMAGE}\n{turns[0].text}")
        return Sample(pair.image, turns, pair.id, self._separate)


class _Lessons:
    """What mini-llm learnt at first, without end."""

    size: int | None = None
    lengths = np.empty(0, np.int64)

    def __init__(self) -> None:
        from synthvlm.scenes.mini_models.lessons import sample_lesson

        self._draw = sample_lesson

    def sample(self, index: int, rng: random.Random) -> Sample:
        turns = []
        for lesson in self._draw(rng):
            turns += [] if lesson.prompt is None else [Turn("user", lesson.prompt)]
            turns += [Turn("assistant", lesson.answer)]
        return Sample(None, turns, f"lesson {index}")


def _opened(settings: SourceSettings, pairs: VersionPairs | None) -> _Source:
    if settings.kind == "lessons":
        return _Lessons()
    if settings.file is not None:
        return _Whole(LlavaRecords(settings.file, settings.images))
    if pairs is None:
        raise InvalidInput(f"the source {settings.name!r} needs a dataset version")
    if settings.kind == "questions":
        return _Questions(pairs, separate=settings.separate)
    return _Whole(pairs)


def _apportioned(weights: dict[str, float], total: int) -> dict[str, int]:
    """``total`` in whole numbers by weight: by the largest remainder, the first of equals."""
    whole = {name: total * weight / sum(weights.values()) for name, weight in weights.items()}
    counts = {name: int(share) for name, share in whole.items()}
    by_remainder = sorted(whole, key=lambda name: counts[name] - whole[name])
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts
