"""Training the base on what it makes itself: its states, and that a training leaves a pipeline."""

import sys

import pytest
import torch
from diffusers import DDPMScheduler, StableDiffusionXLPipeline

from synthvlm.model_folders import resolve_model
from synthvlm.scenes.mini_models.architectures import SCHEDULE
from synthvlm.scenes.mini_models.train import reflow

BASE = resolve_model("bundled:mini-sdxl")
NOISER = DDPMScheduler(**{k: v for k, v in SCHEDULE.items() if k != "timestep_spacing"})


@pytest.fixture(scope="module")
def teacher() -> StableDiffusionXLPipeline:
    pipeline = StableDiffusionXLPipeline.from_pretrained(BASE)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_states_depend_on_their_seed_alone(teacher) -> None:
    one, again, other = (reflow.draw_states(teacher, 1.0, seed, 3) for seed in (1, 1, 2))
    assert {k: tuple(v.shape) for k, v in one.items()} == {
        "states": (3, 6, 4, 16, 16),
        "times": (3, 6),
        "latents": (3, 4, 16, 16),
        "weights": (3, 1, 16, 16),
        "tokens": (3, 77),
    }
    assert all(torch.equal(one[k], again[k]) for k in one)
    assert not torch.equal(one["latents"], other["latents"])


def test_states_are_what_the_unet_sees_on_its_way(teacher) -> None:
    seen, call = [], teacher.unet.forward

    def watch(sample, time, *rest, **named):
        seen.append((int(time), sample))
        return call(sample, time, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teacher.unet, "forward", watch)
        drawn = reflow.draw_states(teacher, 1.0, 3, 2)
    assert drawn["times"][0].tolist() == [time for time, _ in seen[:6]]
    for step, (_, sample) in enumerate(seen[:6]):
        # Where the processor has bfloat16, latents are rounded to it: two units in its last place.
        state = drawn["states"][:, step].float()
        assert torch.allclose(state, sample.float(), atol=5e-3, rtol=2**-7)


def test_the_velocity_of_a_noisy_drawing_is_diffusers() -> None:
    torch.manual_seed(0)
    latents, noise = torch.randn(2, 5, 4, 16, 16)
    times = torch.tensor([999, 700, 400, 100, 20])
    noisy = NOISER.add_noise(latents, noise, times)
    found = reflow.velocity(noisy, latents, NOISER.alphas_cumprod[times])
    assert torch.allclose(found, NOISER.get_velocity(latents, noise, times), atol=1e-3)


def test_a_training_changes_the_unet_alone(tmp_path, monkeypatch, teacher) -> None:
    arguments = ["--teacher", str(BASE), "--out", str(tmp_path / "out"), "--export", str(tmp_path)]
    sizes = ["--steps", "2", "--batch", "4", "--parts", "1", "--part", "4", "--measured", "1"]
    monkeypatch.setattr(sys, "argv", ["reflow", *arguments, *sizes])
    threads = torch.get_num_threads()
    try:
        reflow.main()
    finally:
        torch.set_num_threads(threads)
    after = StableDiffusionXLPipeline.from_pretrained(tmp_path / "mini-sdxl")
    for component in ("vae", "text_encoder", "text_encoder_2"):
        old, new = (getattr(pipeline, component).state_dict() for pipeline in (teacher, after))
        assert all(torch.equal(old[name], new[name]) for name in old)
    new = after.unet.state_dict()
    assert any((value != new[name]).any() for name, value in teacher.unet.state_dict().items())
