"""Samples in one row, and questions behind one picture, are to the model what they are alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from synthvlm.training.collate import Collator, pop_statistics
from synthvlm.training.conversation import V1_BRIEF, Sample, Turn
from synthvlm.training.encoder import IGNORED, Encoder
from synthvlm.training.packing import rows, visible
from tests.training.test_conversation import talk
from tests.training.tokenizers import mini_tokenizer

PROCESSOR = CLIPImageProcessor(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})


@given(st.lists(st.integers(1, 40), max_size=20), st.integers(1, 60))
def test_rows_have_every_sample_once_and_room_for_them(lengths, row_length) -> None:
    packed = rows(lengths, row_length)
    assert sorted(index for row in packed for index in row) == list(range(len(lengths)))
    for row in packed:
        assert len(row) == 1 or sum(lengths[index] for index in row) <= row_length


def test_a_sample_goes_into_the_first_row_with_room() -> None:
    assert rows([5, 4, 6, 5, 9], 10) == [[0, 1], [2], [3], [4]]


def test_who_sees_whom() -> None:
    """A row of a sample with two parts behind one token, another sample, and padding."""
    mask = visible(torch.tensor([[0, 0, 0, 1, 1, -1]]), torch.tensor([[0, 1, 2, 0, 0, 0]]))
    assert mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 0, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 1, 1, 0],
        [0, 0, 0, 0, 0, 1],
    ]


@pytest.fixture(scope="module", params=["sdpa", "eager"])
def model(request):
    """A LLaVA with random weights, large enough for attention to matter."""
    torch.manual_seed(0)
    tokenizer = mini_tokenizer()
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=8,
        patch_size=4,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        initializer_range=0.3,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
        attn_implementation=request.param,
    )
    return LlavaForConditionalGeneration(config).eval()


def picture(shade: int) -> Image.Image:
    return Image.linear_gradient("L").rotate(90 * shade).resize((8, 8))


SAMPLES = [
    Sample(
        picture(0),
        talk("<image>\nwhat colour?", "red", "how many stars?", "one", "is it big?", "yes"),
        "questions",
        separate=True,
    ),
    Sample(picture(1), talk("<image>\nwhat shape?", "a star"), "one question"),
    Sample(None, talk("what is red?", "a colour", "and blue?", "a colour"), "text"),
    Sample(picture(2), talk("<image>\nwhere?", "left of", "who?", "the star"), "a conversation"),
]


@torch.no_grad()
def answers(model, samples, row_length=None):
    """The logits from which each learnt token is predicted, by what is learnt."""
    encoder = Encoder(mini_tokenizer(), 4, V1_BRIEF, 200)
    attention = model.config._attn_implementation
    collate = Collator(2, PROCESSOR, row_length=row_length, attention=attention)
    batch = collate([encoder.encode(sample) for sample in samples])
    pop_statistics(batch)
    labels = batch.pop("labels")
    logits = model(**batch).logits
    assert not logits.isnan().any()
    asked = labels[:, 1:] != IGNORED
    return logits[:, :-1][asked], labels[:, 1:][asked]


def alone(samples) -> list[Sample]:
    """Each exchange that is learnt apart as a sample of its own."""
    apart = []
    for sample in samples:
        if not sample.separate:
            apart.append(sample)
            continue
        for at in range(0, len(sample.conversation), 2):
            asked, answered = sample.conversation[at : at + 2]
            question = asked.text.removeprefix("<image>\n")
            turns = [Turn("user", f"<image>\n{question}"), answered]
            apart.append(Sample(sample.image, turns, sample.id))
    return apart


@pytest.mark.parametrize("row_length", [None, 60, 200])
def test_logits_are_those_of_single_samples(model, row_length) -> None:
    logits, learnt = answers(model, SAMPLES, row_length)
    singles = [answers(model, [one]) for one in alone(SAMPLES)]
    assert torch.equal(learnt, torch.cat([tokens for _, tokens in singles]))
    expected = torch.cat([single for single, _ in singles])
    assert torch.allclose(logits, expected, atol=1e-5, rtol=0)
    assert expected.std() > 0.3  # it is a model that says something


def test_a_plain_mask_would_not_do(model) -> None:
    """The same samples as one conversation: what the model says depends on what it has seen."""
    joined = Sample(None, [*SAMPLES[2].conversation, *talk("what is red?", "a colour")], "joined")
    logits, _ = answers(model, [joined])
    single, tokens = answers(model, [Sample(None, talk("what is red?", "a colour"), "single")])
    assert not torch.allclose(logits[-len(tokens) :], single, atol=1e-2)
