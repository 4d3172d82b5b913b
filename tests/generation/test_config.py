"""Settings of the generation service: sections in every source, and the names of before."""

from pathlib import Path

import pytest
import yaml

from synthvlm.errors import InvalidInput
from synthvlm.generation.config import GenerationSettings
from synthvlm.serving.settings_sources import load_settings, read_command_line

OLD_NAMES = [
    # Old name, its value, and the new one.
    ("pipeline", "StableDiffusion3Pipeline", "pipeline.class_name"),
    ("model", "bundled:mini-sdxl", "pipeline.model"),
    ("refiner", "bundled:mini-sdxl-refiner", "pipeline.refiner"),
    ("variant", "fp16", "pipeline.variant"),
    ("scheduler", "LCMScheduler", "pipeline.scheduler"),
    ("scheduler_options", "{timestep_spacing: trailing}", "pipeline.scheduler_options"),
    ("executor", "onnxruntime", "pipeline.executor"),
    ("device", "cuda", "pipeline.device"),
    ("dtype", "float16", "pipeline.dtype"),
    ("threads", "4", "pipeline.threads"),
    ("batch_multiple", "4", "pipeline.batch_multiple"),
    ("tensorrt_store", "s3://bucket", "tensorrt.store"),
    ("tensorrt_wait_seconds", "60", "tensorrt.wait_seconds"),
    ("tensorrt_sides", "[512, 1024]", "tensorrt.sides"),
    ("model_digest", f"sha256:{'1' * 64}", "triton.model_digest"),
    ("triton_endpoints", "[localhost:1]", "triton.endpoints"),
    ("triton_patience_seconds", "60", "triton.patience_seconds"),
    ("triton_shared_memory", "true", "triton.shared_memory"),
    ("triton_queue", "10", "triton.queue"),
    ("triton_queue_seconds", "10", "triton.queue_seconds"),
    ("triton_handover", "32", "triton.handover"),
    ("triton_gpus", "[0, 1]", "triton.gpus"),
    ("triton_instances", "2", "triton.instances"),
]


def load(arguments: list[str] | None = None, config: Path | None = None) -> GenerationSettings:
    line = read_command_line(GenerationSettings, "generation", arguments or [])
    return load_settings(GenerationSettings, "generation", command_line=line.values, config=config)


def test_sections_come_from_file_environment_and_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("pipeline: {threads: 3, dtype: bfloat16}\ntriton: {queue: 7}\n")
    monkeypatch.setenv("SYNTHVLM_GENERATION_PIPELINE__DTYPE", "float16")
    monkeypatch.setenv("SYNTHVLM_GENERATION_TRITON__ENDPOINTS", '["localhost:1"]')
    settings = load(
        ["--pipeline.device", "cuda", "--triton.gpus", "0", "--triton.gpus", "1"], config
    )
    assert settings.pipeline.refiner == "bundled:mini-sdxl-refiner"  # of the profile
    assert settings.pipeline.threads == 3
    assert settings.pipeline.dtype == "float16"
    assert settings.pipeline.device == "cuda"
    assert settings.triton.queue == 7
    assert settings.triton.endpoints == ["localhost:1"]
    assert settings.triton.gpus == [0, 1]


@pytest.mark.parametrize(("old", "value", "new"), OLD_NAMES)
def test_an_old_name_tells_the_new_one(
    old: str,
    value: str,
    new: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    profile = tmp_path / "old.yaml"
    profile.write_text(yaml.safe_dump({"generation": {old: yaml.safe_load(value)}}))
    with pytest.raises(InvalidInput, match=f"{old}: is now {new}$"):
        load(["--profile", str(profile)])
    with pytest.raises(InvalidInput, match=f"{old}: is now {new}$"):
        load(["--set", f"{old}={value}"])
    with pytest.raises(SystemExit):
        load([f"--{old.replace('_', '-')}", value])
    assert f" is now --{new.replace('_', '-')}" in capsys.readouterr().err
    monkeypatch.setenv(f"SYNTHVLM_GENERATION_{old.upper()}", value)
    with pytest.raises(InvalidInput, match=f"SYNTHVLM_GENERATION_{new.upper().replace('.', '__')}"):
        load()


def test_every_setting_of_a_section_has_a_meaning() -> None:
    for section in ("pipeline", "tensorrt", "triton"):
        kind = GenerationSettings.model_fields[section].annotation
        assert isinstance(kind, type)
        for name, field in kind.model_fields.items():
            assert field.description, name


def test_the_index_is_a_section_and_off_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().reuse.database is None
    monkeypatch.setenv("SYNTHVLM_GENERATION_REUSE__DATABASE", "sqlite:///index.sqlite")
    assert load().reuse.database == "sqlite:///index.sqlite"
    chosen = load(
        ["--reuse.database", "postgresql://me@host/one", "--reuse.database-pool-size", "2"]
    )
    assert (chosen.reuse.database, chosen.reuse.database_pool_size) == (
        "postgresql://me@host/one",
        2,
    )
    with pytest.raises(InvalidInput, match="password in a file"):
        load(["--reuse.database", "postgresql://me:secret@host/one"])


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ({"reserved_places": 4}, "reserved_places must be less than batch_multiple"),
        ({"reserved_places": 1}, "reserved_places needs a batch_multiple equal to batch_size"),
    ],
)
def test_places_are_reserved_in_batches_of_one_size(pipeline: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GenerationSettings.model_validate({"batch_size": 8, "pipeline": pipeline})
    whole = {"reserved_places": 1, "batch_multiple": 8}
    GenerationSettings.model_validate({"batch_size": 8, "pipeline": whole})
