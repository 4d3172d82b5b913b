"""The kinds of characters, as one table over all code points."""

import functools
import sys
from importlib import resources

import numpy as np
import numpy.typing as npt

ALNUM = 1
"""Characters with ``str.isalnum()``."""
SPECIAL = 2
"""Data-Juicer's special characters, including every separator."""
SEPARATOR = 4
"""Characters that end a word: newline, tab and space."""

_SEPARATORS = "\n\t "


@functools.cache
def character_kinds() -> npt.NDArray[np.uint8]:
    """The kinds of each code point: a uint8 array of 0x110000 sums of the constants above."""
    characters = map(chr, range(sys.maxunicode + 1))
    kinds = np.fromiter(map(str.isalnum, characters), np.uint8, sys.maxunicode + 1)
    kinds[special_characters()] |= SPECIAL
    kinds[[ord(character) for character in _SEPARATORS]] |= SEPARATOR
    return kinds


@functools.cache
def special_characters() -> npt.NDArray[np.int64]:
    """The code points of Data-Juicer's special characters, ascending."""
    table = resources.files(__package__).joinpath("special_characters.txt").read_text("utf-8")
    ranges = [line.partition("-")[::2] for line in table.splitlines() if not line.startswith("#")]
    return np.concatenate(
        [np.arange(int(first, 16), int(last or first, 16) + 1) for first, last in ranges]
    )
