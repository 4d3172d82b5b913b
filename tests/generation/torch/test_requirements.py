"""Settings of PyTorch that a device cannot do are refused at start, by name."""

import pytest
import torch

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.loading import load_pipelines
from synthvlm.generation.torch.options import TorchSettings
from synthvlm.generation.torch.requirements import Device, require

CPU = Device("the CPU", None)
V100 = Device("Tesla V100", (7, 0))
A100 = Device("NVIDIA A100", (8, 0))
H200 = Device("NVIDIA H200", (9, 0))
EVERYTHING = TorchSettings(
    compile_denoiser="whole",
    compile_decoder=True,
    channels_last=True,
    attention="cudnn",
    fuse_qkv=True,
    fp8="linear",
    decoder_dtype="bfloat16",
    slice_decoder=True,
)


def check(device, dtype="bfloat16", installed=("triton", "torchao"), **settings):
    require(TorchSettings(**settings), device, getattr(torch, dtype), installed.__contains__)


def test_the_newest_gpu_does_everything():
    require(EVERYTHING, H200, torch.bfloat16, lambda _: True)


@pytest.mark.parametrize("device", [CPU, V100, H200])
def test_every_device_does_what_is_the_default(device):
    check(device, "float32", installed=())


@pytest.mark.parametrize(
    ("device", "dtype", "installed", "settings", "missing"),
    [
        (CPU, "float32", (), {"attention": "cudnn"}, "attention cudnn needs float16"),
        (CPU, "float32", (), {"attention": "efficient"}, "attention efficient needs a GPU"),
        (V100, "float16", (), {"attention": "flash"}, "attention flash needs .* 8.0"),
        (H200, "float32", (), {"attention": "flash"}, "attention flash needs float16"),
        (CPU, "bfloat16", ("torchao",), {"fp8": "linear"}, "fp8 needs bfloat16, and a GPU"),
        (A100, "bfloat16", ("torchao",), {"fp8": "linear"}, "fp8 needs .* 8.9"),
        (H200, "float16", ("torchao",), {"fp8": "linear"}, "fp8 needs bfloat16"),
        (H200, "bfloat16", (), {"fp8": "linear"}, "fp8 needs the package torchao"),
        (H200, "float16", (), {"compile_decoder": True}, "compile_decoder needs Triton"),
        (
            H200,
            "float16",
            (),
            {"compile_denoiser": "whole"},
            "NVIDIA H200 cannot .*compile_denoiser needs Triton",
        ),
    ],
)
def test_what_a_device_cannot_do_is_said_by_name(device, dtype, installed, settings, missing):
    with pytest.raises(PreconditionFailed, match=missing):
        check(device, dtype, installed, **settings)


def test_everything_that_is_missing_is_said_at_once():
    with pytest.raises(PreconditionFailed) as failure:
        require(EVERYTHING, CPU, torch.float32, lambda _: False)
    for setting in ("attention cudnn", "fp8 needs bfloat16", "fp8 needs the package"):
        assert f"pipeline.torch.{setting}" in failure.value.message


def test_compilation_on_the_cpu_needs_a_compiler(monkeypatch):
    monkeypatch.setenv("CXX", "/nowhere/g++")
    with pytest.raises(PreconditionFailed, match=r"compile_denoiser needs a C\+\+ compiler"):
        check(CPU, compile_denoiser="repeated_blocks")


def test_compiled_code_needs_a_folder_that_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PreconditionFailed, match="compile_cache cannot be written"):
        check(H200, compile_denoiser="whole", compile_cache=tmp_path / "file" / "compiled")
    check(H200, compile_denoiser="whole", compile_cache=tmp_path / "compiled")


def test_a_service_does_not_start_with_what_its_device_cannot_do():
    settings = GenerationSettings(pipeline={"torch": {"attention": "cudnn"}})
    with pytest.raises(PreconditionFailed, match=r"the CPU cannot .*pipeline\.torch\.attention"):
        load_pipelines(settings)


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        (
            {"executor": "onnxruntime", "torch": {"channels_last": True}},
            "need the executor torch",
        ),
        (
            {"class_name": "StableDiffusion3Pipeline", "cached_prompts": 1},
            "cached_prompts needs a StableDiffusionXL pipeline",
        ),
        (
            {"class_name": "StableDiffusion3Pipeline", "guidance_end": 0.5},
            "guidance_end needs a StableDiffusionXL pipeline",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(pipeline, message):
    with pytest.raises(ValueError, match=message):
        GenerationSettings(pipeline=pipeline)
