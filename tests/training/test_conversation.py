"""Conversations as LLaVA's templates write them."""

import pytest

from synthvlm.training.conversation import (
    PLAIN,
    TEMPLATES,
    V1,
    V1_BRIEF,
    MaskMismatch,
    Turn,
    image_first,
)

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions."
)


def talk(*texts: str) -> list[Turn]:
    return [Turn("assistant" if at % 2 else "user", text) for at, text in enumerate(texts)]


def written(template, turns, image=True):
    """The text, with what is learnt in brackets."""
    spans = template.spans(turns, image=image)
    return "".join(f"[{span.text}]" if span.learnt else span.text for span in spans)


def test_plain_drops_the_prompt() -> None:
    asked = talk("Describe the image concisely.\n<image>", "a red star")
    assert written(PLAIN, asked) == "<image>[a red star\n]"


def test_v1_learns_answers_with_their_end() -> None:
    assert written(V1, talk("<image>\nwhat?", "a star", "and?", "no more")) == (
        f"{SYSTEM} USER: <image>\nwhat? ASSISTANT:[ a star</s>]USER: and? ASSISTANT:[ no more</s>]"
    )


def test_v1_without_a_system_sentence() -> None:
    assert written(V1_BRIEF, talk("<image>\nwhat?", "red")) == (
        "USER: <image>\nwhat? ASSISTANT:[ red</s>]"
    )


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("<image>\nwhat?", "<image>\nwhat?"),
        ("what?\n<image>", "<image>\nwhat?"),
        ("what is <image> this? ", "<image>\nwhat is  this?"),
        ("<image>", "<image>"),
        ("what?", "what?"),
    ],
)
def test_the_image_comes_first(question: str, expected: str) -> None:
    assert image_first(question) == expected


def test_what_is_said_before_a_question_is_left_out() -> None:
    turns = [Turn("assistant", "hello"), *talk("who?", "me")]
    assert written(V1_BRIEF, turns, image=False) == "USER: who? ASSISTANT:[ me</s>]"


def test_a_text_by_itself_is_learnt_as_it_is() -> None:
    assert written(V1_BRIEF, [Turn("assistant", "a red star")], image=False) == "[a red star</s>]"


@pytest.mark.parametrize(
    ("template", "turns", "kind"),
    [
        (PLAIN, talk("no placeholder", "a star"), "layout"),
        (PLAIN, talk("<image>", ""), "layout"),
        (PLAIN, talk("<image>", "a", "b", "c"), "layout"),
        (PLAIN, talk("<image>", "an <image>"), "image"),
        (V1, [], "layout"),
        (V1, talk("<image>\nwhat?"), "layout"),
        (V1, talk("<image>\nwhat?", "a star", "and?"), "layout"),
        (V1, [Turn("user", "<image>"), Turn("user", "what?"), Turn("assistant", "x")], "layout"),
        (V1, talk("<image>\nwhat?", ""), "layout"),
        (V1, talk("<image>\nwhat?", "an <image>"), "image"),
        (V1, talk("<image>\nwho says ASSISTANT: here?", "me"), "reserved"),
        (V1, talk("<image>\nwho?", "one </s> two"), "reserved"),
    ],
)
def test_what_does_not_fit(template, turns, kind) -> None:
    with pytest.raises(MaskMismatch) as raised:
        template.spans(turns, image=True)
    assert raised.value.kind == kind


def test_templates_have_their_own_names() -> None:
    assert {name: template.name for name, template in TEMPLATES.items()} == {
        "plain": "plain",
        "v1": "v1",
        "v1-brief": "v1-brief",
    }
