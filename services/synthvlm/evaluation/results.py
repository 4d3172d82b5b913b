"""The record of an evaluation, whichever harness its results come from."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

RECORD_FILE = "evaluation.json"
"""The record's name within its shard."""

KIND = "evaluation"
"""Kind of the shards of evaluations."""

Unit = Literal["share", "perplexity", "points"]
"""What a value is: a share of 0 to 1, a perplexity of 1 or more (less is better), or points on the
scale of the benchmark."""

Condition = Literal["image", "blank-image", "text-only", "majority", "language-model"]
"""Who answers: the model with the image, with an empty one or without any; whoever always gives the
commonest answer of the kind; the language model that the model was made from."""

Scorer = Literal["lm-eval", "lmms-eval", "counting"]
"""Who scored the answers: a harness, or ``counting`` for what follows from the truths alone."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(_Frozen):
    """A value with its interval.

    Attributes:
        value: The value, in the result's unit.
        low: Lower end of the interval; None where the value is no mean of answers.
        high: Upper end; None as ``low``.
        questions: Answers that it is made of.
    """

    value: float
    low: float | None = None
    high: float | None = None
    questions: int = Field(ge=0)


class Group(_Frozen):
    """A part of a benchmark's questions: those with ``name`` in the property ``by``."""

    by: str
    name: str
    estimate: Estimate


class Result(_Frozen):
    """What a benchmark gives under a condition.

    Attributes:
        benchmark: Its name, as ``docs/evaluate.md`` lists it.
        metric: The harness's name of the metric.
        groups: The same by properties of the questions, such as kind and number of things.
    """

    benchmark: str
    condition: Condition
    metric: str
    unit: Unit
    harness: Scorer
    estimate: Estimate
    groups: list[Group] = []


class Margin(_Frozen):
    """By how much the model with the image is above a baseline on the same questions.

    Attributes:
        difference: In the unit of the benchmark; its interval is that of a paired bootstrap.
    """

    benchmark: str
    over: Condition
    difference: float
    low: float
    high: float


class EvaluatedModel(_Frozen):
    """The model: what it is called, and the digest of its files."""

    name: str
    digest: str


class EvaluationRecord(_Frozen):
    """An evaluation; JSON by ``model_dump_json``. Nothing in it changes from run to run.

    Attributes:
        model: What was evaluated.
        language_model: Digest of the language model that it is compared with; empty for none.
        tasks: Digest of the shard of tasks; empty when all benchmarks are others' own.
        tasks_path: Its folder in the store.
        harnesses: Versions of the harnesses by name.
        settings: Everything that decides the answers, as JSON values.
        confidence: Level of the intervals, of percentile bootstrap over clusters of questions.
    """

    model: EvaluatedModel
    language_model: str = ""
    tasks: str = ""
    tasks_path: str = ""
    harnesses: dict[str, str]
    settings: dict[str, Any]
    confidence: float
    results: list[Result]
    margins: list[Margin] = []

    def headlines(self) -> list[str]:
        """A line on each benchmark that was asked with the image, and its distance to baselines."""
        lines = []
        for one in self.results:
            if one.condition != "image":
                continue
            value = one.estimate.value
            text = f"{100 * value:.1f} %" if one.unit == "share" else f"{value:.2f}"
            apart = ", ".join(
                f"{100 * margin.difference:+.1f} points over {margin.over} "
                f"({100 * margin.low:+.1f} to {100 * margin.high:+.1f})"
                for margin in self.margins
                if margin.benchmark == one.benchmark
            )
            lines.append(f"{one.benchmark} {text}{f', {apart}' if apart else ''}")
        return lines

    def result(self, benchmark: str, condition: Condition) -> Result | None:
        """The result of a benchmark under a condition; None if there is none."""
        for one in self.results:
            if (one.benchmark, one.condition) == (benchmark, condition):
                return one
        return None
