"""Each setting of PyTorch that a CPU can do, by the images that it makes."""

import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import ImageRequest, Sampling
from synthvlm.generation.identity import numerics_of
from synthvlm.generation.loading import load_pipelines
from synthvlm.generation.pipeline import PipelineSettings
from synthvlm.generation.torch import acceleration
from synthvlm.generation.torch.options import TorchSettings
from synthvlm.progress import SILENT
from tests.generation.diffusion import families

SAMPLING = Sampling(5, 3.0, 0.8, 32, 32)
PROMPTS = ("a red circle", "a blue square", "a red circle", "a green star", "two circles")
BUNDLED = {"refiner": "bundled:mini-sdxl-refiner"}


def requests(sampling=SAMPLING):
    return [ImageRequest(prompt, seed, sampling) for seed, prompt in enumerate(PROMPTS)]


def load(**pipeline):
    return load_pipelines(GenerationSettings(pipeline=pipeline))


def images(pipelines, sampling=SAMPLING):
    return np.stack([sample.pixels for sample in pipelines.generate(requests(sampling), SILENT)])


@pytest.fixture(scope="module")
def expected(pipelines):
    return images(pipelines)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder of networks of few layers with random weights."""
    return families.turbo(tmp_path_factory.mktemp("small"))


@pytest.mark.parametrize(
    ("settings", "largest", "mean"),
    [
        ({"channels_last": True}, 1, 0.001),
        ({"fuse_qkv": True}, 1, 0.001),
        ({"attention": "math"}, 1, 0.001),
        ({"slice_decoder": True}, 1, 0.001),
        ({"decoder_dtype": "float32"}, 0, 0),
        ({"decoder_dtype": "bfloat16"}, 5, 0.4),
    ],
    ids=str,
)
def test_images_differ_by_no_more_than_is_said(expected, settings, largest, mean):
    difference = np.abs(images(load(**BUNDLED, torch=settings)).astype(int) - expected)
    assert difference.max() <= largest
    assert difference.mean() <= mean


def test_embeddings_that_are_kept_give_the_same_bytes(pipelines, expected):
    # Fewer than a batch has, so that some are computed anew.
    cached = load(**BUNDLED, cached_prompts=3)
    assert cached.numerics == pipelines.numerics
    for sampling in (SAMPLING, replace(SAMPLING, negative_prompt="blue"), SAMPLING):
        wanted = expected if sampling is SAMPLING else images(pipelines, sampling)
        assert np.array_equal(images(cached, sampling), wanted)
    unguided = replace(SAMPLING, guidance_scale=1.0)
    assert np.array_equal(images(cached, unguided), images(pipelines, unguided))


def test_repeats_of_a_prompt_are_encoded_once(monkeypatch, small):
    cached = load(model=str(small), cached_prompts=8)
    encoder = cached.by_role["base"].text_encoder
    encoded, forward = [], encoder.forward

    def counted(tokens, *arguments, **rest):
        encoded.append(len(tokens))
        return forward(tokens, *arguments, **rest)

    monkeypatch.setattr(encoder, "forward", counted)
    sampling = replace(SAMPLING, high_noise_fraction=1.0, guidance_scale=1.0)
    images(cached, sampling)
    assert encoded == [4]  # of five prompts, two are the same
    images(cached, sampling)
    assert encoded == [4]


@pytest.mark.parametrize(
    ("end", "guided"),
    [(0.8, [True, True, True, True, False]), (0.5, [True, True, True, False, False])],
)
def test_guidance_ends_within_the_base_or_the_refiner(monkeypatch, end, guided):
    ended = load(**BUNDLED, guidance_end=end)
    rows = []
    for pipeline in ended.by_role.values():

        def counted(sample, *arguments, forward=pipeline.unet.forward, **rest):
            rows.append(len(sample))
            return forward(sample, *arguments, **rest)

        monkeypatch.setattr(pipeline.unet, "forward", counted)
    images(ended)
    assert rows == [max(rows) if one else max(rows) // 2 for one in guided]


def test_networks_are_compiled_whole_when_they_are_loaded(monkeypatch, small):
    traced = {**acceleration._COMPILATION, "backend": "aot_eager"}
    monkeypatch.setattr(acceleration, "_COMPILATION", traced)
    torch_settings = {"channels_last": True, "fuse_qkv": True, "attention": "math"}
    sampling = replace(SAMPLING, high_noise_fraction=1.0, steps=2)
    request = ImageRequest(PROMPTS[0], 0, sampling)

    def image(**compilation):
        pipelines = load_pipelines(
            GenerationSettings(
                pipeline={
                    "model": str(small),
                    "batch_multiple": 1,
                    "torch": {**torch_settings, **compilation},
                },
                width=32,
                height=32,
                guidance_scale=3.0,
            )
        )
        loaded = counters["stats"]["unique_graphs"]
        return loaded, pipelines.generate([request], SILENT)[0].pixels

    counters.clear()
    _, wanted = image()
    torch._dynamo.reset()
    loaded, found = image(compile_denoiser="whole", compile_decoder=True)
    assert np.abs(found.astype(int) - wanted).max() <= 1
    # The denoising network, what makes its result contiguous, and the decoder; none of them anew.
    assert loaded == counters["stats"]["unique_graphs"] == 3
    assert not counters["graph_break"]


def test_a_network_that_is_not_made_for_a_setting_is_named(small, tmp_path):
    with pytest.raises(PreconditionFailed, match="decoder_dtype float16: this VAE overflows"):
        load(model=str(small), torch={"decoder_dtype": "float16"})
    network = SimpleNamespace(to=lambda **_: None)
    with pytest.raises(PreconditionFailed, match=r"fuse_qkv: a SimpleNamespace \(unet\)"):
        acceleration._accelerate_denoiser("unet", network, TorchSettings(fuse_qkv=True))


def test_fp8_is_for_products_of_transformer_blocks(monkeypatch, pipelines):
    """torchao is not installed here: what it would be asked for."""
    asked = {}

    def quantize(network, config, is_wanted):
        asked.update(
            config=config,
            layers=[name for name, layer in network.named_modules() if is_wanted(layer, name)],
        )

    stand_in = ModuleType("torchao.quantization")
    stand_in.quantize_ = quantize
    stand_in.PerRow = lambda: "a scale per row"
    stand_in.Float8DynamicActivationFloat8WeightConfig = dict
    monkeypatch.setitem(sys.modules, "torchao", ModuleType("torchao"))
    monkeypatch.setitem(sys.modules, "torchao.quantization", stand_in)
    unet = pipelines.by_role["base"].unet
    acceleration._accelerate_denoiser("unet", unet, TorchSettings(fp8="linear"))
    assert asked["config"] == {"granularity": "a scale per row"}
    kinds = {name.split("transformer_blocks.")[1].split(".", 1)[1] for name in asked["layers"]}
    assert kinds == {
        *(f"attn{n}.{part}" for n in (1, 2) for part in ("to_q", "to_k", "to_v", "to_out.0")),
        *("ff.net.0.proj", "ff.net.2"),
    }


def test_what_changes_images_is_part_of_the_numerics(tmp_path):
    plain = numerics_of(PipelineSettings())
    torch_settings = {
        "compile_denoiser": "whole",
        "channels_last": True,
        "decoder_dtype": "bfloat16",
        "compile_cache": tmp_path,
    }
    settings = PipelineSettings(torch=torch_settings, guidance_end=0.8, cached_prompts=9)
    assert numerics_of(settings) == {
        **plain,
        "compile_denoiser": "whole",
        "channels_last": 1,
        "decoder_dtype": "bfloat16",
        "guidance_end": "0.8",
    }
    assert numerics_of(settings.in_torch("cpu")) == {**plain, "guidance_end": "0.8"}
