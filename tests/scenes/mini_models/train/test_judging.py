"""Training mini-clip on generated images: what is judged, and that judging is learnt."""

import open_clip
import torch

from synthvlm.generation.engine import Sampling
from synthvlm.model_folders import resolve_model
from synthvlm.scenes.mini_models.clip_tokenizer import build_tokenizer
from synthvlm.scenes.mini_models.measure.sdxl import Generator
from synthvlm.scenes.mini_models.train.judging import Judge, judge_images, judge_loss
from synthvlm.scenes.oracle import judge

SAMPLING = Sampling(steps=2, guidance_scale=1.0, high_noise_fraction=1.0, width=64, height=64)


def test_each_image_is_judged_against_its_prompt_and_two_near_it() -> None:
    part = judge_images(Generator(resolve_model("bundled:mini-sdxl"), None), SAMPLING, 1, 6)
    assert part["images"].shape == (6, 64, 64, 3)
    tokenizer = build_tokenizer(pad_token="!")
    for image, tokens, truth in zip(part["images"], part["tokens"], part["true"], strict=True):
        for ids, true in zip(tokens.long(), truth.tolist(), strict=True):
            caption = tokenizer.decode(ids, skip_special_tokens=True).rstrip("!")
            caption = caption.strip().removeprefix("a photo depicts ")
            assert judge(image.numpy(), caption).true == true, caption


def test_a_judge_learns_what_is_false() -> None:
    torch.manual_seed(0)
    clip, judging = (
        open_clip.create_model(f"local-dir:{resolve_model('bundled:mini-clip')}"),
        Judge(),
    )
    pool = judge_images(Generator(resolve_model("bundled:mini-sdxl"), None), SAMPLING, 2, 8)
    parameters = [*clip.parameters(), *judging.parameters()]
    optimizer = torch.optim.AdamW(parameters, 5e-4)
    losses = []
    for _ in range(12):
        loss = judge_loss(clip, judging, pool, 24)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) < sum(losses[:3])
