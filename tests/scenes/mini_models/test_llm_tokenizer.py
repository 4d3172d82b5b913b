"""mini-llm's tokenizer: words of the world whole, any other text readable, LLaVA's chat layout."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.scenes.grammar import VOCABULARY
from synthvlm.scenes.mini_models.lessons import JUDGE, user_text
from synthvlm.scenes.mini_models.llm_tokenizer import build_llm_tokenizer
from synthvlm.scenes.questions import sample_questions

TOKENIZER = build_llm_tokenizer()
UNICODE = st.text(st.characters(codec="utf-8"), max_size=200)


def ids_of(text: str) -> list[int]:
    ids: list[int] = TOKENIZER.encode(text, add_special_tokens=False)
    return ids


def test_it_is_the_same_whenever_it_is_built() -> None:
    again = build_llm_tokenizer()
    assert again.backend_tokenizer.to_str() == TOKENIZER.backend_tokenizer.to_str()


def test_words_of_captions_questions_and_answers_are_one_token() -> None:
    words = set(VOCABULARY) | {"Yes", "No"}
    for _, questions in sample_questions(1, 200):
        for question in questions:
            words |= {w.strip(".,:?") for w in f"{question.question} {question.answer}".split()}
    assert [word for word in sorted(words) if len(ids_of(f" {word}")) != 1] == []


@settings(deadline=None)
@given(UNICODE)
def test_any_text_comes_back(text: str) -> None:
    assert TOKENIZER.decode(ids_of(text)) == text


@pytest.mark.parametrize("text", ["", "a  b\n", "日本 ☃ é", "</s> <s> <image>", "555-0199", "\0"])
def test_odd_texts_come_back(text: str) -> None:
    assert TOKENIZER.decode(ids_of(text)) == text


def test_a_text_begins_with_its_start_and_has_no_end() -> None:
    ids = TOKENIZER("a red star").input_ids
    assert ids[0] == TOKENIZER.bos_token_id
    assert TOKENIZER.eos_token_id not in ids


def test_special_tokens_are_llavas() -> None:
    assert TOKENIZER.convert_ids_to_tokens(range(4)) == ["<s>", "</s>", "<pad>", "<image>"]
    assert TOKENIZER.image_token == "<image>"
    assert ids_of("<image>\nwhat is in the picture?")[0] == TOKENIZER.image_token_id


def test_the_chat_template_is_the_layout_of_the_lessons() -> None:
    first = {"role": "user", "content": f"a red star\n{JUDGE[0]}"}
    said = {"role": "assistant", "content": "Yes"}
    text = TOKENIZER.apply_chat_template(
        [first, said, first], tokenize=False, add_generation_prompt=True
    )
    prompt = user_text(first["content"])
    assert text == f"<s>{prompt} Yes</s>{prompt}"


def test_another_role_is_an_error() -> None:
    with pytest.raises(Exception, match="roles user and assistant"):
        TOKENIZER.apply_chat_template([{"role": "system", "content": "x"}], tokenize=False)
