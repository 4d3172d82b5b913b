"""The statistics as their definitions read: character by character, word by word."""

import math
import string
from collections import Counter
from importlib import resources

_TABLE = resources.files("synthvlm.caption.statistics") / "special_characters.txt"


def special_characters():
    table = [line for line in _TABLE.read_text("utf-8").splitlines() if not line.startswith("#")]
    found = set()
    for line in table:
        first, _, last = line.partition("-")
        found |= {chr(code) for code in range(int(first, 16), int(last or first, 16) + 1)}
    return found


SPECIAL = special_characters()
assert set(string.punctuation + string.digits + string.whitespace) < SPECIAL


def ratio(part, whole):
    return part / whole if whole else 0.0


def words_of(text):
    for separator in "\n\t":
        text = text.replace(separator, " ")
    return [word for word in (strip(word) for word in text.split(" ")) if word]


def strip(word):
    while word and word[0] in SPECIAL:
        word = word[1:]
    while word and word[-1] in SPECIAL:
        word = word[:-1]
    return word


def ngrams(sequence, size):
    return Counter(tuple(sequence[i : i + size]) for i in range(len(sequence) - size + 1))


def character_repetition(text, size):
    counts = sorted(ngrams(text, size).values(), reverse=True)
    once = counts.count(1)
    top = min(math.isqrt(len(counts)), len(counts) - once)
    return ratio(sum(counts[:top]), sum(counts))


def word_repetition(text, size):
    counts = ngrams(words_of(text.lower()), size)
    return ratio(sum(n for n in counts.values() if n > 1), counts.total())


def statistics(text, flagged, size=10):
    words = words_of(text.lower())
    return {
        "alnum_ratio": ratio(sum(map(str.isalnum, text)), len(text)),
        "char_rep_ratio": character_repetition(text, size),
        "flagged_words_ratio": ratio(sum(word in flagged for word in words), len(words)),
        "special_char_ratio": ratio(sum(c in SPECIAL for c in text), len(text)),
        "word_rep_ratio": word_repetition(text, size),
        "text_len": len(text),
        "num_words": len(words_of(text)),
    }
