"""``token_num_filter``: its statistic is the number of tokens that transformers would give."""

import json
import shutil

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.caption.locations import Locations
from synthvlm.caption.recipe import parse_recipe
from synthvlm.caption.rules import judge
from synthvlm.errors import InvalidInput
from synthvlm.model_folders import resolve_model

NOWHERE = Locations([])
LLM = "bundled:mini-llm"
CAPTION = "A small red circle is left of a large blue square on a white background."


def recipe(tokenizer, locations=NOWHERE, **parameters):
    process = [{"token_num_filter": {"hf_tokenizer": str(tokenizer), **parameters}}]
    return parse_recipe(yaml.safe_dump({"process": process}), locations)


def counts(texts, tokenizer=LLM, locations=NOWHERE):
    return judge(recipe(tokenizer, locations).rules, texts).statistics["num_token"].tolist()


def refused(tokenizer, locations=NOWHERE, **parameters):
    with pytest.raises(InvalidInput) as raised:
        recipe(tokenizer, locations, **parameters)
    assert [violation.field for violation in raised.value.violations] == ["recipe_yaml"]
    return raised.value.message


@pytest.fixture(scope="module")
def reference():
    from transformers import AutoTokenizer

    names = (LLM, "bundled:mini-clip")
    return {name: AutoTokenizer.from_pretrained(resolve_model(name)) for name in names}


@given(
    texts=st.lists(
        st.one_of(
            st.text(max_size=80),
            st.lists(
                st.sampled_from(["red", "circle's", "<image>", "</s>", "12", "\n", "Ω…", "😀"])
            ).map(" ".join),
        ),
        max_size=6,
    )
)
@settings(deadline=None, max_examples=60)
def test_it_counts_as_transformers_does_without_special_tokens(reference, texts):
    for name, tokenizer in reference.items():
        expected = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
        assert counts(texts, name) == expected


def test_a_text_longer_than_the_models_window_is_counted_whole(tmp_path):
    content = json.loads((resolve_model(LLM) / "tokenizer.json").read_text())
    content["truncation"] = {
        "max_length": 4,
        "strategy": "LongestFirst",
        "stride": 0,
        "direction": "Right",
    }
    content["padding"] = {
        "strategy": {"Fixed": 64},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 2,
        "pad_type_id": 0,
        "pad_token": "<pad>",
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    found = counts([CAPTION, "red", CAPTION * 50], tmp_path, Locations([str(tmp_path)]))
    assert found == counts([CAPTION, "red", CAPTION * 50])
    assert found[1] < 4 < 64 < found[2]


def test_both_bounds_are_kept():
    (number,) = counts([CAPTION])
    longer = f"{CAPTION} {CAPTION}"
    shorter = "A small red circle."
    rules = recipe(LLM, min_num=int(number), max_num=int(number)).rules
    assert judge(rules, [shorter, CAPTION, longer]).keep.tolist() == [False, True, False]
    outside = recipe(
        LLM, min_num=int(number) - 1, max_num=int(number) + 1, reversed_range=True
    ).rules
    assert judge(outside, [shorter, CAPTION, longer]).keep.tolist() == [True, False, True]
    with pytest.raises(InvalidInput, match="min_num"):
        recipe(LLM, min_num="3")


def test_a_file_or_its_folder_below_the_roots(tmp_path):
    shutil.copy(resolve_model(LLM) / "tokenizer.json", tmp_path)
    locations = Locations([str(tmp_path)])
    named = [tmp_path, tmp_path / "tokenizer.json", tmp_path.as_uri(), f"{tmp_path}/"]
    configurations = [recipe(name, locations).configuration() for name in named]
    # Where it lies decides nothing; what it holds does.
    assert configurations == [recipe(LLM).configuration()] * len(named)
    assert recipe("bundled:mini-clip").configuration() != configurations[0]


def test_a_tokenizer_that_cannot_be_used_is_refused_with_what_to_give(tmp_path):
    locations = Locations([str(tmp_path)])
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "tokenizer.json").write_text('{"version": "1.0"')
    (tmp_path / "empty").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "tokenizer.json").symlink_to(resolve_model(LLM) / "tokenizer.json")
    messages = {
        refused("EleutherAI/pythia-6.9b-deduped"): "neither an absolute path nor a URL",
        refused(tmp_path / "empty", locations): "does not exist",
        refused(tmp_path / "damaged", locations): "Cannot instantiate Tokenizer",
        refused(tmp_path / "out", locations): "may not read",
        refused(tmp_path): "may not read",
        refused("bundled:none"): "mini-llm",
        refused("bundled:mini-sdxl"): "has no tokenizer.json",
    }
    for message, problem in messages.items():
        assert problem in message
        assert "Nothing is loaded from a hub: give the absolute path" in message
    # As in Data-Juicer, whose default is one of a hub.
    with pytest.raises(InvalidInput, match="pythia"):
        parse_recipe("process: [{token_num_filter: {}}]", NOWHERE)


def test_a_file_that_is_too_large_is_not_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr("synthvlm.caption.tokenization.MAX_TOKENIZER_BYTES", 1 << 20)
    (tmp_path / "tokenizer.json").write_bytes(bytes((1 << 20) + 1))
    assert "larger than 1 MiB" in refused(tmp_path, Locations([str(tmp_path)]))


def test_one_statistic_cannot_have_two_tokenizers():
    process = [
        {"token_num_filter": {"hf_tokenizer": name, "max_num": 75}}
        for name in (LLM, "bundled:mini-clip")
    ]
    with pytest.raises(InvalidInput, match="num_token"):
        parse_recipe(yaml.safe_dump({"process": process}), NOWHERE)


def test_captions_that_the_tokenizer_cannot_encode(tmp_path):
    words = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {"red": 0}, "unk_token": "none"},
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(words))
    locations = Locations([str(tmp_path)])
    assert counts(["red red"], tmp_path, locations) == [2]
    with pytest.raises(InvalidInput, match="cannot encode a caption"):
        counts(["blue"], tmp_path, locations)
