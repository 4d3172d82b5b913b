"""Embeddings that are kept: computed once, and never at a reserved place."""

import pytest
import torch

from synthvlm.generation.diffusion.embeddings import Embeddings

PROMPTS = [f"a scene with {n} circles" for n in range(9)]


class Encoder:
    """Embeds a prompt as its length and the place at which it is encoded."""

    device = torch.device("cpu")

    def __init__(self):
        self.encoded = []

    def encode_prompt(self, prompt, negative_prompt, device, do_classifier_free_guidance):
        self.encoded.append(prompt)
        rows = torch.tensor([[len(text), place] for place, text in enumerate(prompt)])
        return rows, None, rows, None


@pytest.mark.parametrize("reserved", [1, 3])
def test_no_embedding_is_of_a_reserved_place(reserved):
    encoder = Encoder()
    found = Embeddings(16, 4, reserved).of("base", encoder, PROMPTS, None, False)
    lengths, places = found["prompt_embeds"].unbind(1)
    assert lengths.tolist() == [len(prompt) for prompt in PROMPTS]
    assert int(places.max()) < 4 - reserved
    assert {len(batch) for batch in encoder.encoded} == {4}


def test_what_is_kept_is_not_computed_again():
    encoder = Encoder()
    embeddings = Embeddings(2, 4)
    first = embeddings.of("base", encoder, PROMPTS[:2] * 2, None, False)
    again = embeddings.of("base", encoder, PROMPTS[:2], None, False)
    assert len(encoder.encoded) == 1
    assert torch.equal(first["prompt_embeds"][:2], again["prompt_embeds"])
    embeddings.of("refiner", encoder, PROMPTS[:1], None, False)
    embeddings.of("base", encoder, PROMPTS[:1], None, False)
    assert len(encoder.encoded) == 3
