"""Every limit that the proto states, by the field path that the client is told."""

import pytest
from pydantic import ValidationError

from synthvlm.errors import InvalidInput
from synthvlm.generation import requests
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.encoding import ImageFormat
from synthvlm.generation.engine import Sampling
from synthvlm.generation.pipeline import PipelineSettings
from synthvlm.generation.v1 import generation_pb2 as pb
from synthvlm.profiles import profile_names
from synthvlm.serving import parse
from synthvlm.serving.settings_sources import load_settings
from synthvlm.storage.v1 import shard_pb2

DIGEST = f"sha256:{'a' * 64}"
SETTINGS = GenerationSettings(
    pipeline=PipelineSettings(refiner="bundled:mini-sdxl-refiner"),
    steps=20,
    guidance_scale=3.0,
    high_noise_fraction=0.8,
    width=64,
    height=64,
    negative_prompt="fog",
    max_pixels=128 * 128,
)


def image(**fields):
    return pb.GenerateImageRequest(**{"prompt": "a red circle", "seed": 1, **fields})


def shard(**fields):
    defaults = {
        "store": shard_pb2.ShardStore(uri="file:///data"),
        "caption_set": shard_pb2.ShardRef(path="captions/1", digest=DIGEST, records=3),
    }
    return pb.GenerateShardRequest(**{**defaults, **fields})


def parameters(**fields):
    return pb.SamplingParameters(**fields)


def violated(model, request):
    with pytest.raises(InvalidInput) as raised:
        parse(model, request)
    return [violation.field for violation in raised.value.violations]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"prompt": "x"},
        {"prompt": "x" * 16_384},
        {"prompt": "é" * 8192},
        {"seed": 0},
        {"seed": 2**63 - 1},
        {"parameters": parameters(steps=1, guidance_scale=1e-6, high_noise_fraction=1e-6)},
        {"parameters": parameters(steps=500, guidance_scale=50, high_noise_fraction=1)},
        {"parameters": parameters(width=8, height=2048)},
        {"parameters": parameters(width=2048, height=8)},
        {"parameters": parameters(negative_prompt="x" * 2048)},
        *({"format": number} for number in pb.ImageFormat.values()),
        {"request_id": "aZ09._-" + "x" * 57},
    ],
)
def test_an_image_request_at_its_limits(fields):
    assert parse(requests.GenerateImage, image(**fields))


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 16_385}, "prompt"),
        ({"prompt": "é" * 8193}, "prompt"),
        ({"seed": 2**63}, "seed"),
        ({"parameters": parameters(steps=-1)}, "parameters.steps"),
        ({"parameters": parameters(steps=501)}, "parameters.steps"),
        ({"parameters": parameters(guidance_scale=-1)}, "parameters.guidance_scale"),
        ({"parameters": parameters(guidance_scale=50.1)}, "parameters.guidance_scale"),
        ({"parameters": parameters(guidance_scale=float("nan"))}, "parameters.guidance_scale"),
        ({"parameters": parameters(guidance_scale=float("inf"))}, "parameters.guidance_scale"),
        ({"parameters": parameters(high_noise_fraction=-0.1)}, "parameters.high_noise_fraction"),
        ({"parameters": parameters(high_noise_fraction=1.1)}, "parameters.high_noise_fraction"),
        ({"parameters": parameters(width=-8)}, "parameters.width"),
        ({"parameters": parameters(width=12)}, "parameters.width"),
        ({"parameters": parameters(width=2056)}, "parameters.width"),
        ({"parameters": parameters(height=4)}, "parameters.height"),
        ({"parameters": parameters(height=2056)}, "parameters.height"),
        ({"parameters": parameters(negative_prompt="x" * 2049)}, "parameters.negative_prompt"),
        ({"format": 9}, "format"),
        ({"request_id": "x" * 65}, "request_id"),
        ({"request_id": "a b"}, "request_id"),
    ],
)
def test_an_image_request_beyond_a_limit(fields, path):
    assert violated(requests.GenerateImage, image(**fields)) == [path]


@pytest.mark.parametrize(
    "fields",
    [{}, {"repeats": 100}, {"run_seed": 2**63 - 1}, {"model_digest": DIGEST}, {"format": 3}],
)
def test_a_shard_request_at_its_limits(fields):
    assert parse(requests.GenerateShard, shard(**fields))


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"store": None}, "store"),
        ({"store": shard_pb2.ShardStore(uri="")}, "store.uri"),
        ({"store": shard_pb2.ShardStore(uri="http://x/y")}, "store.uri"),
        ({"caption_set": None}, "caption_set"),
        ({"caption_set": shard_pb2.ShardRef(path="../x", digest=DIGEST)}, "caption_set.path"),
        ({"caption_set": shard_pb2.ShardRef(path="x", digest="md5:1")}, "caption_set.digest"),
        ({"repeats": -1}, "repeats"),
        ({"repeats": 101}, "repeats"),
        ({"run_seed": 2**63}, "run_seed"),
        ({"parameters": parameters(steps=501)}, "parameters.steps"),
        ({"format": 4}, "format"),
        ({"model_digest": "sha256:1"}, "model_digest"),
    ],
)
def test_a_shard_request_beyond_a_limit(fields, path):
    assert violated(requests.GenerateShard, shard(**fields)) == [path]


def test_all_that_is_wrong_is_said_at_once():
    request = image(prompt="", parameters=parameters(steps=-1, width=3), format=8)
    paths = violated(requests.GenerateImage, request)
    assert set(paths) == {"prompt", "parameters.steps", "parameters.width", "format"}


def completed(given, settings=SETTINGS):
    return requests.complete(
        parse(requests.GenerateImage, image(parameters=given)).parameters, settings
    )


def test_what_is_not_given_is_as_the_profile_says():
    assert completed(None) == SETTINGS.sampling == Sampling(20, 3.0, 0.8, 64, 64, "fog")
    assert completed(parameters()) == SETTINGS.sampling
    given = parameters(steps=5, high_noise_fraction=0.7, negative_prompt="blur", width=32)
    assert completed(given) == Sampling(5, 3.0, 0.7, 32, 64, "blur")


def test_parameters_that_a_service_reports_mean_the_same_when_they_are_sent_back():
    sampling = SETTINGS.sampling
    assert completed(parameters(**sampling.to_json())) == sampling


def test_more_pixels_than_the_service_makes():
    assert completed(parameters(width=256)).width == 256
    with pytest.raises(InvalidInput) as raised:
        completed(parameters(width=264))
    fields = [violation.field for violation in raised.value.violations]
    assert fields == ["parameters.width", "parameters.height"]
    assert "16384" in raised.value.violations[0].description


def test_a_refiner_that_is_not_there():
    alone = SETTINGS.model_copy(update={"pipeline": PipelineSettings(), "high_noise_fraction": 1.0})
    assert completed(parameters(high_noise_fraction=1), alone).high_noise_fraction == 1
    with pytest.raises(InvalidInput) as raised:
        completed(parameters(high_noise_fraction=0.8), alone)
    assert raised.value.violations[0].field == "parameters.high_noise_fraction"


def test_formats():
    names = [value.name for value in pb.ImageFormat.DESCRIPTOR.values]
    assert [requests.image_format(name) for name in names] == [
        ImageFormat.JPEG,
        ImageFormat.JPEG,
        ImageFormat.PNG,
        ImageFormat.WEBP,
    ]


@pytest.mark.parametrize("name", profile_names())
def test_the_shipped_profiles_are_valid(name):
    settings = load_settings(GenerationSettings, "generation", command_line={"profile": name})
    assert settings.pipeline.refiner is not None
    assert settings.sampling.high_noise_fraction == 0.8


@pytest.mark.parametrize(
    "values",
    [
        {"batch_size": 6},
        {"high_noise_fraction": 0.8},
        {"width": 1032},
        {"width": 60},
        {"pipeline": {"device": "gpu"}},
        {"pipeline": {"dtype": "int8"}},
        {"dtype": "float16"},
        {"engine": "magic"},
        {"steps": 0},
        {"speed": 11},
    ],
)
def test_settings_that_cannot_be(values):
    assert GenerationSettings()
    with pytest.raises(ValidationError):
        GenerationSettings(**values)
