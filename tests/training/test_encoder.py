"""Tokens and labels equal those of LLaVA: cases derived by hand, and a count of tokens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthvlm.model_folders import resolve_model
from synthvlm.training.conversation import PLAIN, V1, V1_BRIEF, MaskMismatch, Sample, Turn
from synthvlm.training.encoder import IGNORED, Encoder
from synthvlm.training.model import Parts, load_processor
from tests.training.counting import IMAGE_ID, counted_labels, prompt_of, tokens_of
from tests.training.test_conversation import talk
from tests.training.tokenizers import llama_style_tokenizer, mini_tokenizer

PICTURE = Image.new("RGB", (8, 8))
TOKENIZERS = {"llama": llama_style_tokenizer, "mini": mini_tokenizer}
MINI_SYSTEM = (
    "A Ġc hat Ġb et w ee n Ġa Ġc u ri o us Ġ us er Ġand Ġan Ġa r t i f ic i al Ġin t ell i ge n c e"
    " Ġa ss is t an t . Ġ T h e Ġa ss is t an t Ġg i v es Ġh e l p f u l , Ġdet ai led , Ġand Ġp o"
    " l ite Ġa ns wer s Ġto Ġthe Ġ us er ' s Ġ qu es t ion s . Ġ"
)

# Two tokens a picture. What is learnt has a star.
CASES = {
    "plain: the caption and the line break after it": (
        *("llama", PLAIN, talk("Describe it.\n<image>", "red")),
        "<s> <image> <image> *▁red *<0x0A>",
    ),
    "plain, bytes": (
        *("mini", PLAIN, talk("<image>\nDescribe it.", "a red star")),
        "<s> <image> <image> *a *Ġred *Ġstar *Ċ",
    ),
    "v1: a blank ends the text before the picture, another begins that after it": (
        *("llama", V1_BRIEF, talk("<image>\nwhat colour?", "red")),
        "<s> ▁USER : ▁ <image> <image> ▁ <0x0A> what ▁colour ? ▁ASSISTANT : *▁red *</s>",
    ),
    "v1: the first token after an answer's end begins with a blank": (
        *("llama", V1_BRIEF, talk("<image>\nwhat?", "red", "what colour?", "blue")),
        "<s> ▁USER : ▁ <image> <image> ▁ <0x0A> what ? ▁ASSISTANT : *▁red *</s> "
        "▁USER : ▁what ▁colour ? ▁ASSISTANT : *▁blue *</s>",
    ),
    "v1: the picture comes first": (
        *("llama", V1_BRIEF, talk("what?\n<image>", "red")),
        "<s> ▁USER : ▁ <image> <image> ▁ <0x0A> what ? ▁ASSISTANT : *▁red *</s>",
    ),
    "v1, text alone: no picture, and letters that become bytes": (
        *("llama", V1_BRIEF, talk("what?", "blue é")),
        "<s> ▁USER : ▁what ? ▁ASSISTANT : *▁blue *▁ *<0xC3> *<0xA9> *</s>",
    ),
    "v1 with its system sentence": (
        *("mini", V1, talk("<image>\nwhat colour?", "red", "what?", "3")),
        f"<s> {MINI_SYSTEM} USER : Ġ <image> <image> Ċ what Ġcolour ? ĠASSISTANT : *Ġred *</s> "
        "USER : Ġwhat ? ĠASSISTANT : *Ġ *3 *</s>",
    ),
    "v1: a text by itself": (
        *("mini", V1_BRIEF, [Turn("assistant", "a red star")]),
        "<s> *a *Ġred *Ġstar *</s>",
    ),
}


def encoder(name="mini", template=V1_BRIEF, image_tokens=2, max_length=400):
    return Encoder(TOKENIZERS[name](), image_tokens, template, max_length)


def sample(turns, *, separate=False):
    has_image = any("<image>" in turn.text for turn in turns)
    return Sample(PICTURE if has_image else None, turns, "s1", separate)


@pytest.mark.parametrize(("name", "template", "turns", "expected"), CASES.values(), ids=CASES)
def test_tokens_and_labels(name, template, turns, expected) -> None:
    encoded = encoder(name, template).encode(sample(turns))
    tokens = TOKENIZERS[name]().convert_ids_to_tokens(encoded.input_ids)
    labels = zip(tokens, encoded.input_ids, encoded.labels, strict=True)
    assert [f"*{token}" if label == id_ else token for token, id_, label in labels] == (
        expected.split(" ")
    )
    assert {label for label in encoded.labels if label not in encoded.input_ids} == {IGNORED}
    assert (encoded.image is not None) == ("<image>" in expected)


WORDS = st.text("what colour is red A:.?\n3é語", min_size=1).filter(str.strip)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(TOKENIZERS)),
    texts=st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=3),
    has_image=st.booleans(),
)
def test_labels_are_those_that_llava_counts(name, texts, has_image) -> None:
    turns = talk(*(text.strip() for pair in texts for text in pair))
    if has_image:
        turns[0] = Turn("user", f"<image>\n{turns[0].text}")
    encoded = encoder(name, image_tokens=1).encode(sample(turns))
    text = prompt_of(V1_BRIEF, turns)
    tokenizer = TOKENIZERS[name]()
    placeholder = tokenizer.convert_tokens_to_ids("<image>")
    expected = [placeholder if id_ == IMAGE_ID else id_ for id_ in tokens_of(tokenizer, text)]
    assert encoded.input_ids == expected
    assert encoded.labels == counted_labels(tokenizer, text)


def test_exchanges_apart_are_each_what_they_are_alone() -> None:
    turns = talk("<image>\nwhat colour?", "red", "what shape?", "star", "what colour?", "blue")
    together = encoder().encode(sample(turns, separate=True))
    assert together.parts is not None
    assert together.positions is not None
    for number, at in enumerate((0, 2, 4), 1):
        question = turns[at].text.removeprefix("<image>\n")
        alone = encoder().encode(sample([Turn("user", f"<image>\n{question}"), turns[at + 1]]))
        own = [place for place, part in enumerate(together.parts) if part in (0, number)]
        assert [together.input_ids[place] for place in own] == alone.input_ids
        assert [together.labels[place] for place in own] == alone.labels
        assert [together.positions[place] for place in own] == list(range(alone.length))


def test_the_picture_of_exchanges_apart_is_there_once() -> None:
    turns = talk("<image>\nwhat colour?", "red", "how many?", "one")
    encoded = encoder(image_tokens=64).encode(sample(turns, separate=True))
    assert encoded.input_ids.count(mini_tokenizer().convert_tokens_to_ids("<image>")) == 64


def test_a_sample_that_is_too_long_is_cut_off_and_says_so() -> None:
    turns = talk("<image>\nwhat?", "red", "what?", "blue")
    whole = encoder().encode(sample(turns))
    cut = encoder(max_length=whole.length - 1).encode(sample(turns))
    assert not whole.truncated
    assert cut.truncated
    assert cut.labels == whole.labels[:-1]


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        ({"max_length": 12}, "length"),
        ({"image_tokens": 500}, "length"),
    ],
)
def test_nothing_left_to_learn_is_a_mismatch(made, kind) -> None:
    with pytest.raises(MaskMismatch, match="sample s1") as raised:
        encoder(**made).encode(sample(talk("<image>\nwhat colour?", "red")))
    assert raised.value.kind == kind


def test_half_a_picture_is_a_mismatch() -> None:
    turns = talk("what?", "red", "<image>\nand here?", "blue")
    with pytest.raises(MaskMismatch, match="does not fit") as raised:
        encoder(image_tokens=20, max_length=20).encode(sample(turns))
    assert raised.value.kind == "length"


@pytest.mark.parametrize(
    ("turns", "picture", "kind"),
    [
        (talk("what?", "red"), PICTURE, "image"),
        (talk("<image>\nwhat?", "red"), None, "image"),
        (talk("<image>\nwhat?", "red", "<image>\nand?", "blue"), PICTURE, "image"),
        (talk("<image>\n<s> what?", "red"), PICTURE, "reserved"),
        (talk("<image>\nwhat?", "<pad>"), PICTURE, "reserved"),
    ],
)
def test_what_has_no_fitting_mask(turns, picture, kind) -> None:
    with pytest.raises(MaskMismatch, match="sample s1") as raised:
        encoder().encode(Sample(picture, turns, "s1"))
    assert raised.value.kind == kind


def test_a_token_across_the_border_of_an_answer_is_a_mismatch() -> None:
    """A count of tokens would move the labels by one without a word."""
    tokenizer = llama_style_tokenizer((":", "▁red"))
    with pytest.raises(MaskMismatch, match="': red' is partly in an answer") as raised:
        Encoder(tokenizer, 2, V1_BRIEF, 400).encode(sample(talk("what?", "red")))
    assert raised.value.kind == "boundary"


@pytest.mark.parametrize("template", [V1, V1_BRIEF], ids=lambda template: template.name)
@pytest.mark.parametrize("has_image", [True, False])
def test_a_model_is_asked_in_the_tokens_that_it_has_learnt(template, has_image) -> None:
    """What the processor makes of a chat is what stands before the answer in training."""
    processor = load_processor(
        Parts(resolve_model("bundled:mini-clip"), resolve_model("bundled:mini-llm")), template
    )
    texts = ["what colour?", "red", "what shape?", "a star"]
    chat = [
        {
            "role": "assistant" if at % 2 else "user",
            "content": [{"type": "image"}] * (has_image and at == 0)
            + [{"type": "text", "text": text}],
        }
        for at, text in enumerate(texts[:3])
    ]
    prompt = processor.apply_chat_template(chat, add_generation_prompt=True)
    images = {"images": PICTURE} if has_image else {}
    asked = processor(text=prompt, add_special_tokens=False, **images)["input_ids"][0]
    turns = talk(*[f"<image>\n{texts[0]}" if has_image else texts[0], *texts[1:]])
    encoder = Encoder(processor.tokenizer, 64, template, 400)
    learnt = encoder.encode(sample(turns)).input_ids
    assert list(asked) == learnt[: len(asked)]
    assert processor.decode(learnt[len(asked) :]) == " a star</s>"
