"""Words that are reserved in a form do not get into its exports."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthvlm.dataset.exports.reserved import (
    RESERVED,
    ExportFormat,
    Guard,
    ReservedRule,
    neutralised,
    reserved_words,
)

LLAVA = RESERVED[ExportFormat.LLAVA]
WORDS = [
    *["<image>", "<video>", "<audio>", "<im_start>", "<im_patch>", "<im_end>"],
    *["<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"],
    *["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|start_header_id|>"],
    *["###", "### Human:", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"],
    *["USER:", "ASSISTANT:", "SYSTEM:", "HUMAN:", "Human:", "Assistant:", "USER :"],
]
HARMLESS = [
    *["a user: manual", "an assistant helps", "humans: many", "5 < 6 > 4", "<b>bold</b>"],
    *["# 1 fan", "[institute]", "a | b", "<imagery>", "SUPERUSER: x", "an image of s"],
]
PIECES = st.one_of(st.sampled_from([*WORDS, "<", ">", "|", "#", "[", "]", "/", ":"]), st.text())
TEXTS = st.lists(PIECES, max_size=8).map("".join)


@pytest.mark.parametrize("word", WORDS)
def test_each_is_found_wherever_it_stands(word: str) -> None:
    for text in (word, f"a dog {word} here", f"{word}\na dog", f"shown as {word}, on a wall"):
        assert reserved_words(text, LLAVA)
        assert not reserved_words(neutralised(text, LLAVA), LLAVA)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_one_is_left_as_it_is(text: str) -> None:
    assert reserved_words(text, LLAVA) == []
    assert neutralised(text, LLAVA) == text


@given(TEXTS)
def test_neutralising_leaves_none_and_touches_nothing_else(text: str) -> None:
    harmless = neutralised(text, LLAVA)
    assert reserved_words(harmless, LLAVA) == []
    if not reserved_words(text, LLAVA):
        assert harmless == text
    assert neutralised(harmless, LLAVA) == harmless
    # Words stay: what is taken out is punctuation.
    kept = re.sub(r"[\W_]", "", text)
    assert re.sub(r"[\W_]", "", harmless) == kept


@given(st.lists(TEXTS, max_size=20), st.sampled_from(ReservedRule))
def test_every_caption_is_passed_or_counted(texts: list[str], rule: ReservedRule) -> None:
    guard = Guard(LLAVA, rule)
    passed = [guard.passed(text) for text in texts]
    assert passed.count(None) == guard.set_aside
    changed = [one for one, text in zip(passed, texts, strict=True) if one not in (None, text)]
    assert len(changed) == guard.changed
    assert all(not reserved_words(one, LLAVA) for one in passed if one is not None)
    if rule is ReservedRule.DROP:
        assert guard.changed == 0


@pytest.mark.parametrize("form", [ExportFormat.WEBDATASET, ExportFormat.PARQUET])
@given(text=st.text())
def test_other_forms_take_any_text(form: ExportFormat, text: str) -> None:
    assert Guard(RESERVED[form], ReservedRule.DROP).passed(text) == text
