"""Packed lessons: laid out as conversations are, unseen by each other, none of the row lost."""

import itertools

import pytest
import torch

from synthvlm.scenes.mini_models.architectures import make_llm
from synthvlm.scenes.mini_models.lessons import Turn, about, user_text
from synthvlm.scenes.mini_models.llm_tokenizer import build_llm_tokenizer
from synthvlm.scenes.mini_models.train.curriculum import Evidence, Lesson
from synthvlm.scenes.mini_models.train.packing import Batch, encode, pack, stack

TOKENIZER = build_llm_tokenizer()
STAR, BOX = "a red star on a white page", "a tiny blue box."
COLOUR, SIZE, COUNT = (
    Turn("what colour is the star?", "red"),
    Turn("how big is it?", "small", 0.5),
    Turn("how many boxes are there?", "one"),
)
LESSONS = [
    Lesson(STAR, [[COLOUR, COUNT], [SIZE]]),
    Lesson(None, [[Turn(None, "here is a red star", 0.3)]]),
    Lesson(BOX, [[COUNT], [COLOUR], [SIZE]]),
]


def alone(lesson: Lesson) -> list[str]:
    """Each conversation of a lesson as a text of its own."""
    texts = []
    for turns in lesson.conversations:
        text = ""
        for number, turn in enumerate(turns):
            prompt = turn.prompt
            if prompt is None:
                text += f"{turn.answer}</s>"
                continue
            if number == 0:
                prompt = about(str(lesson.subject), prompt)
            text += f"{user_text(prompt)} {turn.answer}</s>"
        texts.append(text)
    return texts


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_conversation_is_encoded_as_its_text(lesson: Lesson) -> None:
    encoded = encode(TOKENIZER, lesson)
    for text, tokens in zip(alone(lesson), encoded.conversations, strict=True):
        ids = [token for token, _ in [*encoded.shared, *tokens]]
        assert ids == TOKENIZER(text).input_ids


def test_only_answers_and_their_ends_count() -> None:
    encoded = encode(TOKENIZER, Lesson(STAR, [[COLOUR, SIZE]]))
    learnt = [(TOKENIZER.decode([i]), w) for i, w in encoded.conversations[0] if w]
    assert learnt == [(" red", 1.0), ("</s>", 1.0), (" small", 0.5), ("</s>", 0.5)]


def test_what_is_given_may_count_too_where_its_context_is_seen() -> None:
    lesson = Lesson(STAR, [[COLOUR], [SIZE]], given_weight=0.2)
    encoded = encode(TOKENIZER, lesson)
    tokens = [*encoded.shared, *(token for part in encoded.conversations for token in part)]
    batch = pack(iter([encoded]), len(tokens), TOKENIZER.pad_token_id)
    no_weight = [at for at, weight in enumerate(batch.weights[0].tolist()) if weight == 0.0]
    assert no_weight == [0, len(encoded.shared) + len(encoded.conversations[0])]


def test_a_bare_caption_counts_as_a_whole() -> None:
    encoded = encode(TOKENIZER, LESSONS[1])
    assert encoded.shared == [(TOKENIZER.bos_token_id, 0.0)]
    assert {weight for _, weight in encoded.conversations[0]} == {0.3}


def packed(length: int) -> Batch:
    lessons = (encode(TOKENIZER, lesson) for lesson in itertools.cycle(LESSONS))
    return pack(lessons, length, TOKENIZER.pad_token_id)


def test_what_is_said_in_a_row_is_what_would_be_said_alone() -> None:
    torch.manual_seed(1)
    model = make_llm(TOKENIZER).eval()
    model.set_attn_implementation("eager")
    # Fresh layers add nothing, and would see nothing.
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    batch = packed(200)
    with torch.no_grad():
        logits = model(batch.ids, attention_mask=batch.mask, position_ids=batch.positions).logits[0]
    said = batch.weights[0] > 0
    position = 0
    for lesson in LESSONS:
        encoded = encode(TOKENIZER, lesson)
        position += len(encoded.shared)
        for tokens in encoded.conversations:
            row = torch.tensor([[token for token, _ in [*encoded.shared, *tokens]]])
            with torch.no_grad():
                expected = model(row).logits[0, len(encoded.shared) :]
            there = logits[position : position + len(tokens)]
            assert said[position : position + len(tokens)].tolist() == [w > 0 for _, w in tokens]
            torch.testing.assert_close(there, expected, atol=1e-4, rtol=1e-4)
            position += len(tokens)


def test_evidence_is_where_the_answer_is_decided_and_the_thing_is_named() -> None:
    box = Lesson(
        "a red star and a blue box",
        [
            [Turn("what colour is the square?", "blue")],
            [Turn("what is the blue object?", "square")],
        ],
        evidence=[
            Evidence(("square", "box"), ("square", "box")),
            Evidence(("blue",), ("square", "box")),
        ],
    )
    lessons = itertools.cycle([encode(TOKENIZER, LESSONS[0]), encode(TOKENIZER, box)])
    batch = stack([packed(200), pack(lessons, 200, TOKENIZER.pad_token_id)])
    words = [[TOKENIZER.decode([i]).strip() for i in row] for row in batch.ids.tolist()]
    asked, told = batch.asked.tolist(), batch.told.tolist()
    assert len(asked) >= 4
    for place, ((row, decided, named), (_, also, noun)) in enumerate(zip(asked, told, strict=True)):
        assert row == 1
        assert decided == also
        assert words[row][decided + 1] == ("blue", "square")[place % 2]
        assert words[row][named] == ("square", "blue")[place % 2]
        assert words[row][noun] == "box"
        assert noun < named < decided


def test_the_token_before_is_of_the_same_conversation() -> None:
    batch = packed(200)
    positions, before = batch.positions[0], batch.before[0]
    said = batch.ids[0] != TOKENIZER.pad_token_id
    assert torch.equal(positions[before][said], (positions - 1).clamp(min=0)[said])
    assert (batch.mask[0, 0].gather(1, before[:, None])[said] == 0).all()


def test_a_conversation_without_room_is_left_out() -> None:
    encoded = encode(TOKENIZER, LESSONS[0])
    first = [token for token, _ in [*encoded.shared, *encoded.conversations[0]]]
    batch = packed(len(first) + 1)
    assert batch.ids[0].tolist() == [*first, TOKENIZER.pad_token_id]
    assert batch.weights[0, -1] == 0


def test_rows_are_put_below_each_other() -> None:
    one, other = packed(100), packed(100)
    both = stack([one, other])
    assert torch.equal(both.ids, torch.cat([one.ids, other.ids]))
    assert both.mask.shape == (2, 1, 100, 100)


def test_a_lesson_longer_than_a_row_is_an_error() -> None:
    with pytest.raises(ValueError, match="longer than a row of 8 tokens"):
        packed(8)
