"""Whether what a caption means holds in a scene."""

from collections import Counter
from itertools import permutations

from synthvlm.scenes.grammar import SIDES, Group, Meaning
from synthvlm.scenes.world import Scene, Thing, place_of, relation_between


def failures(meaning: Meaning, scene: Scene) -> list[str]:
    """Lists where ``scene`` contradicts ``meaning``; empty when the meaning is true.

    The groups must account for all things: a caption of one circle is not true of two.
    """
    found: list[str] = []
    if meaning.background is not None and meaning.background != scene.background:
        found.append(f"the background is {scene.background}, not {meaning.background}")
    expected = sum(g.count for g in meaning.groups)
    if expected != len(scene.things):
        there = "is 1 thing" if len(scene.things) == 1 else f"are {len(scene.things)} things"
        found.append(f"there {there}, not {expected}")
        return found
    if not _accounts_for(meaning.groups, scene.things):
        found.append("the things are " + ", ".join(_name(t) for t in scene.things))
        return found
    if meaning.relation is not None and not any(
        relation_between(a, b) == meaning.relation
        for a, b in permutations(scene.things, 2)
        if _fits(meaning.groups[0], a) and _fits(meaning.groups[1], b)
    ):
        found.append(f"the first is not {SIDES[meaning.relation]} the second")
    if meaning.place is not None and place_of(scene.things[0]) != meaning.place:
        found.append(f"it lies in the {place_of(scene.things[0])}, not the {meaning.place}")
    return found


def holds(meaning: Meaning, scene: Scene) -> bool:
    """Whether ``meaning`` is true of ``scene``."""
    return not failures(meaning, scene)


def _accounts_for(groups: tuple[Group, ...], things: tuple[Thing, ...]) -> bool:
    """Whether every thing can be given to a group and every group gets its number.

    Counts instead of trying assignments: an image of noise may have many things.
    """
    wanted, there = Counter[tuple[str, str]](), Counter((t.colour, t.shape) for t in things)
    sized = Counter[tuple[str, str, str]]()
    for group in groups:
        wanted[group.colour, group.shape] += group.count
        if group.size is not None:
            sized[group.colour, group.shape, group.size] += group.count
    return wanted == there and sized <= Counter((t.colour, t.shape, t.size) for t in things)


def _fits(group: Group, thing: Thing) -> bool:
    return (
        thing.colour == group.colour
        and thing.shape == group.shape
        and group.size in (None, thing.size)
    )


def _name(thing: Thing) -> str:
    return f"a {thing.size} {thing.colour} {thing.shape}"
