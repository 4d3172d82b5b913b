"""What a quantisation is calibrated with. None of it needs a GPU."""

import numpy as np
import pytest
import torch

from synthvlm.errors import InvalidInput, PreconditionFailed
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.tensorrt.quantization import (
    STEPS_KEPT,
    CalibrationReader,
    quantize_graph,
    record_inputs,
    spread,
)


def test_a_quantisation_is_calibrated_with_what_the_denoisers_really_get(pipelines):
    wanted = GenerationSettings(
        pipeline={"refiner": "bundled:mini-sdxl-refiner"},
        steps=12,
        high_noise_fraction=0.5,
        guidance_scale=3.0,
        width=32,
        height=32,
    )
    recorded = record_inputs(pipelines, wanted, ["a red circle", "a blue square", "x", "y", "z"])
    assert set(recorded) == {"base-unet", "refiner-unet"}
    # Two batches, of whose six steps each UNet took all.
    assert {name: len(calls) for name, calls in recorded.items()} == {
        "base-unet": 12,
        "refiner-unet": 12,
    }
    call = recorded["base-unet"][0]
    assert call["sample"].shape == (8, 4, 8, 8)
    assert call["timestep"].shape == ()
    times = [float(call["timestep"]) for call in recorded["base-unet"][:6]]
    assert times == sorted(times, reverse=True)
    assert times[-1] > float(recorded["refiner-unet"][0]["timestep"])
    assert not pipelines.by_role["base"].unet._forward_pre_hooks


def test_without_captions_there_is_nothing_to_calibrate_with(pipelines):
    with pytest.raises(InvalidInput, match="--calibration"):
        record_inputs(pipelines, GenerationSettings(), [])


def test_calls_are_kept_from_the_whole_schedule():
    calls = [{"step": torch.tensor(step)} for step in range(60)]
    kept = [int(call["step"]) for call in spread(calls, STEPS_KEPT)]
    assert (len(kept), kept[0], kept[-1]) == (STEPS_KEPT, 0, 59)
    assert spread(calls[:3], STEPS_KEPT) == calls[:3]


def test_calibration_reads_every_call_once_and_again():
    calls = [{"sample": torch.full((2,), float(n)), "unread": torch.zeros(1)} for n in range(3)]
    reader = CalibrationReader(calls, ["sample"])
    assert np.array_equal(reader.get_first()["sample"], [0.0, 0.0])
    for _ in range(2):
        read = list(iter(reader.get_next, None))
        assert [float(one["sample"][0]) for one in read] == [0.0, 1.0, 2.0]
        assert all(set(one) == {"sample"} for one in read)
        reader.rewind()


def test_without_modelopt_the_reason_is_said(tmp_path):
    with pytest.raises(PreconditionFailed, match=r"install nvidia-modelopt\[onnx\]"):
        quantize_graph(tmp_path / "base-unet.onnx", "fp8", [])
