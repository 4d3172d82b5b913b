"""TensorRT engines: sizes, identity, storage and refusal. None of it needs a GPU."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from synthvlm.errors import DataCorrupt, InvalidInput, PreconditionFailed
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.executors.networks import networks_of
from synthvlm.generation.executors.tensorrt import PlanTensor, require_network
from synthvlm.generation.loading import load_pipelines
from synthvlm.generation.plans.build import build_plans
from synthvlm.generation.plans.cache import (
    FILE,
    NETWORKS,
    await_plans,
    opened,
    plan_files,
    stored_plans,
)
from synthvlm.generation.plans.identity import mismatches
from synthvlm.generation.plans.quantization import (
    STEPS_KEPT,
    CalibrationReader,
    quantize_graph,
    record_inputs,
    spread,
)
from synthvlm.generation.plans.ranges import (
    ShapeRange,
    axis_ranges,
    latent_factor,
    shape_ranges,
)
from synthvlm.generation.plans.sizes import BatchProfile, Range, batch_profile
from synthvlm.generation.plans.target import Target, plan_identity
from synthvlm.generation.requests import SamplingParameters
from synthvlm.models import model_digest, resolve_model
from synthvlm.storage import Commit

BASE, REFINER = resolve_model("bundled:mini-sdxl"), resolve_model("bundled:mini-sdxl-refiner")
H100 = Target("11.4.0.106", "9.0", "NVIDIA H100 80GB HBM3")
ON_GPU = {"executor": "tensorrt", "device": "cuda", "dtype": "float16"}


def settings(**changes):
    given = {"tensorrt_store": "file:///engines", "width": 64, "height": 64, **ON_GPU}
    return GenerationSettings(**{**given, **changes})


IDENTITY = plan_identity(settings(), H100)


# Sizes


def test_a_batch_profile_is_what_the_service_makes_of_its_settings():
    found = batch_profile(settings(batch_size=8, batch_multiple=4, width=1024, height=768))
    assert found.images == Range(4, 8, 8)
    assert (found.width, found.height) == (Range(1024, 1024, 1024), Range(768, 768, 768))


def test_sides_vary_where_the_settings_let_them():
    found = batch_profile(settings(width=1024, height=768, tensorrt_sides=(512, 1152)))
    assert found.width == Range(512, 1024, 1152)
    assert found.height == Range(512, 768, 1152)


@pytest.mark.parametrize(("guidance", "best"), [(20.0, 16), (1.0, 8)])
def test_the_denoiser_gets_two_samples_an_image_with_guidance(guidance, best):
    found = batch_profile(settings(batch_size=8, batch_multiple=4, guidance_scale=guidance))
    # A request may choose either way, so both batches are within the range.
    assert found.denoised == Range(4, best, 16)


def test_a_batch_profile_survives_json():
    found = batch_profile(settings(tensorrt_sides=(32, 128)))
    assert BatchProfile.from_json(found.to_json()) == found


@pytest.mark.parametrize("lengths", [(0, 1, 2), (2, 1, 3), (1, 3, 2)])
def test_lengths_out_of_order_are_no_range(lengths):
    with pytest.raises(ValueError, match="no range"):
        Range(*lengths)


def test_every_network_gets_the_shapes_of_its_batches(engine):
    batches = batch_profile(settings(batch_size=8, batch_multiple=8, tensorrt_sides=(32, 128)))
    found = {
        part: shape_ranges(network.inputs, axis_ranges(network, batches, latent_factor(BASE)))
        for part, network in networks_of(engine.pipelines["base"]).items()
    }
    tokens = (8, 77)
    assert found["text_encoder"] == {"input_ids": ShapeRange(tokens, tokens, tokens)}
    assert found["vae"] == {
        "latents": ShapeRange((8, 4, 8, 8), (8, 4, 16, 16), (8, 4, 32, 32)),
    }
    unet = found["unet"]
    assert unet["sample"] == ShapeRange((8, 4, 8, 8), (16, 4, 16, 16), (16, 4, 32, 32))
    assert unet["timestep"] == ShapeRange((), (), ())
    assert unet["time_ids"].best == (16, 6)


def test_sides_that_are_no_whole_latents_are_refused(engine):
    batches = replace(IDENTITY.batches, width=Range(60, 66, 66))
    network = networks_of(engine.pipelines["base"])["vae"]
    with pytest.raises(PreconditionFailed, match="multiples of 4 pixels"):
        axis_ranges(network, batches, 4)


def test_pixels_a_latent_are_what_the_pipeline_says(engine, tmp_path):
    assert latent_factor(BASE) == engine.pipelines["base"].vae_scale_factor
    with pytest.raises(PreconditionFailed, match="has no VAE"):
        latent_factor(tmp_path)


# Identity


def test_the_identity_is_of_the_files_and_not_of_the_scheduler():
    one = plan_identity(settings(refiner="bundled:mini-sdxl-refiner"), H100)
    other = plan_identity(
        settings(refiner="bundled:mini-sdxl-refiner", scheduler="EulerDiscreteScheduler"), H100
    )
    assert one == other
    assert one.model_digest == model_digest(BASE, REFINER)


OTHERS = {
    "model": replace(IDENTITY, model_digest=f"sha256:{'1' * 64}"),
    "TensorRT": plan_identity(settings(), replace(H100, tensorrt="11.4.1.9")),
    "compute capability": plan_identity(settings(), replace(H100, sm="8.9")),
    "precision": plan_identity(settings(dtype="float32"), H100),
    "quantization": plan_identity(settings(tensorrt_quantization="fp8"), H100),
    "steps": plan_identity(settings(steps=20), H100),
    "batches": plan_identity(settings(batch_size=8), H100),
}


@pytest.mark.parametrize("what", OTHERS)
def test_whatever_plans_depend_on_is_part_of_their_place(what):
    (told,) = mismatches(OTHERS[what], IDENTITY)
    assert told.startswith(what)
    assert OTHERS[what].key.path != IDENTITY.key.path


def test_the_name_of_the_gpu_is_not_only_its_architecture():
    assert plan_identity(settings(), replace(H100, gpu="NVIDIA H200")) == IDENTITY


# Storage


def commit_plans(store, identity, details=None):
    files = {"base-unet-0123.plan": b"unet", "base-vae-4567.plan": b"vae"}
    networks = {name.rpartition("-")[0]: {FILE: name} for name in files}
    return Commit(store, identity.key).finish(
        files, records=2, details={"gpu": H100.gpu, NETWORKS: networks} | (details or {})
    )


def test_plans_are_found_by_what_they_were_built_for(store, tmp_path):
    commit_plans(store, IDENTITY)
    shard = await_plans(store, IDENTITY, 0)
    files = plan_files(shard, tmp_path)
    assert {name: file.read_bytes() for name, file in files.items()} == {
        "base-unet": b"unet",
        "base-vae": b"vae",
    }


def test_a_server_waits_for_its_plans(store):
    timer = threading.Timer(0.3, commit_plans, (store, IDENTITY))
    timer.start()
    assert await_plans(store, IDENTITY, 60).ref.path == IDENTITY.key.path
    timer.join()


def test_without_plans_the_refusal_says_what_is_expected_and_how_to_build_it(store):
    with pytest.raises(PreconditionFailed) as refused:
        await_plans(store, IDENTITY, 0)
    message = refused.value.message
    assert "Found: none" in message
    for part in (IDENTITY.model_digest, "11.4.0.106", "9.0", "float16", "60 steps"):
        assert part in message
    assert "synthvlm engines build" in message


@pytest.mark.parametrize("what", OTHERS)
def test_wrong_plans_are_refused_with_what_is_wrong(store, what):
    commit_plans(store, OTHERS[what])
    with pytest.raises(PreconditionFailed) as refused:
        await_plans(store, IDENTITY, 0)
    (told,) = mismatches(OTHERS[what], IDENTITY)
    assert f"{OTHERS[what].key.path} has {told}" in refused.value.message


def test_of_many_wrong_plans_the_nearest_are_named(store):
    far = plan_identity(
        settings(steps=5, batch_size=4, dtype="float32"), replace(H100, sm="8.0", tensorrt="11.0")
    )
    for identity in (far, *OTHERS.values()):
        commit_plans(store, identity)
    with pytest.raises(PreconditionFailed) as refused:
        await_plans(store, IDENTITY, 0)
    assert far.key.path not in refused.value.message
    assert refused.value.message.count("engines/") == 4  # the expected place, and three others


def test_plans_in_a_place_that_is_not_theirs_are_refused(store):
    ref = commit_plans(store, OTHERS["TensorRT"])
    with pytest.raises(PreconditionFailed, match=r"TensorRT 11\.4\.1\.9, not 11\.4\.0\.106"):
        opened(store, ref, IDENTITY)


def test_damaged_plans_are_refused(store, tmp_path):
    ref = commit_plans(store, IDENTITY)
    store.write(f"{ref.path}/base-vae-4567.plan", b"bad")
    with pytest.raises(DataCorrupt):
        plan_files(await_plans(store, IDENTITY, 0), tmp_path)


def test_listing_leaves_out_what_is_damaged(store):
    ref = commit_plans(store, IDENTITY)
    store.write("engines/broken/manifest.json", b"{}")
    assert [(one.path, one.identity) for one in stored_plans(store)] == [(ref.path, IDENTITY)]


# What a plan itself says


def decoder(engine):
    return networks_of(engine.pipelines["base"])["vae"]


def decoder_tensors(network, dtype=torch.float16):
    ranges = shape_ranges(network.inputs, axis_ranges(network, IDENTITY.batches, 4))
    return (
        [PlanTensor("latents", dtype, ranges["latents"]), PlanTensor("image", dtype)],
        ranges,
    )


def test_a_plan_of_the_network_is_accepted(engine):
    tensors, ranges = decoder_tensors(decoder(engine))
    require_network("base-vae", tensors, decoder(engine), torch.float16, ranges)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: [t[0]], "lacks the output image"),
        (lambda t: [*t, PlanTensor("mask", torch.float16)], "has an output mask"),
        (lambda t: [replace(t[0], name="sample"), t[1]], "has an input sample"),
        (lambda t: [replace(t[0], dtype=torch.float32), t[1]], "float32, not float16"),
        (lambda t: [replace(t[0], dtype=None), t[1]], "None, not float16"),
        (lambda t: [replace(t[0], shapes=ShapeRange((1,), (1,), (1,))), t[1]], "takes latents of"),
    ],
)
def test_a_plan_of_something_else_is_refused(engine, change, problem):
    tensors, ranges = decoder_tensors(decoder(engine))
    with pytest.raises(PreconditionFailed, match=problem) as refused:
        require_network("base-vae", change(tensors), decoder(engine), torch.float16, ranges)
    assert "synthvlm engines build" in refused.value.message


# Without TensorRT


@pytest.mark.parametrize("work", [lambda s, store: load_pipelines(s), build_plans])
def test_without_tensorrt_the_reason_is_said(work, store):
    with pytest.raises(PreconditionFailed, match=r"needs the Python package tensorrt, version 11"):
        work(settings(tensorrt_store=store.uri), store)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"device": "cpu"}, "computes on a GPU"),
        ({"tensorrt_store": None}, "needs tensorrt_store"),
        ({"tensorrt_sides": (128, 256)}, "within tensorrt_sides"),
        ({"tensorrt_quantization": "fp8", "dtype": "float32"}, "needs dtype float16"),
        ({"tensorrt_quantization": "int3"}, "tensorrt_quantization"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong, problem):
    with pytest.raises(ValidationError, match=problem):
        settings(**wrong)


def test_a_request_for_a_size_without_engines_is_wrong():
    parameters = SamplingParameters(
        steps=0, guidance_scale=0, high_noise_fraction=0, width=128, height=64, negative_prompt=""
    )
    with pytest.raises(InvalidInput) as wrong:
        parameters.completed(settings(tensorrt_sides=(32, 96)))
    (violation,) = wrong.value.violations
    assert violation.field == "parameters.width"
    assert "32 to 96 pixels, not 128" in violation.description
    assert parameters.completed(settings(tensorrt_sides=(32, 128))).width == 128


# Quantisation


def test_a_quantisation_is_calibrated_with_what_the_denoisers_really_get(engine):
    wanted = GenerationSettings(
        refiner="bundled:mini-sdxl-refiner",
        steps=12,
        high_noise_fraction=0.5,
        guidance_scale=3.0,
        width=32,
        height=32,
    )
    recorded = record_inputs(engine, wanted, ["a red circle", "a blue square", "x", "y", "z"])
    assert set(recorded) == {"base-unet", "refiner-unet"}
    # Two batches, of whose six steps each network took all.
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
    assert not engine.pipelines["base"].unet._forward_pre_hooks


def test_without_captions_there_is_nothing_to_calibrate_with(engine):
    with pytest.raises(InvalidInput, match="--calibration"):
        record_inputs(engine, GenerationSettings(), [])


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
