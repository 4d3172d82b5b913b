"""From answers to results: whole benchmarks, their groups, and the majority baseline."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from synthvlm.evaluation.answers import Answer, Scored
from synthvlm.evaluation.bootstrap import clustered, difference, estimate
from synthvlm.evaluation.results import Estimate, Group, Margin, Result


def summarised(scored: Scored) -> Result:
    """The result of a benchmark under a condition."""
    if scored.value is not None:
        whole = Estimate(value=scored.value, questions=scored.questions)
        return _result(scored, whole, [])
    members: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for one in scored.answers:
        for by, name in one.groups.items():
            members[by, name].append(one)
    groups = [
        Group(by=by, name=name, estimate=estimate(some, scored.unit))
        for (by, name), some in sorted(members.items())
    ]
    return _result(scored, estimate(scored.answers, scored.unit), groups)


def _result(scored: Scored, whole: Estimate, groups: list[Group]) -> Result:
    return Result(
        benchmark=scored.benchmark,
        condition=scored.condition,
        metric=scored.metric,
        unit=scored.unit,
        harness=scored.harness,
        estimate=whole,
        groups=groups,
    )


def majority(scored: Scored, by: str) -> Scored:
    """What always giving the commonest answer of the group ``by`` would reach.

    The commonest is taken from the questions themselves, which no real answerer could know: a
    baseline that is a little too strong.
    """
    truths: dict[str, Counter[str]] = defaultdict(Counter)
    for one in scored.answers:
        truths[one.groups[by]][one.truth] += 1
    # Of equally common ones the first by the alphabet: the same for the same questions.
    commonest = {
        name: min(counts.items(), key=lambda item: (-item[1], item[0]))[0]
        for name, counts in truths.items()
    }
    answers: Sequence[Answer] = [
        replace(
            one,
            condition="majority",
            answer=commonest[one.groups[by]],
            score=float(commonest[one.groups[by]] == one.truth),
        )
        for one in scored.answers
    ]
    return replace(scored, condition="majority", harness="counting", answers=answers)


def margins(scored: Sequence[Scored]) -> list[Margin]:
    """How far each benchmark's answers with the image are above each of its baselines."""
    found = []
    for seen in scored:
        if seen.condition != "image" or seen.value is not None:
            continue
        for baseline in scored:
            if baseline is seen or baseline.benchmark != seen.benchmark:
                continue
            sums = clustered(baseline.answers), clustered(seen.answers)
            apart, low, high = difference(*sums, seen.unit)
            found.append(
                Margin(
                    benchmark=seen.benchmark,
                    over=baseline.condition,
                    difference=apart,
                    low=low,
                    high=high,
                )
            )
    return found
