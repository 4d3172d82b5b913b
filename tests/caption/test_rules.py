"""Bounds as Data-Juicer's filters have them, and what verdicts tell."""

import numpy as np
import pytest
import yaml

from synthvlm.caption.locations import Locations
from synthvlm.caption.recipe import load_recipe, parse_recipe
from synthvlm.caption.rules import judge


def keeps(text_lengths, **parameters):
    process = [{"text_length_filter": parameters}]
    rules = parse_recipe(yaml.safe_dump({"process": process}), Locations([])).rules
    return judge(rules, ["x" * length for length in text_lengths]).keep.tolist()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [False, True, True, True]),
        ({"min_closed_interval": False}, [False, False, True, True]),
        ({"max_closed_interval": False}, [False, True, True, False]),
        # Observed of Data-Juicer: the ends that belong, belong to what is kept then too.
        ({"reversed_range": True}, [True, True, False, True]),
        ({"reversed_range": True, "min_closed_interval": False}, [True, False, False, True]),
        ({"reversed_range": True, "max_closed_interval": False}, [True, True, False, False]),
    ],
)
def test_the_bounds(parameters, expected):
    assert keeps([1, 2, 3, 4], min_len=2, max_len=4, **parameters) == expected


def test_no_bounds():
    assert keeps([0, 9], min_len=None, max_len=None) == [True, True]


def test_verdicts_name_the_rules_in_the_recipes_order():
    rules = load_recipe("paper-rules", Locations([])).rules
    texts = [
        "A man is riding a red bicycle down the street.",
        "",
        "!!!! ---- 12 34 %%",
        "nsfw picture of a man on a red bicycle",
        "again and again and again and again and again and again and again and again",
    ]
    verdicts = judge(rules, texts)
    assert verdicts.keep.tolist() == [True, False, False, False, False]
    assert [verdicts.dropped_by(number) for number in range(len(texts))] == [
        [],
        ["alphanumeric_filter", "special_characters_filter", "text_length_filter"],
        ["alphanumeric_filter", "special_characters_filter"],
        ["flagged_words_filter"],
        ["character_repetition_filter", "word_repetition_filter"],
    ]
    assert verdicts.first_drops() == {
        "alphanumeric_filter": 2,
        "character_repetition_filter": 1,
        "flagged_words_filter": 1,
        "special_characters_filter": 0,
        "word_repetition_filter": 0,
        "text_length_filter": 0,
    }
    assert list(verdicts.statistics) == [
        "alnum_ratio",
        "char_rep_ratio",
        "flagged_words_ratio",
        "special_char_ratio",
        "word_rep_ratio",
        "text_len",
    ]
    assert all(values.dtype == np.float64 for values in verdicts.statistics.values())
