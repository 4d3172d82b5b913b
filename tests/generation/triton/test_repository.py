"""The model repository, as a Triton server reads it."""

import json

import pytest
from google.protobuf import json_format, text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.identity import Identity
from synthvlm.generation.triton.repository import (
    read_identity,
    read_parameters,
    render_config,
    write_repository,
)

IDENTITY = Identity(f"sha256:{'1' * 64}", {"executor": "torch", "threads": 2})


def parsed(settings, identity=IDENTITY):
    """The configuration, parsed by Triton's own definition of it."""
    return text_format.Parse(render_config(settings, identity), ModelConfig())


def test_batches_and_queue_are_those_of_the_settings():
    config = parsed(
        GenerationSettings(
            batch_size=8, batch_wait_ms=7.5, triton={"queue": 20, "queue_seconds": 1.5}
        )
    )
    assert (config.name, config.backend, config.max_batch_size) == ("sdxl", "python", 8)
    batching = config.dynamic_batching
    assert list(batching.preferred_batch_size) == [8]
    assert batching.max_queue_delay_microseconds == 7500
    policy = batching.default_queue_policy
    assert policy.max_queue_size == 20
    assert policy.default_timeout_microseconds == 1_500_000
    assert policy.timeout_action == policy.REJECT
    assert parsed(GenerationSettings(batch_size=8, triton={"handover": 24})).max_batch_size == 24
    reserving = {"batch_multiple": 8, "reserved_places": 1}
    assert parsed(GenerationSettings(batch_size=8, pipeline=reserving)).max_batch_size == 32


def test_prompts_of_different_lengths_share_batches():
    config = parsed(GenerationSettings())
    ragged = {one.name for one in config.input if one.allow_ragged_batch}
    assert ragged == {one.name for one in config.input if -1 in one.dims}
    assert ragged == {"prompt", "negative_prompt"}


@pytest.mark.parametrize(
    ("settings", "kind", "gpus", "count"),
    [
        ({}, "KIND_CPU", [], 1),
        ({"triton": {"instances": 2}}, "KIND_CPU", [], 2),
        ({"pipeline": {"device": "cuda"}, "triton": {"gpus": [0, 3]}}, "KIND_GPU", [0, 3], 1),
    ],
)
def test_every_gpu_gets_an_instance(settings, kind, gpus, count):
    (group,) = parsed(GenerationSettings(**settings)).instance_group
    assert group.Kind.Name(group.kind) == kind
    assert list(group.gpus) == gpus
    assert group.count == count


def test_the_model_finds_what_to_load_and_the_service_what_is_loaded():
    settings = GenerationSettings(
        pipeline={
            "model": '/models/with "quotes", a \\ and größer 🙂',
            "scheduler": "EulerDiscreteScheduler",
            "scheduler_options": {"timestep_spacing": "trailing"},
        },
        engine="triton",
        triton={"endpoints": ["localhost:1"]},
        store_roots=["file:///data"],
    )
    config = json_format.MessageToDict(parsed(settings), preserving_proto_field_name=True)
    values = json.loads(read_parameters(config)["settings"])
    loaded = GenerationSettings(**values)
    assert loaded.pipeline == settings.pipeline
    assert loaded.sampling == settings.sampling
    assert not values.keys() & {"engine", "triton", "store_roots", "listen"}
    assert read_identity(config) == IDENTITY


def test_a_model_of_somebody_else_has_no_identity():
    assert read_identity({}) is None
    assert read_identity({"parameters": {"model_digest": {"string_value": "x"}}}) is None


def test_a_repository_is_two_files_and_is_written_over(tmp_path):
    for steps in (1, 2):
        write_repository(tmp_path, GenerationSettings(steps=steps), IDENTITY)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"sdxl/config.pbtxt", "sdxl/1/model.py"}
    assert '\\"steps\\": 2' in (tmp_path / "sdxl" / "config.pbtxt").read_text()
