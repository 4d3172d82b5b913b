"""Recipes in Data-Juicer's format: what they mean, and what is refused."""

import json
import sys

import pytest
import yaml

from synthvlm.caption.locations import Locations
from synthvlm.caption.recipe import (
    load_recipe,
    parse_recipe,
    shipped_flagged_words,
    shipped_recipes,
)
from synthvlm.caption.rules import judge
from synthvlm.errors import InvalidInput

NOWHERE = Locations([])
NAMES = [
    "alphanumeric_filter",
    "character_repetition_filter",
    "flagged_words_filter",
    "special_characters_filter",
    "text_length_filter",
    "token_num_filter",
    "word_repetition_filter",
    "words_num_filter",
]
TOKENIZER = {"hf_tokenizer": "bundled:mini-llm"}


def recipe(*process, locations=NOWHERE):
    return parse_recipe(yaml.safe_dump({"process": list(process)}), locations)


def bounds(rule):
    return rule.parameters.least, rule.parameters.largest


def refused(text, locations=NOWHERE):
    with pytest.raises(InvalidInput) as raised:
        parse_recipe(text, locations)
    assert [violation.field for violation in raised.value.violations] == ["recipe_yaml"]
    return raised.value.message


def refused_operator(*process, locations=NOWHERE):
    return refused(yaml.safe_dump({"process": list(process)}), locations)


def test_the_papers_rules():
    rules = load_recipe("paper-rules", NOWHERE).rules
    assert [(rule.operator.name, *bounds(rule)) for rule in rules] == [
        ("alphanumeric_filter", 0.60, sys.maxsize),
        ("character_repetition_filter", 0.0, 0.09373663),
        ("flagged_words_filter", 0.0, 0.0),
        ("special_characters_filter", 0.16534802, 0.42023757),
        ("word_repetition_filter", 0.0, 0.03085751),
        ("text_length_filter", 10, sys.maxsize),
    ]
    assert rules[1].parameters.rep_len == rules[4].parameters.rep_len == 10
    assert rules[2].parameters.words.words == shipped_flagged_words()


def test_what_omitted_parameters_mean():
    given = {"token_num_filter": TOKENIZER}
    rules = recipe(*({name: given.get(name)} for name in NAMES)).rules
    assert [bounds(rule) for rule in rules] == [
        (0.25, sys.maxsize),
        (0.0, 0.5),
        (0.0, 0.045),
        (0.0, 0.25),
        (10, sys.maxsize),
        (10, sys.maxsize),
        (0.0, 0.5),
        (10, sys.maxsize),
    ]


def test_a_shipped_recipe_goes_by_its_name():
    assert parse_recipe("paper-rules", NOWHERE) == load_recipe("paper-rules", NOWHERE)


def test_n_grams_longer_than_any_text_are_none():
    rules = recipe({name: {"rep_len": 2**31 - 1} for name in ["character_repetition_filter"]}).rules
    assert judge(rules, ["aaaaaa", ""]).statistics["char_rep_ratio"].tolist() == [0.0, 0.0]


def test_global_keys_are_obeyed_or_refused_by_name():
    text = (
        "project_name: demo\nnp: 4\ndataset_path: ./x.jsonl\nexport_path: ./out.jsonl\n"
        "text_keys: 'content'\nprocess:\n"
        "  - text_length_filter:\n      min_len: 3\n      num_proc: 4\n      batch_size: 7\n"
    )
    parsed = parse_recipe(text, NOWHERE)
    (rule,) = parsed.rules
    assert bounds(rule) == (3, sys.maxsize)
    assert parsed.text_key == "content"
    assert parse_recipe(text.replace("'content'", "[content]"), NOWHERE) == parsed
    without = parse_recipe(text.replace("text_keys: 'content'", ""), NOWHERE)
    assert without.text_key == ""
    assert without.configuration() == parsed.configuration()
    for key in ("suffixes: .txt", "text_key: content", "dataset: {}", "custom_operator_paths: []"):
        message = refused(f"{key}\n{text}")
        assert f"the global key {key.partition(':')[0]!r}, which is not supported" in message
        assert "process and text_keys" in message


def test_how_it_runs_is_no_part_of_what_it_decides():
    plain = recipe({"text_length_filter": {"min_len": 3}})
    assert recipe({"text_length_filter": {"min_len": 3, "num_proc": 8}}) == plain
    assert recipe({"text_length_filter": {"min_len": 4}}).configuration() != plain.configuration()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("process: [", "not valid YAML"),
        *((f"process: !!{tag} x", "not valid YAML") for tag in ("timestamp", "bool", "int")),
        ("process: !!float ''", "not valid YAML"),
        ("text_keys: [a, b]\nprocess: []", "text_keys with 2 keys; one is supported"),
        ("text_keys: 3\nprocess: []", "text_keys that do not name a key"),
        ("text_keys: ''\nprocess: []", "text_keys that do not name a key"),
        ("temp_dir: &x [*x]\nprocess: *x", "process[0] must be"),
        ("[" * 65_000, "must not nest"),
        ("- " * 32_000, "must not nest"),
        ("{a: " * 16_000, "must not nest"),
        ("process: [{words_num_filter: {min_num: " + "9" * 6_000 + "}}]", "not valid YAML"),
        ("- alphanumeric_filter: {}", "a mapping with a list"),
        ("process: {}", "a mapping with a list"),
        ("process: []", "1 to 100 operators"),
        ("process:\n" + "- text_length_filter:\n" * 101, "1 to 100 operators"),
        ("process: [text_length_filter]", "process[0] must be"),
        ("process: [{text_length_filter: {}, words_num_filter: {}}]", "process[0] must be"),
        ("process: [{text_length_filter: 3}]", "must be a mapping"),
        ("process: [{text_length_filter: {1: 2}}]", "text_length_filter"),
        ("process: [{text_length_filter: {min_length: 2}}]", "no parameter 'min_length'"),
        ("process: [{text_length_filter: {min_len: many}}]", "min_len"),
        ("process: [{text_length_filter: {min_len: 1.5}}]", "min_len"),
        ("process: [{alphanumeric_filter: {min_ratio: true}}]", "min_ratio"),
        ("process: [{alphanumeric_filter: {min_ratio: '0.6'}}]", "min_ratio"),
        ("process: [{alphanumeric_filter: {min_ratio: .nan}}]", "min_ratio"),
        ("process: [{alphanumeric_filter: {max_ratio: .inf}}]", "max_ratio"),
        ("process: [{character_repetition_filter: {rep_len: 0}}]", "rep_len"),
        ("process: [{character_repetition_filter: {rep_len: 1" + "0" * 22 + "}}]", "rep_len"),
        ("temp_dir: &a {k: 1}\nprocess: [{<<: *a}]", "must not merge"),
        ("process: [{flagged_words_filter: {use_words_aug: true}}]", "use_words_aug"),
        ("process: [{flagged_words_filter: {lang: xx}}]", "lang 'xx'"),
        ("process: [{flagged_words_filter: {flagged_words: [1]}}]", "flagged_words"),
        ("process: [{flagged_words_filter: {flagged_words_dir: words}}]", "an absolute folder"),
        ("process: [{flagged_words_filter: {flagged_words_dir: /etc}}]", "may read"),
    ],
)
def test_what_is_wrong_is_said(text, problem):
    assert problem in refused(text)


@pytest.mark.parametrize("name", ["perplexity_filter", "image_text_similarity_filter", "", 7, None])
def test_an_unsupported_operator(name):
    message = refused_operator({"text_length_filter": None}, {name: {}})
    assert "process[1]" in message
    assert str(name) in message or "of type" in message
    assert all(supported in message for supported in NAMES)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in NAMES
        if name.partition("_")[0] not in ("text", "token") and "ch" not in name
    ],
)
def test_tokenization_is_not_supported(name):
    message = refused_operator({name: {"tokenization": True}})
    assert f"{name} with tokenization true" in message
    assert all(supported in message for supported in NAMES)
    assert recipe({name: {"tokenization": False}})


def test_one_statistic_cannot_have_two_values():
    first, second = ({"word_repetition_filter": {"rep_len": size}} for size in (5, 10))
    assert "word_rep_ratio" in refused_operator(first, second)
    assert len(recipe(first, {"word_repetition_filter": {"rep_len": 5, "max_ratio": 1}}).rules) == 2


def test_the_list_of_words_can_be_given():
    given = recipe({"flagged_words_filter": {"flagged_words": ["zebra"]}})
    verdicts = judge(given.rules, ["one Zebra!", "some gore"])
    assert verdicts.statistics["flagged_words_ratio"].tolist() == [0.5, 0.0]
    assert given.configuration() != recipe({"flagged_words_filter": None}).configuration()


def test_data_juicers_files_of_words(tmp_path):
    (tmp_path / "flagged_words.json").write_text(json.dumps({"en": ["zebra"], "de": ["esel"]}))
    (tmp_path / "more_flagged_words.json").write_text(json.dumps({"en": ["yak"]}))
    (tmp_path / "stopwords.json").write_text("no JSON")
    locations = Locations([str(tmp_path)])

    def ratio(lang):
        parameters = {"lang": lang, "flagged_words_dir": str(tmp_path)}
        rules = recipe({"flagged_words_filter": parameters}, locations=locations).rules
        return judge(rules, ["zebra yak esel gore"]).statistics["flagged_words_ratio"].tolist()

    assert [ratio(lang) for lang in ("en", "de", "all")] == [[0.5], [0.25], [0.75]]
    message = refused_operator(
        {"flagged_words_filter": {"lang": "fr", "flagged_words_dir": str(tmp_path)}},
        locations=locations,
    )
    assert "all, de, en" in message
    both = {"flagged_words": ["a"], "flagged_words_dir": str(tmp_path)}
    assert "not both" in refused_operator({"flagged_words_filter": both}, locations=locations)


@pytest.mark.parametrize("content", ["", "[]", '{"en": 3}', "\xff", '{"en"', "[" * 5000])
def test_a_bad_file_of_words(tmp_path, content):
    (tmp_path / "flagged_words.json").write_bytes(content.encode("latin-1"))
    entry = {"flagged_words_filter": {"flagged_words_dir": str(tmp_path)}}
    assert "flagged_words_dir" in refused_operator(entry, locations=Locations([str(tmp_path)]))


def test_a_link_to_words_that_may_not_be_read_is_refused(tmp_path):
    (tmp_path / "words").mkdir()
    (tmp_path / "secret.json").write_text('{"en": ["secret"]}')
    (tmp_path / "words" / "flagged_words.json").symlink_to(tmp_path / "secret.json")
    entry = {"flagged_words_filter": {"flagged_words_dir": str(tmp_path / "words")}}
    with pytest.raises(InvalidInput, match="may not read"):
        parse_recipe(yaml.safe_dump({"process": [entry]}), Locations([str(tmp_path / "words")]))


def test_the_same_words_from_elsewhere_are_the_same_recipe(tmp_path):
    (tmp_path / "flagged_words.json").write_text(json.dumps({"en": ["b", "a"]}))
    locations = Locations([str(tmp_path)])
    listed = {"flagged_words_filter": {"flagged_words_dir": str(tmp_path)}}
    inline = {"flagged_words_filter": {"flagged_words": ["a", "b"]}}
    assert recipe(listed, locations=locations).configuration() == recipe(inline).configuration()


def test_recipes_of_the_settings(tmp_path):
    assert shipped_recipes() == ["paper-rules"]
    own = tmp_path / "own.yaml"
    own.write_text("process: [{text_length_filter: {min_len: 1}}]")
    assert bounds(load_recipe(str(own), NOWHERE).rules[0]) == (1, sys.maxsize)
    with pytest.raises(InvalidInput, match="paper-rules"):
        load_recipe(str(tmp_path / "none.yaml"), NOWHERE)


def test_the_shipped_words_are_refined_words():
    """Words that the refinement of captions never gives would never be found."""
    from tests.caption.reference import words_of

    words = shipped_flagged_words()
    assert len(words) > 50
    assert all(words_of(word.lower()) == [word] for word in words)
