"""Applies a recipe's rules to captions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthvlm.caption.operators import Operator, Parameters, Statistic
from synthvlm.caption.statistics.texts import Texts

_BATCH_CHARACTERS = 1 << 17
"""Characters per batch: enough to amortise numpy's overhead, and few enough that the arrays stay in
the processor's cache."""


@dataclass(frozen=True)
class Rule:
    """An operator with its parameters."""

    operator: Operator
    parameters: Parameters

    def keeps(self, values: Statistic) -> npt.NDArray[np.bool_]:
        """Whether each value of the statistic is within the bounds, bool [texts]."""
        given = self.parameters
        kept = np.ones(len(values), np.bool_)
        # A reversed range keeps the values outside, so a closed end counts as outside.
        if given.least is not None:
            closed = given.min_closed_interval != given.reversed_range
            above = np.greater_equal if closed else np.greater
            kept &= above(values, given.least)
        if given.largest is not None:
            closed = given.max_closed_interval != given.reversed_range
            below = np.less_equal if closed else np.less
            kept &= below(values, given.largest)
        return ~kept if given.reversed_range else kept


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of rules on texts.

    Attributes:
        rules: Names of the rules, in the recipe's order.
        statistics: float64 [texts] by name, in the order in which the recipe needs them.
        drops: Whether each rule drops each text, bool [rules, texts].
    """

    rules: tuple[str, ...]
    statistics: Mapping[str, npt.NDArray[np.float64]]
    drops: npt.NDArray[np.bool_]

    @property
    def keep(self) -> npt.NDArray[np.bool_]:
        """Whether every rule keeps each text, bool [texts]."""
        kept: npt.NDArray[np.bool_] = np.logical_not(self.drops.any(axis=0))
        return kept

    def dropped_by(self, text: int) -> list[str]:
        """Names of the rules that drop text number ``text``, in the recipe's order."""
        return [self.rules[rule] for rule in np.flatnonzero(self.drops[:, text])]

    def statistics_of(self, text: int) -> dict[str, float]:
        """The statistics of text number ``text`` by name."""
        return {name: float(values[text]) for name, values in self.statistics.items()}

    def first_drops(self) -> dict[str, int]:
        """Number of texts that each rule is the first to drop, by name in the recipe's order."""
        dropped = self.drops.any(axis=0)
        first = self.drops.argmax(axis=0)[dropped]
        counts = np.bincount(first, minlength=len(self.rules))
        result: dict[str, int] = {}
        for name, count in zip(self.rules, counts, strict=True):
            result[name] = result.get(name, 0) + int(count)
        return result


def judge(rules: Sequence[Rule], texts: Sequence[str]) -> Verdicts:
    """Computes the statistics of texts and each rule's verdicts on them.

    A text's result does not depend on the others. Rules that need the same statistic share it.

    Args:
        rules: The rules; those with the same statistic must compute it with the same parameters.
        texts: The texts, of any length and number.
    """
    names = tuple(rule.operator.name for rule in rules)
    parts = [_judge(rules, names, batch) for batch in _batches(texts)]
    return Verdicts(
        names,
        {
            name: np.concatenate([part.statistics[name] for part in parts])
            for name in parts[0].statistics
        },
        np.concatenate([part.drops for part in parts], axis=1),
    )


def _judge(rules: Sequence[Rule], names: tuple[str, ...], texts: Sequence[str]) -> Verdicts:
    batch = Texts(texts)
    measured: dict[str, Statistic] = {}
    drops = np.empty((len(rules), len(texts)), np.bool_)
    for number, rule in enumerate(rules):
        operator = rule.operator
        if operator.statistic not in measured:
            measured[operator.statistic] = operator.measure(batch, rule.parameters)
        drops[number] = ~rule.keeps(measured[operator.statistic])
    statistics = {name: values.astype(np.float64) for name, values in measured.items()}
    return Verdicts(names, statistics, drops)


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    first, characters = 0, 0
    for number, text in enumerate(texts):
        if characters + len(text) > _BATCH_CHARACTERS and number > first:
            yield texts[first:number]
            first, characters = number, 0
        characters += len(text)
    yield texts[first:]
