"""Whether what a caption means holds in a scene."""

from itertools import permutations

from synthvlm.scenes.grammar import Group, Meaning
from synthvlm.scenes.world import Scene, Thing, place_of, relation_between


def failures(meaning: Meaning, scene: Scene) -> list[str]:
    """Lists what ``meaning`` claims and ``scene`` contradicts; empty when it is true.

    The groups must account for all things: a caption of one circle is not true of two.
    """
    found: list[str] = []
    if meaning.background is not None and meaning.background != scene.background:
        found.append(f"the background is {scene.background}, not {meaning.background}")
    expected = sum(g.count for g in meaning.groups)
    if expected != len(scene.things):
        found.append(f"there are {len(scene.things)} things, not {expected}")
        return found
    orders = [o for o in permutations(scene.things) if _fits(meaning.groups, o)]
    if not orders:
        found.append("the things are " + ", ".join(_name(t) for t in scene.things))
        return found
    if meaning.relation is not None and not any(
        relation_between(o[0], o[1]) == meaning.relation for o in orders
    ):
        found.append(f"the first is not {meaning.relation} of the second")
    if meaning.place is not None and place_of(scene.things[0]) != meaning.place:
        found.append(f"it lies in the {place_of(scene.things[0])}, not the {meaning.place}")
    return found


def holds(meaning: Meaning, scene: Scene) -> bool:
    """Tells whether ``meaning`` is true of ``scene``."""
    return not failures(meaning, scene)


def _fits(groups: tuple[Group, ...], things: tuple[Thing, ...]) -> bool:
    rest = iter(things)
    return all(
        thing.colour == group.colour
        and thing.shape == group.shape
        and group.size in (None, thing.size)
        for group in groups
        for thing in (next(rest) for _ in range(group.count))
    )


def _name(thing: Thing) -> str:
    return f"a {thing.size} {thing.colour} {thing.shape}"
