# ruff: noqa: RUF001 - characters that are easily confused are the point of these texts
"""Texts that trip up statistics: odd characters and lengths, repetition, flagged words."""

import random
from collections.abc import Callable, Sequence

WORDS = [
    *("a", "the", "of", "on", "and", "with", "near", "red", "blue", "green", "large", "small"),
    *("circle", "square", "triangle", "star", "dog", "man", "woman", "riding", "sitting", "street"),
    *("table", "Kitchen", "Σίσυφος", "ΟΔΟΣ", "İstanbul", "straße", "ǅungla", "ﬁsh", "Ωmega"),
    *("naïve", "café", "東京", "ночь", "Год", "Г", "ГОД", "x", "3", "42nd", "don't", "e.g."),
    *("self-portrait", ":-)", "…", "—", "👍", "🎉party", "«quoted»", "(braced)", "A.B.C."),
    *("nsfw", "PORN!", "(gore)", "#fuck*", "rape-seed", "Shitty,"),
]

_ALPHABETS: Sequence[str] = (
    "ab",
    "abc \n\t",
    "abcdefghijklmnopqrstuvwxyz     ",
    "ABCxyz 019 .,;:!?-_/\\'\"()[]{}<>@#$%^&*+=~`|",
    " \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u2002\u2028\u3000\u200b\ufeff\u00adx",
    "aÀéßœİıǅŉΣσςſKÅﬁΐԱ",
    "ГгنهーッツシﾏI¼½¾¹²³٪₨€£¥ıºª−–—…•●★☆✦",
    "東京都の写真を撮る人、雨。！？「」",
    "😀😂🥲🫩🪉🏳️‍🌈👩‍👩‍👧‍👦👍🏽🇩🇪⌚⌛☀️™©®ℹ️0️⃣#️⃣",
    "".join(
        map(chr, (0, 1, 0x7F, 0x300, 0x301, 0x20DD, 0x0E33, 0x1F1E6, 0x10FFFF, 0xFFFD, 0x1D7D8))
    ),
)


def hard_texts(count: int, seed: int) -> list[str]:
    """``count`` texts, the same for the same seed."""
    rng = random.Random(seed)
    makers: Sequence[Callable[[random.Random], str]] = (
        _characters,
        _any_characters,
        _periodic,
        _sentence,
        _repeated_phrase,
        _scene,
        _mixture,
    )
    return ["", *(rng.choice(makers)(rng) for _ in range(count - 1))]


def scenes(count: int, seed: int) -> list[str]:
    """``count`` captions of scenes of coloured shapes, the same for the same seed."""
    rng = random.Random(seed)
    return [_scene(rng) for _ in range(count)]


def _characters(rng: random.Random) -> str:
    alphabet = rng.choice(_ALPHABETS)
    return "".join(rng.choices(alphabet, k=_length(rng)))


def _any_characters(rng: random.Random) -> str:
    codes = (rng.randrange(rng.choice((0x80, 0x800, 0x3000, 0x20000, 0x110000))) for _ in range(40))
    return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)


def _periodic(rng: random.Random) -> str:
    """A piece again and again, with a few characters changed."""
    piece = _characters(rng)[: rng.randint(1, 30)] or "x"
    text = list((piece * 400)[: _length(rng)])
    for _ in range(rng.choice((0, 0, 1, 5))):
        if text:
            text[rng.randrange(len(text))] = rng.choice(rng.choice(_ALPHABETS))
    return "".join(text)


def _sentence(rng: random.Random) -> str:
    words = rng.choices(WORDS, k=rng.choice((1, 5, 9, 10, 11, 12, 20, 60)))
    return rng.choice((" ", " ", "  ", "\n", "\t ", ", ")).join(words)


def _repeated_phrase(rng: random.Random) -> str:
    """A phrase of about as many words as an n-gram has, several times."""
    phrase = rng.choices(WORDS, k=rng.randint(3, 14))
    words = [word for _ in range(rng.randint(1, 6)) for word in phrase]
    for _ in range(rng.choice((0, 1, 2))):
        words.insert(rng.randrange(len(words) + 1), rng.choice(WORDS))
    if rng.random() < 0.3:
        words = [word.upper() if rng.random() < 0.3 else word for word in words]
    return " ".join(words)


def _scene(rng: random.Random) -> str:
    def thing() -> str:
        size, colour = rng.choice(("small", "large")), rng.choice(("red", "blue", "green"))
        return f"a {size} {colour} {rng.choice(('circle', 'square', 'star'))}"

    return f"{thing()} {rng.choice(('above', 'left of', 'next to'))} {thing()} and {thing()}"


def _mixture(rng: random.Random) -> str:
    return "".join(maker(rng) for maker in (_sentence, _characters, _periodic))


def _length(rng: random.Random) -> int:
    return rng.choice((0, 1, 2, 8, 9, 10, 11, 12, 19, 20, 40, 80, 200, rng.randint(0, 3000)))
