"""Questions that a caption of the scene world answers by itself.

A caption is read back into a scene in which whatever it leaves open is None; the scene world's own
questions are asked about it, of the kinds that need nothing that is open.
"""

import random

from synthvlm.scenes.grammar import parse
from synthvlm.scenes.questions import Question, ask_all
from synthvlm.scenes.world import PLACES, RELATIONS, SIZE, Scene, Thing

_FAR = 15.0  # pixels from the middle at which a thing surely lies on its side
_CORNERS = ((17.0, 17.0), (47.0, 17.0), (17.0, 47.0), (47.0, 47.0))
_ALWAYS = ("existence", "colour", "shape", "count")


def questions_of(caption: str, rng: random.Random) -> list[Question]:
    """One question of every kind that the caption answers.

    Args:
        caption: A caption, in the language of the scene world or not.
        rng: Chooses what to ask, and the wording.

    Returns:
        The questions; none for a caption that is not in that language.
    """
    meaning = parse(caption)
    if meaning is None or sum(group.count for group in meaning.groups) > len(_CORNERS):
        return []
    groups = [group for group in meaning.groups for _ in range(group.count)]
    points = list(_CORNERS)
    if meaning.place:
        points[0] = PLACES[meaning.place]
    if meaning.relation:
        right, down = RELATIONS[meaning.relation]
        points[:2] = [
            (SIZE / 2 + sign * right * _FAR, SIZE / 2 + sign * down * _FAR) for sign in (1, -1)
        ]
    # One size that is not told may be any: then no thing can be told by its size.
    has_sizes = all(group.size for group in groups)
    things = tuple(
        Thing(group.shape, group.colour, (has_sizes and group.size) or "", x, y)
        for group, (x, y) in zip(groups, points, strict=False)
    )
    told = {
        "size": has_sizes,
        "background": meaning.background is not None,
        "relation": meaning.relation is not None,
        "place": meaning.place is not None,
    }
    kinds = [*_ALWAYS, *(kind for kind, is_told in told.items() if is_told)]
    return ask_all(Scene(meaning.background or "", things), rng, kinds)
