"""Training the decoder further: what counts, and what must not change."""

import sys

import numpy as np
import torch
from diffusers import AutoencoderKL

from synthvlm.model_folders import resolve_model
from synthvlm.scenes.mini_models.architectures import make_vae
from synthvlm.scenes.mini_models.train import decoder
from synthvlm.scenes.mini_models.train.data import make_scenes, to_pixels
from synthvlm.scenes.mini_models.train.decoder import THING_WEIGHT, difficulty, encode, weigh_things
from synthvlm.scenes.render import render
from synthvlm.scenes.world import BACKGROUNDS, Scene, Thing


def test_things_and_their_rims_count_more_than_any_background() -> None:
    thing = Thing("square", "pink", "small", 32, 32)
    images = torch.from_numpy(np.stack([render(Scene(ground, (thing,))) for ground in BACKGROUNDS]))
    weights = weigh_things(to_pixels(images))
    assert weights.shape == (len(BACKGROUNDS), 1, 64, 64)
    assert (weights[:, :, 26:38, 26:38] == THING_WEIGHT).all()
    border = torch.ones(64, 64, dtype=torch.bool)
    border[16:48, 16:48] = False
    assert (weights[..., border] == 1).all()


def test_what_is_decoded_badly_is_difficult() -> None:
    vae = AutoencoderKL.from_pretrained(resolve_model("bundled:mini-sdxl") / "vae").float()
    images = make_scenes(1, 8).images
    latents = encode(vae, images)
    well, badly = difficulty(vae, images, latents), difficulty(vae, images, latents.roll(1, 0))
    assert well.shape == (8,)
    assert (badly > well).all()


def test_only_the_decoder_is_trained(tmp_path, monkeypatch) -> None:
    torch.manual_seed(0)
    before = make_vae()
    before.save_pretrained(tmp_path / "vae")
    arguments = ["--vae", str(tmp_path / "vae"), "--out", str(tmp_path / "out"), "--steps", "3"]
    sizes = ["--scenes", "16", "--batch", "4"]
    monkeypatch.setattr(sys, "argv", ["decoder", *arguments, *sizes])
    threads = torch.get_num_threads()
    try:
        decoder.main()
    finally:
        torch.set_num_threads(threads)
    after = AutoencoderKL.from_pretrained(tmp_path / "out" / "vae").state_dict()
    changed = {name for name, value in before.state_dict().items() if (value != after[name]).any()}
    assert changed
    assert all(name.startswith(("decoder.", "post_quant_conv.")) for name in changed)
