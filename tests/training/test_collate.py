"""Batches: padded on the right, without pictures where there are none, and counted."""

import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessor

from synthvlm.errors import InvalidInput
from synthvlm.training.collate import Collator, Statistics, pop_statistics
from synthvlm.training.conversation import MaskMismatch
from synthvlm.training.encoder import IGNORED, EncodedSample

PROCESSOR = CLIPImageProcessor(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})
PAD = 2


def encoded(length: int, *, shade: int | None = None, truncated: bool = False) -> EncodedSample:
    """Tokens 10, 11, 12… of which the last is learnt."""
    ids = list(range(10, 10 + length))
    image = None if shade is None else Image.new("RGB", (8, 8), (shade, 0, 0))
    labels = [IGNORED] * (length - 1) + ids[-1:]
    return EncodedSample(ids, labels, image, truncated=truncated)


def test_shorter_samples_are_filled_up_on_the_right() -> None:
    batch = Collator(PAD, PROCESSOR)([encoded(2), encoded(4)])
    assert batch["input_ids"].tolist() == [[10, 11, PAD, PAD], [10, 11, 12, 13]]
    assert batch["labels"].tolist() == [
        [IGNORED, 11, IGNORED, IGNORED],
        [IGNORED, IGNORED, IGNORED, 13],
    ]
    assert batch["attention_mask"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]


def test_text_has_no_pixels() -> None:
    assert "pixel_values" not in Collator(PAD, PROCESSOR)([encoded(2), encoded(4)])


def test_pictures_come_in_the_order_of_the_rows() -> None:
    samples = [encoded(5, shade=10), encoded(4, shade=99), encoded(3, shade=200), encoded(2)]
    padded = Collator(PAD, PROCESSOR)(samples)
    assert padded["pixel_values"].shape == (3, 3, 8, 8)
    packed = Collator(PAD, PROCESSOR, row_length=8)(samples)
    assert packed["input_ids"].tolist() == [
        [10, 11, 12, 13, 14, 10, 11, 12],
        [10, 11, 12, 13, 10, 11, PAD, PAD],
    ]
    assert packed["position_ids"].tolist() == [[0, 1, 2, 3, 4, 0, 1, 2], [0, 1, 2, 3, 0, 1, 0, 0]]
    assert torch.equal(packed["pixel_values"], padded["pixel_values"][[0, 2, 1]])


def test_a_sample_without_a_mask_keeps_its_place_and_is_counted() -> None:
    batch = Collator(PAD, PROCESSOR)([MaskMismatch("length", "too long"), encoded(3, shade=1)])
    assert batch["input_ids"].tolist() == [[PAD, PAD, PAD], [10, 11, 12]]
    assert (batch["labels"][0] == IGNORED).all()
    assert pop_statistics(batch).mismatched == {"length": 1}
    assert "statistics" not in batch


def test_what_is_counted() -> None:
    batch = Collator(PAD, PROCESSOR)([encoded(2), encoded(4, shade=1, truncated=True)])
    counts = pop_statistics(batch)
    assert +counts.counts == {
        "samples": 2,
        "images": 1,
        "tokens": 6,
        "learnt": 2,
        "places": 8,
        "truncated": 1,
    }
    assert counts.padding == pytest.approx(0.25)


def test_packing_saves_padding() -> None:
    samples = [encoded(length) for length in (30, 2, 3, 28, 5, 1)]
    padded = pop_statistics(Collator(PAD, PROCESSOR)(samples))
    packed = pop_statistics(Collator(PAD, PROCESSOR, row_length=36)(samples))
    assert padded.padding > 0.6
    assert packed.padding < 0.05
    assert padded.counts["learnt"] == packed.counts["learnt"] == 6


def test_processes_are_summed() -> None:
    collate = Collator(PAD, PROCESSOR)
    both = [
        pop_statistics(collate([encoded(2), encoded(4)])),
        pop_statistics(collate([MaskMismatch("image", "none"), encoded(3)])),
    ]
    summed = Statistics.from_tensor(both[0].to_tensor() + both[1].to_tensor())
    total = Statistics()
    for one in both:
        total.add(one)
    assert summed == total
    assert summed.counts["samples"] == 4
    assert Statistics().padding == 0


def test_many_mismatches_are_an_error() -> None:
    batch = Collator(PAD, PROCESSOR)([MaskMismatch("layout", "x"), *[encoded(3)] * 9])
    counts = pop_statistics(batch)
    counts.require_few_mismatches(0.1)
    with pytest.raises(InvalidInput, match=r"1 of 10 samples \(layout 1\)"):
        counts.require_few_mismatches(0.09)
