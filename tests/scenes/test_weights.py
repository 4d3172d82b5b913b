"""The bundled models load as any other model does, and read any text."""

import numpy as np
import open_clip
import pytest
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import CLIPTokenizer

from synthvlm.model_folders import resolve_model
from synthvlm.scenes.mini_models.clip_tokenizer import CONTEXT, build_tokenizer
from synthvlm.scenes.mini_models.measure.sdxl import Generator
from synthvlm.scenes.oracle import judge
from synthvlm.scenes.render import render
from synthvlm.scenes.world import Scene, Thing

BASE = resolve_model("bundled:mini-sdxl")
REFINER = resolve_model("bundled:mini-sdxl-refiner")
CLIP = resolve_model("bundled:mini-clip")
TOKENIZER = CLIPTokenizer.from_pretrained(BASE / "tokenizer")


def test_base_and_refiner_are_the_architectures_of_sdxl() -> None:
    base = StableDiffusionXLPipeline.from_pretrained(BASE)
    refiner = StableDiffusionXLImg2ImgPipeline.from_pretrained(REFINER)
    for pipeline in (base, refiner):
        assert pipeline.unet.config.addition_embed_type == "text_time"
        assert pipeline.scheduler.config.prediction_type == "v_prediction"
        assert pipeline.scheduler.config.timestep_spacing == "trailing"
        assert pipeline.unet.dtype == pipeline.text_encoder_2.dtype == torch.float32
    assert refiner.text_encoder is None
    assert refiner.config.requires_aesthetics_score


def test_the_shipped_tokenizers_are_the_ones_that_the_code_builds() -> None:
    second = CLIPTokenizer.from_pretrained(BASE / "tokenizer_2")
    assert TOKENIZER.get_vocab() == second.get_vocab() == build_tokenizer().get_vocab()
    assert (TOKENIZER.pad_token_id, second.pad_token_id) == (TOKENIZER.eos_token_id, 0)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_has_tokens_and_is_cut_to_the_context(text: str) -> None:
    ids = TOKENIZER(text, truncation=True).input_ids
    assert len(ids) <= CONTEXT
    assert ids[0] == TOKENIZER.bos_token_id
    assert ids[-1] == TOKENIZER.eos_token_id
    assert max(ids) < len(TOKENIZER)


def test_words_of_the_world_are_one_token_each() -> None:
    text = "a small purple triangle to the left of an orange diamond"
    assert len(TOKENIZER(text).input_ids) == len(text.split()) + 2


def test_open_clip_loads_the_folder() -> None:
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{CLIP}")
    tokens = open_clip.get_tokenizer(f"local-dir:{CLIP}")(["A photo depicts a red star", "日本"])
    assert tokens.shape == (2, CONTEXT)
    assert model.encode_text(tokens).shape == (2, 128)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator(BASE, REFINER)


def test_seeds_decide_the_image_and_the_batch_does_not(generator) -> None:
    captions = ["a small blue star on a grey page", "a green box above a pink star"]
    together = generator(captions, seed=5, steps=4, guidance=4.0)
    alone = generator(captions, seed=5, steps=4, guidance=4.0, batch=1)
    for x, y in zip(together, alone, strict=True):
        assert np.abs(x.astype(int) - y.astype(int)).max() <= 2


def test_most_images_are_true_to_their_captions(generator) -> None:
    captions = [f"a {colour} circle" for colour in ("red", "green", "blue")] * 4
    images = generator(captions, seed=1, steps=6, guidance=1.5)
    true = [bool(judge(x, c).true) for x, c in zip(images, captions, strict=True)]
    assert sum(true) >= 9


def test_clip_scores_a_true_caption_above_one_that_differs_in_a_word() -> None:
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{CLIP}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{CLIP}")
    scene = Scene(
        "white", (Thing("circle", "red", "big", 20, 32), Thing("star", "blue", "big", 46, 32))
    )
    captions = [
        "a red circle left of a blue star",
        "a red circle right of a blue star",
        "a blue circle left of a red star",
        "a red circle left of a blue cross",
        "a green triangle",
    ]
    with torch.no_grad():
        image = model.eval().encode_image(
            preprocess(Image.fromarray(render(scene)))[None], normalize=True
        )
        text = model.encode_text(tokenizer(captions), normalize=True)
    scores = (text @ image[0]).tolist()
    assert scores[0] > max(scores[1:])
