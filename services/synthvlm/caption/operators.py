"""The operators that a recipe can use: Data-Juicer's, with its parameters and defaults."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from synthvlm.caption.statistics import ratios
from synthvlm.caption.statistics.ratios import FlaggedWords
from synthvlm.caption.statistics.texts import Texts
from synthvlm.caption.tokenization import Tokenizer

RepLen = Annotated[int, Field(gt=0, le=2**31 - 1)]
"""Characters or words of an n-gram; if longer than every text, there are no n-grams."""

Statistic = npt.NDArray[np.float64] | npt.NDArray[np.int64]


class Parameters(BaseModel):
    """Base of operator parameters, with those common to all filters of Data-Juicer.

    Attributes:
        bounds: Names of the parameters with the minimum and the maximum value that is kept.
        min_closed_interval: Whether the minimum itself is kept.
        max_closed_interval: Whether the maximum itself is kept.
        reversed_range: Whether values outside the range are kept instead.
    """

    # Strict: like Data-Juicer, does not accept "0.6" or true as a number.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    bounds: ClassVar[tuple[str, str]] = ("min_ratio", "max_ratio")

    min_closed_interval: bool = True
    max_closed_interval: bool = True
    reversed_range: bool = False

    @property
    def least(self) -> float | None:
        """The minimum value that is kept; None: no limit."""
        value: float | None = getattr(self, self.bounds[0])
        return value

    @property
    def largest(self) -> float | None:
        """The maximum value that is kept; None: no limit."""
        value: float | None = getattr(self, self.bounds[1])
        return value

    def shaping(self) -> dict[str, Any]:
        """The parameters that the statistic depends on, as JSON values."""
        return {}


class AlphanumericParameters(Parameters):
    """Parameters of ``alphanumeric_filter``."""

    tokenization: Literal[False] = False
    min_ratio: float | None = 0.25
    max_ratio: float | None = sys.maxsize


class CharacterRepetitionParameters(Parameters):
    """Parameters of ``character_repetition_filter``."""

    rep_len: RepLen = 10
    min_ratio: float | None = 0.0
    max_ratio: float | None = 0.5

    def shaping(self) -> dict[str, Any]:
        """The length of the n-grams."""
        return {"rep_len": self.rep_len}


class FlaggedWordsParameters(Parameters):
    """Parameters of ``flagged_words_filter``, plus our own ``flagged_words``, the list itself."""

    lang: str = "en"
    tokenization: Literal[False] = False
    min_ratio: float | None = 0.0
    max_ratio: float | None = 0.045
    flagged_words_dir: str | None = None
    flagged_words: list[str] | None = None
    use_words_aug: Literal[False] = False
    words_aug_group_sizes: list[int] = [2]
    words_aug_join_char: str = ""

    _words: FlaggedWords = FlaggedWords(frozenset())

    def with_words(self, words: frozenset[str]) -> "FlaggedWordsParameters":
        """A copy with the word list ``words``."""
        copy = self.model_copy()
        copy._words = FlaggedWords(words)
        return copy

    @property
    def words(self) -> FlaggedWords:
        """The words to look for."""
        return self._words

    def shaping(self) -> dict[str, Any]:
        """The words, wherever they came from."""
        return {"flagged_words": sorted(self._words.words)}


class SpecialCharactersParameters(Parameters):
    """Parameters of ``special_characters_filter``."""

    min_ratio: float | None = 0.0
    max_ratio: float | None = 0.25


class TextLengthParameters(Parameters):
    """Parameters of ``text_length_filter``."""

    bounds: ClassVar[tuple[str, str]] = ("min_len", "max_len")

    min_len: int | None = 10
    max_len: int | None = sys.maxsize


class TokenNumParameters(Parameters):
    """Parameters of ``token_num_filter``.

    Data-Juicer's default tokenizer is one of a hub: it is refused like any other of a hub.
    """

    bounds: ClassVar[tuple[str, str]] = ("min_num", "max_num")

    hf_tokenizer: str = "EleutherAI/pythia-6.9b-deduped"
    min_num: int | None = 10
    max_num: int | None = sys.maxsize

    _tokenizer: Tokenizer | None = None

    def with_tokenizer(self, tokenizer: Tokenizer) -> "TokenNumParameters":
        """A copy with the tokenizer that ``hf_tokenizer`` names."""
        copy = self.model_copy()
        copy._tokenizer = tokenizer
        return copy

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that counts."""
        assert self._tokenizer is not None  # noqa: S101 - recipes load it
        return self._tokenizer

    def shaping(self) -> dict[str, Any]:
        """The tokenizer, wherever it lies."""
        return {"tokenizer": self.tokenizer.digest}


class WordRepetitionParameters(Parameters):
    """Parameters of ``word_repetition_filter``."""

    lang: str = "en"
    tokenization: Literal[False] = False
    rep_len: RepLen = 10
    min_ratio: float | None = 0.0
    max_ratio: float | None = 0.5

    def shaping(self) -> dict[str, Any]:
        """The length of the n-grams."""
        return {"rep_len": self.rep_len}


class WordsNumParameters(Parameters):
    """Parameters of ``words_num_filter``."""

    bounds: ClassVar[tuple[str, str]] = ("min_num", "max_num")

    lang: str = "en"
    tokenization: Literal[False] = False
    min_num: int | None = 10
    max_num: int | None = sys.maxsize


@dataclass(frozen=True)
class Operator:
    """An operator.

    Attributes:
        name: Its name in recipes.
        statistic: Name of the statistic that it judges by.
        measure: Computes the statistic of each text, float64 or int64 [texts].
    """

    name: str
    statistic: str
    parameters: type[Parameters]
    measure: Callable[[Texts, Any], Statistic]


OPERATORS = {
    operator.name: operator
    for operator in (
        Operator(
            "alphanumeric_filter",
            "alnum_ratio",
            AlphanumericParameters,
            lambda texts, _: ratios.alphanumeric_ratio(texts),
        ),
        Operator(
            "character_repetition_filter",
            "char_rep_ratio",
            CharacterRepetitionParameters,
            lambda texts, given: ratios.character_repetition_ratio(texts, given.rep_len),
        ),
        Operator(
            "flagged_words_filter",
            "flagged_words_ratio",
            FlaggedWordsParameters,
            lambda texts, given: ratios.flagged_word_ratio(texts, given.words),
        ),
        Operator(
            "special_characters_filter",
            "special_char_ratio",
            SpecialCharactersParameters,
            lambda texts, _: ratios.special_character_ratio(texts),
        ),
        Operator(
            "text_length_filter",
            "text_len",
            TextLengthParameters,
            lambda texts, _: ratios.text_length(texts),
        ),
        Operator(
            "token_num_filter",
            "num_token",
            TokenNumParameters,
            lambda texts, given: given.tokenizer.counts(texts.texts),
        ),
        Operator(
            "word_repetition_filter",
            "word_rep_ratio",
            WordRepetitionParameters,
            lambda texts, given: ratios.word_repetition_ratio(texts, given.rep_len),
        ),
        Operator(
            "words_num_filter",
            "num_words",
            WordsNumParameters,
            lambda texts, _: ratios.word_count(texts),
        ),
    )
}
"""The operators by name."""

EXECUTION_PARAMETERS = frozenset(
    {
        "accelerator",
        "adaptive_batching",
        "auto_op_parallelism",
        "batch_mode",
        "batch_size",
        "cpu_required",
        "gpu_required",
        "mem_required",
        "memory",
        "num_cpus",
        "num_gpus",
        "num_proc",
        "ray_execution_mode",
        "runtime_env",
        "skip_op_error",
        "turbo",
        "work_dir",
    }
)
"""Parameters of every Data-Juicer operator that affect how it runs but not what it decides; they
have no meaning here and are ignored."""
