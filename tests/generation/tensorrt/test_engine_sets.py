"""TensorRT engines: identity, storage and refusal. None of it needs a GPU."""

import threading
from dataclasses import replace

import pytest
from pydantic import ValidationError

from synthvlm.errors import DataCorrupt, InvalidInput, PreconditionFailed
from synthvlm.generation.loading import load_pipelines
from synthvlm.generation.requests import SamplingParameters
from synthvlm.generation.tensorrt.build import Built, build_engines
from synthvlm.generation.tensorrt.engine_sets import (
    COMPONENTS,
    FILE,
    await_engines,
    engine_files,
    opened,
    stored_engines,
)
from synthvlm.generation.tensorrt.identity import mismatches
from synthvlm.generation.tensorrt.target import detect, engine_identity
from synthvlm.model_folders import model_digest
from synthvlm.storage import Commit
from tests.generation.tensorrt.profiles import BASE, H100, IDENTITY, REFINER, settings


def test_the_identity_is_of_the_files_and_not_of_the_scheduler():
    one = engine_identity(settings({"refiner": "bundled:mini-sdxl-refiner"}), H100)
    other = engine_identity(
        settings({"refiner": "bundled:mini-sdxl-refiner", "scheduler": "EulerDiscreteScheduler"}),
        H100,
    )
    assert one == other
    assert one.model_digest == model_digest(BASE, REFINER)


OTHERS = {
    "model": replace(IDENTITY, model_digest=f"sha256:{'1' * 64}"),
    "TensorRT": engine_identity(settings(), replace(H100, tensorrt="11.4.1.9")),
    "compute capability": engine_identity(settings(), replace(H100, sm="8.9")),
    "precision": engine_identity(settings({"dtype": "float32"}), H100),
    "batches": engine_identity(settings(batch_size=8), H100),
}


@pytest.mark.parametrize("what", OTHERS)
def test_whatever_engines_depend_on_is_part_of_their_place(what):
    (told,) = mismatches(OTHERS[what], IDENTITY)
    assert told.startswith(what)
    assert OTHERS[what].key.path != IDENTITY.key.path


def test_the_name_of_the_gpu_is_not_only_its_architecture():
    assert engine_identity(settings(), replace(H100, gpu="NVIDIA H200")) == IDENTITY


# Storage


def commit_engines(store, identity, details=None):
    files = {"base-unet-0123.plan": b"unet", "base-vae-4567.plan": b"vae"}
    components = {name.rpartition("-")[0]: {FILE: name} for name in files}
    return Commit(store, identity.key).finish(
        files, records=2, details={"gpu": H100.gpu, COMPONENTS: components} | (details or {})
    )


def test_engines_are_found_by_what_they_were_built_for(store, tmp_path):
    commit_engines(store, IDENTITY)
    shard = await_engines(store, IDENTITY, 0)
    files = engine_files(shard, tmp_path)
    assert {name: file.read_bytes() for name, file in files.items()} == {
        "base-unet": b"unet",
        "base-vae": b"vae",
    }


def test_a_server_waits_for_its_plans(store):
    timer = threading.Timer(0.3, commit_engines, (store, IDENTITY))
    timer.start()
    assert await_engines(store, IDENTITY, 60).ref.path == IDENTITY.key.path
    timer.join()


def test_without_engines_the_refusal_says_what_is_expected_and_how_to_build_it(store):
    with pytest.raises(PreconditionFailed) as refused:
        await_engines(store, IDENTITY, 0)
    message = refused.value.message
    assert "Found: none" in message
    for part in (IDENTITY.model_digest, "11.4.0.106", "9.0", "float16"):
        assert part in message
    assert "synthvlm engines build" in message


@pytest.mark.parametrize("what", OTHERS)
def test_wrong_engines_are_refused_with_what_is_wrong(store, what):
    commit_engines(store, OTHERS[what])
    with pytest.raises(PreconditionFailed) as refused:
        await_engines(store, IDENTITY, 0)
    (told,) = mismatches(OTHERS[what], IDENTITY)
    assert f"{OTHERS[what].key.path} has {told}" in refused.value.message


def test_of_many_wrong_engines_the_nearest_are_named(store):
    far = engine_identity(
        settings({"dtype": "float32"}, batch_size=4),
        replace(H100, sm="8.0", tensorrt="11.0"),
    )
    for identity in (far, *OTHERS.values()):
        commit_engines(store, identity)
    with pytest.raises(PreconditionFailed) as refused:
        await_engines(store, IDENTITY, 0)
    assert far.key.path not in refused.value.message
    assert refused.value.message.count("engines/") == 4  # the expected place, and three others


def test_engines_that_exist_are_not_built_again(store):
    ref = commit_engines(store, IDENTITY)
    assert build_engines(settings(), H100, store) == Built(ref, IDENTITY, found=True)


def test_engines_in_a_place_that_is_not_theirs_are_refused(store):
    ref = commit_engines(store, OTHERS["TensorRT"])
    with pytest.raises(PreconditionFailed, match=r"TensorRT 11\.4\.1\.9, not 11\.4\.0\.106"):
        opened(store, ref, IDENTITY)


def test_damaged_engines_are_refused(store, tmp_path):
    ref = commit_engines(store, IDENTITY)
    store.write(f"{ref.path}/base-vae-4567.plan", b"bad")
    with pytest.raises(DataCorrupt):
        engine_files(await_engines(store, IDENTITY, 0), tmp_path)


def test_listing_leaves_out_what_is_damaged(store):
    ref = commit_engines(store, IDENTITY)
    store.write("engines/broken/manifest.json", b"{}")
    assert [(one.path, one.identity) for one in stored_engines(store)] == [(ref.path, IDENTITY)]


# Without TensorRT


@pytest.mark.parametrize("work", [load_pipelines, lambda profile: detect(profile.pipeline.device)])
def test_without_tensorrt_the_reason_is_said(work, store):
    with pytest.raises(PreconditionFailed, match=r"needs the Python package tensorrt, version 11"):
        work(settings(tensorrt={"store": store.uri}))


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"pipeline": {"device": "cpu"}}, "runs on a GPU"),
        ({"tensorrt": {"store": None}}, r"needs tensorrt\.store"),
        ({"tensorrt": {"sides": (128, 256)}}, r"within tensorrt\.sides"),
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
        parameters.completed(settings(tensorrt={"sides": (32, 96)}))
    (violation,) = wrong.value.violations
    assert violation.field == "parameters.width"
    assert "32 to 96 pixels, not 128" in violation.description
    assert parameters.completed(settings(tensorrt={"sides": (32, 128)})).width == 128
