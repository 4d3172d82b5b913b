"""The language of the scene world: meanings, their many wordings, and the way back.

``phrase`` turns a :class:`Meaning` into one of its wordings and ``parse`` turns any wording back
into its meaning, so captions are compared by what they say, not by how they say it.
"""

import random
import re
from dataclasses import dataclass
from typing import Final

from synthvlm.scenes.world import BACKGROUNDS, COLOURS, PLACES, RADII, SHAPES

SHAPE_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "circle": ("circle", "disc"),
    "square": ("square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
    "cross": ("cross", "plus"),
    "diamond": ("diamond",),
}
SIZE_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "small": ("small", "tiny"),
    "big": ("big", "large"),
}
RELATION_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "left": ("to the left of", "left of", "on the left of"),
    "right": ("to the right of", "right of", "on the right of"),
    "above": ("above", "up above", "on top of"),
    "below": ("below", "under", "beneath"),
}
SIDES: Final = {"left": "left of", "right": "right of", "above": "above", "below": "below"}
"""The plainest wording of each relation, used in answers and reasons."""

NUMBERS: Final[dict[int, str]] = {1: "one", 2: "two", 3: "three", 4: "four"}
SURFACES: Final = ("wall", "page", "sheet", "card")
VIEWS: Final = ("view", "pic", "image", "frame")
OPENINGS_ONE: Final = ("there is ", "here is ", "we see ", "this is a pic of ", "i can see ")
OPENINGS_MANY: Final = ("there are ", "here are ", "we see ", "this is a pic of ", "i can see ")

_FILLERS: Final = frozenset(
    "a an and there is are here we see this i can it of pic image the in at sits lies".split()
)


@dataclass(frozen=True, slots=True)
class Group:
    """``count`` things of one kind; ``size`` is None when it is not mentioned."""

    count: int
    colour: str
    shape: str
    size: str | None = None


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a caption claims: nothing about what is None, and no things besides the groups.

    ``relation`` is the side of the second group on which the first one lies, ``place`` where the
    only thing lies.
    """

    groups: tuple[Group, ...]
    relation: str | None = None
    place: str | None = None
    background: str | None = None


def phrase(meaning: Meaning, rng: random.Random) -> str:
    """Words ``meaning`` in one of many ways; the same state of ``rng`` gives the same words."""
    shared = _shared_size(meaning, rng)
    nouns = [_noun(g, rng, with_size=shared is None) for g in meaning.groups]
    many = sum(g.count for g in meaning.groups) > 1
    ground = f"a {meaning.background} {rng.choice(SURFACES)}" if meaning.background else None
    tail = ""
    if meaning.relation is not None:
        verb = rng.choice(("", "is ", "sits ", "lies "))
        body = f"{nouns[0]} {verb}{rng.choice(RELATION_WORDS[meaning.relation])} {nouns[1]}"
        opening = rng.choice(("", "", "we see ", "there is ")) if not verb else ""
    else:
        body = nouns[0] if len(nouns) == 1 else ", ".join(nouns[:-1]) + " and " + nouns[-1]
        opening = rng.choice(OPENINGS_MANY if many else OPENINGS_ONE)
        if ground and not many and rng.random() < 0.3:
            opening = ""
    if shared is not None:
        tail += f", {'both' if len(meaning.groups) == 2 else 'all'} {shared}"
    if meaning.place is not None:
        preposition = rng.choice(("in", "at"))
        tail += f" {preposition} the {meaning.place} of the {rng.choice(VIEWS)}"
    if ground is None:
        return f"{opening}{body}{tail}" + rng.choice(("", "."))
    if rng.random() < 0.3:
        return f"on {ground}, {opening}{body}{tail}" + rng.choice(("", "."))
    comma = "," if tail or many or rng.random() < 0.5 else ""
    return f"{opening}{body}{tail}{comma} on {ground}" + rng.choice(("", "."))


def _shared_size(meaning: Meaning, rng: random.Random) -> str | None:
    """A size said once for all groups, which keeps wordings from repeating themselves."""
    sizes = {g.size for g in meaning.groups}
    if len(meaning.groups) < 2 or len(sizes) != 1 or None in sizes:
        return None
    (size,) = sizes
    return rng.choice(SIZE_WORDS[str(size)])


def _noun(group: Group, rng: random.Random, *, with_size: bool) -> str:
    words = [group.colour, rng.choice(SHAPE_WORDS[group.shape])]
    if group.size is not None and with_size:
        words.insert(0, rng.choice(SIZE_WORDS[group.size]))
    if group.count > 1:
        words[-1] = plural(words[-1])
        return " ".join([NUMBERS[group.count], *words])
    article = rng.choice(("a", "a", "a", "one"))
    if article == "a" and words[0][0] in "aeiou":
        article = "an"
    return " ".join([article, *words])


def plural(word: str) -> str:
    """The plural of a noun of the scene world, for example ``boxes``."""
    return word + ("es" if word[-1] in "sx" else "s")


def _lookup(words: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {w: name for name, choices in words.items() for w in choices}


_SIZES: Final = _lookup(SIZE_WORDS)
_SINGULAR: Final = _lookup(SHAPE_WORDS)
_SHAPES: Final = _SINGULAR | {plural(w): s for w, s in _SINGULAR.items()}
_RELATIONS: Final = _lookup(RELATION_WORDS)
_COUNTS: Final = {"a": 1, "an": 1, "the": 1} | {w: n for n, w in NUMBERS.items()}


def _any(words: object) -> str:
    return "|".join(sorted(map(re.escape, words), key=lambda w: (-len(w), w)))  # type: ignore[call-overload]


_GROUND_RE: Final = re.compile(rf"\bon (?:a|the) ({_any(BACKGROUNDS)}) (?:{_any(SURFACES)})\b")
_PLACE_RE: Final = re.compile(rf"\b(?:in|at) the ({_any(PLACES)}) of the (?:{_any(VIEWS)})\b")
_SHARED_RE: Final = re.compile(rf"\b(?:both|all) ({_any(_SIZES)})\b")
_GROUP_RE: Final = re.compile(
    rf"\b({_any(_COUNTS)}) (?:({_any(_SIZES)}) )?({_any(COLOURS)}) ({_any(_SHAPES)})\b"
)
_RELATION_RE: Final = re.compile(rf"\b({_any(_RELATIONS)})\b")


def parse(text: str) -> Meaning | None:
    """Reads a caption.

    Returns:
        What it claims, or None when it is not entirely in the language of the scene world (or
        claims two things about the same property).
    """
    rest = " ".join(re.sub(r"[^\w\s]", " ", text.lower()).split()).replace("gray", "grey")
    rest, grounds = _take(_GROUND_RE, rest)
    rest, places = _take(_PLACE_RE, rest)
    rest, shared = _take(_SHARED_RE, rest)
    rest, found = _take(_GROUP_RE, rest)
    rest, relations = _take(_RELATION_RE, rest)
    left_over = set(rest.split()) - _FILLERS
    if left_over or not found or max(len(grounds), len(places), len(shared), len(relations)) > 1:
        return None
    size = _SIZES[shared[0][0]] if shared else None
    groups = []
    for count, own, colour, shape in found:
        if own and size:
            return None
        groups.append(Group(_COUNTS[count], colour, _SHAPES[shape], _SIZES[own] if own else size))
    relation = _RELATIONS[relations[0][0]] if relations else None
    pair = len(groups) == 2 and all(g.count == 1 for g in groups)
    lone = len(groups) == 1 and groups[0].count == 1
    if (relation and not pair) or (places and not lone):
        return None
    return Meaning(
        tuple(groups),
        relation,
        places[0][0] if places else None,
        grounds[0][0] if grounds else None,
    )


def _take(pattern: re.Pattern[str], text: str) -> tuple[str, list[tuple[str, ...]]]:
    """Removes all matches; a bar keeps the words around a match apart."""
    found = [m.groups() for m in pattern.finditer(text)]
    return " ".join(pattern.sub(" ", text).split()), found


VOCABULARY: Final = tuple(
    sorted(
        set(_FILLERS)
        | set(COLOURS)
        | set(BACKGROUNDS)
        | set(_SHAPES)
        | set(_SIZES)
        | set(RADII)
        | set(SHAPES)
        | set(SURFACES)
        | set(VIEWS)
        | set(NUMBERS.values())
        | {w for phrases in (_RELATIONS, PLACES) for p in phrases for w in p.split()}
        | {"both", "all", "on"}
    )
)


def foreign_words(text: str) -> list[str]:
    """The words of ``text`` that no caption of the scene world uses, in order, each once."""
    words = re.findall(r"\w+", text.lower().replace("gray", "grey"))
    return [word for word in dict.fromkeys(words) if word not in VOCABULARY]
