"""The pipelines against plain diffusers, with the bundled pipelines."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline

from synthvlm.errors import OperationCancelled, PreconditionFailed
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import BLANK, NOT_FINITE, ImageRequest, Sampling
from synthvlm.generation.engines.diffusers import DiffusersEngine
from synthvlm.generation.loading import load_pipelines
from synthvlm.generation.warm_up import warm_up
from synthvlm.model_folders import model_digest, resolve_model
from synthvlm.progress import SILENT

BASE = resolve_model("bundled:mini-sdxl")
REFINER = resolve_model("bundled:mini-sdxl-refiner")
SAMPLING = Sampling(5, 3.0, 0.8, 32, 32)
PROMPTS = [
    "a small red circle",
    "a large blue square above a green triangle",
    "two yellow circles",
    "a purple star left of an orange square",
    "three grey triangles",
]


def requests(count, sampling=SAMPLING):
    return [
        ImageRequest(f"{PROMPTS[i % len(PROMPTS)]}, number {i}", 1000 + i, sampling)
        for i in range(count)
    ]


class Calls:
    """Counts the batches that pass through the UNets."""

    def __init__(self, monkeypatch, pipelines):
        self.unets = {"base": [], "refiner": []}
        for name, pipeline in pipelines.by_role.items():
            monkeypatch.setattr(pipeline.unet, "forward", self._counted(pipeline.unet, name))

    def _counted(self, unet, name):
        forward = unet.forward

        def counted(sample, timestep, **rest):
            self.unets[name].append((float(timestep), sample.shape[0]))
            return forward(sample, timestep, **rest)

        return counted

    def count(self):
        return len(self.unets["base"]), len(self.unets["refiner"])


@pytest.fixture
def calls(monkeypatch, pipelines):
    return Calls(monkeypatch, pipelines)


@pytest.fixture(scope="module")
def reference():
    """The two pipelines as the diffusers documentation uses them together, one image at a time."""
    options = {"dtype": torch.float32, "local_files_only": True}
    base = StableDiffusionXLPipeline.from_pretrained(BASE, **options)
    refiner = StableDiffusionXLImg2ImgPipeline.from_pretrained(REFINER, **options)
    for pipeline in (base, refiner):
        pipeline.set_progress_bar_config(disable=True)

    def image(prompt, seed, steps, guidance, fraction, size, negative=None):
        torch.set_num_threads(2)
        generator = torch.Generator().manual_seed(seed)
        shared = {
            "prompt": prompt,
            "negative_prompt": negative,
            "num_inference_steps": steps,
            "guidance_scale": guidance,
            "generator": generator,
        }
        if fraction == 1:
            return np.asarray(base(**shared, height=size, width=size).images[0])
        latents = base(
            **shared, height=size, width=size, denoising_end=fraction, output_type="latent"
        ).images
        return np.asarray(refiner(**shared, image=latents, denoising_start=fraction).images[0])

    return image


@pytest.mark.parametrize(
    ("fraction", "guidance", "negative"),
    [(0.8, 3.0, ""), (1.0, 3.0, ""), (0.4, 20.0, "blue"), (0.8, 1.0, "")],
)
def test_images_are_those_of_plain_diffusers(pipelines, reference, fraction, guidance, negative):
    sampling = Sampling(10, guidance, fraction, 32, 32, negative)
    batch = requests(3, sampling)
    for request, sample in zip(batch, pipelines.generate(batch, SILENT), strict=True):
        expected = reference(
            request.prompt, request.seed, 10, guidance, fraction, 32, negative or None
        )
        assert sample.defect is None
        # The reference works on one image, and sums in another order than a padded batch does.
        assert np.abs(sample.pixels.astype(int) - expected).max() <= 1


def test_base_and_refiner_share_one_schedule(pipelines, calls):
    pipelines.generate(requests(1, replace(SAMPLING, steps=20)), SILENT)
    assert calls.count() == (16, 4)
    times = [time for unet in calls.unets.values() for time, _ in unet]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 20
    assert min(time for time, _ in calls.unets["base"]) >= 200
    assert max(time for time, _ in calls.unets["refiner"]) < 200


@pytest.mark.parametrize(
    ("steps", "fraction", "expected"),
    [
        (10, 1.0, (10, 0)),
        (10, 0.5, (5, 5)),
        (1, 0.8, (1, 0)),
        (1, 0.0001, (0, 1)),
        (3, 0.1, (1, 2)),
    ],
)
def test_every_step_is_made_once(pipelines, calls, steps, fraction, expected):
    sampling = replace(SAMPLING, steps=steps, high_noise_fraction=fraction)
    (sample,) = pipelines.generate(requests(1, sampling), SILENT)
    assert calls.count() == expected
    assert sample.pixels.shape == (32, 32, 3)


def test_guidance_doubles_the_batch_and_one_switches_it_off(pipelines, calls):
    pipelines.generate(requests(4), SILENT)
    pipelines.generate(requests(4, replace(SAMPLING, guidance_scale=1.0)), SILENT)
    assert [size for _, size in calls.unets["base"]] == [8] * 4 + [4] * 4


@pytest.mark.parametrize(
    ("guidance", "side", "sizes"),
    [(3.0, 32, range(1, 17)), (1.0, 32, (1, 4, 7, 16)), (1.0, 24, (1, 3))],
)
def test_an_image_does_not_depend_on_its_batch(pipelines, guidance, side, sizes):
    sampling = Sampling(2, guidance, 0.5, side, side)
    batch = requests(16, sampling)
    together = [sample.pixels.tobytes() for sample in pipelines.generate(batch, SILENT)]
    for size in sizes:
        some = pipelines.generate(batch[:size], SILENT)
        assert [sample.pixels.tobytes() for sample in some] == together[:size], size
    backwards = pipelines.generate(batch[::-1], SILENT)[::-1]
    assert [sample.pixels.tobytes() for sample in backwards] == together
    for position in (5, 15):
        (alone,) = pipelines.generate([batch[position]], SILENT)
        assert alone.pixels.tobytes() == together[position]


def test_warming_up_finds_no_dependence_on_the_batch(pipelines):
    with closing(DiffusersEngine(pipelines, 8, 0.0)) as engine:
        assert warm_up(engine, replace(SAMPLING, width=64, height=64)) == 0


def test_seed_and_prompt_make_the_image(pipelines):
    first = ImageRequest(PROMPTS[0], 1, SAMPLING)
    samples = pipelines.generate(
        [first, replace(first, seed=2), replace(first, prompt=PROMPTS[1]), first], SILENT
    )
    images = [sample.pixels.tobytes() for sample in samples]
    assert images[0] == images[3]
    assert len(set(images)) == 3


def test_the_process_random_numbers_are_left_alone(pipelines):
    before = torch.get_rng_state()
    pipelines.generate(requests(1), SILENT)
    assert torch.equal(before, torch.get_rng_state())


class GoneAfter:
    """A caller who goes away after a number of checks."""

    def __init__(self, checks):
        self.left = checks

    def report(self, done, total, resumed=0, reused=0):
        raise AssertionError("pipelines report nothing")

    def check(self):
        self.left -= 1
        if self.left < 0:
            raise OperationCancelled("gone")


@pytest.mark.parametrize("step", [0, 1, 3, 5])
def test_cancellation_stops_within_a_step(pipelines, calls, step):
    with pytest.raises(OperationCancelled):
        pipelines.generate(requests(2), GoneAfter(step))
    assert sum(calls.count()) == step
    # Nothing of the broken loop is left in the schedulers.
    again = pipelines.generate(requests(2), SILENT)
    assert [one.defect for one in again] == [None, None]
    assert calls.count() == (4 + min(step, 4), 1 + max(step - 4, 0))


def test_numbers_that_are_not_finite_are_a_defect_of_their_image_alone(pipelines, monkeypatch):
    vae = pipelines.by_role["refiner"].vae
    decode = vae.decode

    def overflow(latents, **options):
        (images,) = decode(latents, **options)
        images[1, :, 3, 3] = torch.nan
        images[2] = -1.0
        return (images,)

    batch = requests(3)
    whole = pipelines.generate(batch, SILENT)
    monkeypatch.setattr(vae, "decode", overflow)
    samples = pipelines.generate(batch, SILENT)
    assert [sample.defect for sample in samples] == [None, NOT_FINITE, BLANK]
    assert np.array_equal(samples[0].pixels, whole[0].pixels)


def test_long_prompts_are_cut_as_the_tokenizer_cuts_them(pipelines):
    words = " ".join(["red circle"] * 60)
    long, longer = (ImageRequest(words + end, 1, SAMPLING) for end in ("", " and a blue square"))
    short = ImageRequest("a red circle", 1, SAMPLING)
    samples = pipelines.generate([long, longer, short], SILENT)
    assert [sample.truncated for sample in samples] == [True, True, False]
    assert np.array_equal(samples[0].pixels, samples[1].pixels)


def test_a_batch_has_one_set_of_parameters(pipelines):
    with pytest.raises(ValueError, match="same sampling"):
        pipelines.generate([*requests(1), *requests(1, replace(SAMPLING, steps=2))], SILENT)


def test_width_and_height_are_not_mixed_up(pipelines):
    (sample,) = pipelines.generate(requests(1, replace(SAMPLING, width=48, steps=1)), SILENT)
    assert sample.pixels.shape == (32, 48, 3)


def test_nothing_is_printed(pipelines, capfd):
    pipelines.generate(requests(1), SILENT)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_every_component_has_the_precision_of_the_profile(pipelines):
    for pipeline in pipelines.by_role.values():
        for module in pipeline.components.values():
            if isinstance(module, torch.nn.Module):
                assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}


def test_the_pipelines_say_what_their_bytes_depend_on(pipelines):
    assert pipelines.model_digest == model_digest(BASE, REFINER)
    assert pipelines.numerics == {
        "executor": "torch",
        "device": "cpu",
        "dtype": "float32",
        "batch_multiple": 4,
        "threads": 2,
    }


def test_equal_components_of_base_and_refiner_are_in_memory_once(pipelines):
    same = model_digest(BASE / "vae") == model_digest(REFINER / "vae")
    base, refiner = pipelines.by_role.values()
    assert (base.vae is refiner.vae) == same


def load(base, **changes):
    return load_pipelines(GenerationSettings(pipeline={"model": str(base), **changes}))


def test_without_a_refiner_the_base_does_it_all(pipelines):
    alone = load(BASE)
    assert alone.model_digest != pipelines.model_digest
    batch = requests(2, replace(SAMPLING, high_noise_fraction=1.0))
    for one, other in zip(
        alone.generate(batch, SILENT), pipelines.generate(batch, SILENT), strict=True
    ):
        assert np.array_equal(one.pixels, other.pixels)


def test_what_cannot_be_loaded_is_said(tmp_path):
    with pytest.raises(PreconditionFailed, match="model_index"):
        load(tmp_path)
    with pytest.raises(PreconditionFailed):
        load(BASE / "unet")
    if not torch.cuda.is_available():
        with pytest.raises(PreconditionFailed, match="cannot be loaded"):
            load(BASE, device="cuda")
