"""What the kills did, as a table."""

from collections.abc import Sequence
from statistics import median

from benchmarks.kills.aims import MOMENTS
from benchmarks.kills.attempts import Kill, KilledHome
from tests.e2e.victims import VICTIMS

_HEAD = ("stage", *VICTIMS, "kills", "same digest", "median s lost")


def table(homes: Sequence[KilledHome]) -> str:
    """A Markdown table of stages and victims; the last columns are about the whole row."""
    kills = [(kill, not home.problems) for home in homes for kill in home.kills]
    rows = [_row(stage, [one for one in kills if one[0].stage == stage]) for stage in MOMENTS]
    return "\n".join(
        f"| {' | '.join(row)} |"
        for row in (_HEAD, ("---",) * len(_HEAD), *rows, _row("all", kills))
    )


def _row(name: str, kills: Sequence[tuple[Kill, bool]]) -> tuple[str, ...]:
    victims = [sum(kill.victim == victim for kill, _ in kills) for victim in VICTIMS]
    lost = [kill.lost for kill, _ in kills if kill.lost is not None]
    good = sum(is_good for _, is_good in kills)
    seconds = f"{median(lost):.1f}" if lost else ""
    return (name, *map(str, victims), str(len(kills)), str(good), seconds)
