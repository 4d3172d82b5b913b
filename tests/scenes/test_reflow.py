"""Training the base further: its pairs, and that a short training leaves a pipeline that works."""

import sys

import torch
from diffusers import StableDiffusionXLPipeline

from synthvlm.models import resolve_model
from synthvlm.scenes.recipes import reflow

BASE = resolve_model("bundled:mini-sdxl")


def test_pairs_depend_on_their_seed_alone() -> None:
    base = StableDiffusionXLPipeline.from_pretrained(BASE)
    base.set_progress_bar_config(disable=True)
    one, again, other = (reflow.draw_pairs(base, seed, 4) for seed in (1, 1, 2))
    assert {k: tuple(v.shape) for k, v in one.items()} == {
        "noise": (4, 4, 16, 16),
        "latents": (4, 4, 16, 16),
        "weights": (4, 1, 16, 16),
        "tokens": (4, 77),
    }
    assert all(torch.equal(one[k], again[k]) for k in one)
    assert not torch.equal(one["latents"], other["latents"])


def test_times_are_late_more_often_than_early() -> None:
    torch.manual_seed(0)
    times = reflow.sample_times(10_000)
    assert times.min() >= 0
    assert times.max() == 999
    assert (times > 800).float().mean() > 0.35


def test_a_training_changes_the_unet_alone(tmp_path, monkeypatch) -> None:
    arguments = ["--base", str(BASE), "--out", str(tmp_path / "out"), "--export", str(tmp_path)]
    sizes = ["--steps", "2", "--batch", "4", "--parts", "1", "--part", "8", "--measured", "1"]
    monkeypatch.setattr(sys, "argv", ["reflow", *arguments, *sizes])
    threads = torch.get_num_threads()
    try:
        reflow.main()
    finally:
        torch.set_num_threads(threads)
    before = StableDiffusionXLPipeline.from_pretrained(BASE)
    after = StableDiffusionXLPipeline.from_pretrained(tmp_path / "mini-sdxl")
    for part in ("vae", "text_encoder", "text_encoder_2"):
        old, new = (getattr(pipeline, part).state_dict() for pipeline in (before, after))
        assert all(torch.equal(old[name], new[name]) for name in old)
    new = after.unet.state_dict()
    assert any((value != new[name]).any() for name, value in before.unet.state_dict().items())
