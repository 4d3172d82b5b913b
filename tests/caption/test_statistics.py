"""The vectorised statistics equal Data-Juicer's, bit for bit, whatever text and batch."""

import json
from pathlib import Path

import pytest
import yaml
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.caption.locations import Locations
from synthvlm.caption.recipe import parse_recipe
from synthvlm.caption.rules import judge
from synthvlm.caption.statistics import hashing
from synthvlm.caption.statistics.characters import ALNUM, SEPARATOR, SPECIAL, character_kinds
from synthvlm.caption.statistics.ratios import (
    FlaggedWords,
    character_repetition_ratio,
    flagged_word_ratio,
    word_repetition_ratio,
)
from synthvlm.caption.statistics.texts import Texts
from tests.caption import reference

GOLDEN = Path(__file__).parent / "golden" / "statistics.json.zst"
FLAGGED = ["gore", "naïve", "x", "ab", "красный"]


def recipe(size=10, flagged=FLAGGED):
    process = [
        {"alphanumeric_filter": None},
        {"character_repetition_filter": {"rep_len": size}},
        {"flagged_words_filter": {"flagged_words": list(flagged)}},
        {"special_characters_filter": None},
        {"word_repetition_filter": {"rep_len": size}},
        {"text_length_filter": None},
        {"words_num_filter": None},
    ]
    return parse_recipe(yaml.safe_dump({"process": process}), Locations([]))


def statistics(texts, size=10, flagged=FLAGGED):
    verdicts = judge(recipe(size, flagged).rules, texts)
    return [verdicts.statistics_of(number) for number in range(len(texts))]


# Small alphabets repeat; words of a few letters, special characters and odd capitals make the rest.
CHARACTERS = st.one_of(
    st.sampled_from("ab "),
    st.sampled_from("aB \n\t.,!-#1éİßΣσςГǅ東。…😀\u200d\u3000\x1c\x00"),
    st.characters(),
)
TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=60),
    st.lists(st.sampled_from(["a", "ab", "Gore!", "naïve", "-", "x", "ΟΣ"]), max_size=40).map(
        " ".join
    ),
    st.tuples(st.text(CHARACTERS, min_size=1, max_size=12), st.integers(1, 30)).map(
        lambda piece: piece[0] * piece[1]
    ),
)


def test_they_are_those_of_data_juicer():
    golden = json.loads(zstandard.decompress(GOLDEN.read_bytes()))
    process = [{entry["name"]: dict(entry["parameters"])} for entry in golden["operators"]]
    for entry in process:
        if "flagged_words_filter" in entry:
            entry["flagged_words_filter"]["flagged_words"] = golden["words"]
    rules = parse_recipe(yaml.safe_dump({"process": process}), Locations([])).rules
    verdicts = judge(rules, golden["texts"])
    assert len(golden["texts"]) == 700
    for number, expected in enumerate(golden["stats"]):
        assert verdicts.statistics_of(number) == expected, golden["texts"][number]
    assert (~verdicts.drops).tolist() == golden["keep"]


@given(st.lists(TEXTS, max_size=8), st.integers(1, 12))
@settings(deadline=None, max_examples=150)
def test_they_are_those_of_the_definitions(texts, size):
    assert statistics(texts, size) == [reference.statistics(t, FLAGGED, size) for t in texts]


@given(st.lists(TEXTS, max_size=8), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_a_text_does_not_depend_on_its_batch(texts, random):
    together = statistics(texts)
    assert together == [one for text in texts for one in statistics([text])]
    order = list(range(len(texts)))
    random.shuffle(order)
    assert statistics([texts[n] for n in order]) == [together[n] for n in order]


@pytest.mark.parametrize("base", [0, 1, 2**63, 2**33 + 1])
@given(st.lists(TEXTS, max_size=6), st.integers(1, 6))
@settings(deadline=None, max_examples=60)
def test_colliding_hashes_change_nothing(base, texts, size):
    """With bases so bad that most n-grams and words share their hash with others."""
    with pytest.MonkeyPatch.context() as patch:
        # Words are hashed with inverses, which only odd bases have.
        patch.setattr(hashing, "BASE", base)
        flagged = FlaggedWords(frozenset(FLAGGED)) if base % 2 else None
        batch = Texts(texts)
        characters = character_repetition_ratio(batch, size).tolist()
        words = word_repetition_ratio(batch, size).tolist() if base % 2 else None
        found = flagged_word_ratio(batch, flagged).tolist() if flagged else None
    expected = [reference.statistics(text, FLAGGED, size) for text in texts]
    assert characters == [each["char_rep_ratio"] for each in expected]
    if base % 2:
        assert words == [each["word_rep_ratio"] for each in expected]
        assert found == [each["flagged_words_ratio"] for each in expected]


@pytest.mark.parametrize("length", [9, 10, 11, 16_384, 140_000])
def test_texts_of_any_length(length):
    texts = ["a" * length, "ab c" * (length // 4), "x"]
    assert statistics(texts) == [reference.statistics(text, FLAGGED) for text in texts]


def test_no_texts():
    verdicts = judge(recipe().rules, [])
    assert verdicts.keep.shape == (0,)
    assert verdicts.first_drops() == dict.fromkeys(verdicts.rules, 0)


def test_an_empty_text_has_statistics():
    assert set(statistics([""])[0].values()) == {0}


def test_lone_surrogates_are_characters():
    text = "a\ud800b" * 5
    assert statistics([text]) == [reference.statistics(text, FLAGGED)]


def test_a_word_list_may_be_empty():
    assert statistics(["gore"], flagged=[])[0]["flagged_words_ratio"] == 0


def test_the_kinds_of_characters():
    kinds = character_kinds()
    assert kinds.shape == (0x110000,)
    separators = {chr(code) for code in range(len(kinds)) if kinds[code] & SEPARATOR}
    assert separators == {"\n", "\t", " "}
    assert all(kinds[ord(c)] & SPECIAL for c in separators | set("!~09😀…"))
    assert not any(kinds[ord(c)] & SPECIAL for c in "azé東г")
    assert all(kinds[ord(c)] & ALNUM for c in "aé9東½")


@given(st.lists(st.text(max_size=5), min_size=1, max_size=5))
@settings(deadline=None)
def test_hashes_of_words_and_of_the_list_agree(words):
    texts = Texts(words)
    spans = hashing.span_hashes(texts.codes, texts.starts, texts.starts + texts.lengths)
    assert spans.tolist() == [hashing.text_hash(word) for word in words]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 17))
@settings(deadline=None)
def test_windows_with_equal_content_have_equal_hashes(symbols, size):
    import numpy as np

    hashes = hashing.window_hashes(np.array(symbols, np.uint32), size)
    windows = [tuple(symbols[i : i + size]) for i in range(len(symbols) - size + 1)]
    assert len(hashes) == len(windows)
    assert len(set(hashes.tolist())) == len(set(windows))
