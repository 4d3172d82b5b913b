"""Settings: which source wins, and that every mistake is named."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from synthvlm.errors import InvalidInput
from synthvlm.serving.lifecycle import main
from synthvlm.serving.section import SettingsSection
from synthvlm.serving.settings_sources import load_settings, read_command_line
from tests.serving.probe import SERVICE, ProbeSettings

WORD = "probe"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A profile with a section for the probe."""
    (tmp_path / "profile.yaml").write_text(
        yaml.safe_dump(
            {WORD: {"max_item_calls": 11, "limits": {"a": 1, "b": 1}}, "other": {"x": 1}}
        )
    )
    monkeypatch.setenv("SYNTHVLM_PROBE_PROFILE", str(tmp_path / "profile.yaml"))


def load(**sources: Any) -> ProbeSettings:
    return load_settings(ProbeSettings, WORD, **sources)


def problems(**sources: Any) -> set[str]:
    with pytest.raises(InvalidInput) as caught:
        load(**sources)
    return {entry.field for entry in caught.value.violations}


def test_later_sources_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert ProbeSettings().max_item_calls == 8
    assert load().max_item_calls == 11
    config = tmp_path / "config.yaml"
    config.write_text("max_item_calls: 12\nlimits: {b: 2, c: 2}\n")
    assert load(config=config).max_item_calls == 12
    monkeypatch.setenv("SYNTHVLM_PROBE_MAX_ITEM_CALLS", "13")
    monkeypatch.setenv("SYNTHVLM_PROBE_LIMITS", json.dumps({"c": 3, "d": 3}))
    assert load(config=config).max_item_calls == 13
    loaded = load(config=config, command_line={"max_item_calls": "14", "limits": {"d": 4}})
    assert loaded.max_item_calls == 14
    assert loaded.limits == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_a_section_is_written_by_every_source_in_its_own_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "profile.yaml").write_text(
        "probe: {depth: {level: 2, names: [a], options: {a: 1}}}"
    )
    config = tmp_path / "config.yaml"
    config.write_text("depth: {level: 3, options: {b: 2}}\n")
    assert load(config=config).depth.level == 3
    monkeypatch.setenv("SYNTHVLM_PROBE_DEPTH__LEVEL", "4")
    monkeypatch.setenv("SYNTHVLM_PROBE_DEPTH__OPTIONS", '{"c": 3}')
    assert load(config=config).depth.level == 4
    for arguments in (
        ["--depth.level=5", "--depth.names=b", "--depth.names=c", "--depth.options={d: 4}"],
        ["--set=depth.level=5", "--set=depth.names=[b, c]", "--set=depth.options.d=4"],
    ):
        line = read_command_line(ProbeSettings, WORD, arguments)
        depth = load(config=config, command_line=line.values).depth
        assert (depth.level, depth.names) == (5, ["b", "c"])
        options = {key: int(value) for key, value in depth.options.items()}
        assert options == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_a_whole_section_may_be_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHVLM_PROBE_DEPTH", '{"level": 7, "names": ["x"]}')
    assert load().depth.level == 7
    assert load().depth.names == ["x"]


def test_a_config_file_may_choose_the_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SYNTHVLM_PROBE_PROFILE")
    config = tmp_path / "config.yaml"
    config.write_text(f"profile: {tmp_path / 'profile.yaml'}\n")
    assert load(config=config).max_item_calls == 11
    assert load(config=config, command_line={"profile": "mini"}).max_item_calls == 8


def test_unknown_keys_are_fatal_in_every_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("max_item_cals: 12\n")
    assert problems(config=config) == {"max_item_cals"}
    assert problems(command_line={"nope": 1}) == {"nope"}
    (tmp_path / "profile.yaml").write_text("probe: {typo: 1}\n")
    assert problems() == {"typo"}
    monkeypatch.setenv("SYNTHVLM_PROBE_MAX_ITEM_CALS", "1")
    assert problems() == {"SYNTHVLM_PROBE_MAX_ITEM_CALS"}


def test_unknown_keys_of_a_section_are_fatal_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("depth: {levle: 12}\n")
    assert problems(config=config) == {"depth.levle"}
    assert problems(command_line={"depth": {"nope": 1}}) == {"depth.nope"}
    monkeypatch.setenv("SYNTHVLM_PROBE_DEPTH__LEVLE", "1")
    assert problems() == {"SYNTHVLM_PROBE_DEPTH__LEVLE"}


OLD_NAMES = [
    # Old name, its value, and the new one.
    ("labels", "a", "tags"),
    ("depth_level", "2", "depth.level"),
    ("depth", "2", "depth.level"),
]


@pytest.mark.parametrize(("old", "value", "new"), OLD_NAMES)
def test_an_old_name_tells_the_new_one(
    old: str,
    value: str,
    new: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"{old}: {value}\n")
    with pytest.raises(InvalidInput, match=f"{old}: is now {new}$"):
        load(config=config)
    assert problems(command_line={old: value}) == {old}
    with pytest.raises(SystemExit) as exited:
        read_command_line(ProbeSettings, WORD, [f"--{old.replace('_', '-')}", value])
    assert exited.value.code == 2
    assert f"--{old.replace('_', '-')} is now --{new}" in capsys.readouterr().err
    monkeypatch.setenv(f"SYNTHVLM_PROBE_{old.upper()}", value)
    variable = new.upper().replace(".", "__")
    with pytest.raises(InvalidInput, match=f"{old.upper()}: is now SYNTHVLM_PROBE_{variable}$"):
        load()


def test_variables_that_kubernetes_sets_are_not_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "SERVICE_HOST",
        "SERVICE_PORT",
        "SERVICE_PORT_GRPC",
        "PORT",
        "PORT_50051_TCP",
        "PORT_50051_TCP_ADDR",
    ):
        monkeypatch.setenv(f"SYNTHVLM_PROBE_{name}", "10.0.0.1")
    assert load().max_item_calls == 11


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"max_item_calls": 0}, "max_item_calls"),
        ({"max_item_calls": "many"}, "max_item_calls"),
        ({"listen": "50051"}, "listen"),
        ({"listen": "unix:"}, "listen"),
        ({"listen": "host:99999"}, "listen"),
        ({"drain_seconds": "inf"}, "drain_seconds"),
        ({"log_level": "LOUD"}, "log_level"),
        ({"tls_key_file": "k"}, ""),
        ({"tls_client_ca_file": "k"}, ""),
        ({"profile": "no-such"}, "profile"),
    ],
)
def test_wrong_values_are_named(values: dict[str, Any], field: str) -> None:
    assert problems(command_line=values) == {field}


UNFIT = [
    "a: !!timestamp x",
    "a: !!bool x",
    "a: !!int x",
    "a: !!float x",
    "a: 2024-99-99",
    "a: !!int ''",
    "a: " + "[" * 5000,
]
"""YAML whose values do not fit their tags, and some that is nested too deep."""


@pytest.mark.parametrize("content", UNFIT)
def test_a_profile_that_is_no_yaml_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "profile.yaml").write_text(content)
    assert problems() == {"profile"}


@pytest.mark.parametrize("value", ["[!!timestamp x]", "{a: !!bool x}", "[!!int x]"])
def test_a_list_that_is_no_yaml_is_named(value: str) -> None:
    line = read_command_line(ProbeSettings, WORD, [f"--set=tags={value}"])
    assert problems(command_line=line.values) == {"tags"}


@pytest.mark.parametrize("content", ["- a\n", "a: [\n", "\xff\xfe", *UNFIT])
def test_a_wrong_config_file_is_named(tmp_path: Path, content: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(content, encoding="latin-1")
    assert problems(config=config) == {"config"}
    assert problems(config=tmp_path / "missing.yaml") == {"config"}


def test_the_command_line_has_an_option_for_each_setting(tmp_path: Path) -> None:
    line = read_command_line(
        ProbeSettings,
        WORD,
        [
            "--max-item-calls=3",
            "--tags=a",
            "--tags=b",
            "--set=drain_seconds=1.5",
            "--set=limits.x=7",
            "--set=limits.y=8",
            "--set=store_roots=[file:///a, s3://b]",
            "--otlp-endpoint=",
            f"--config={tmp_path}",
            "--check",
        ],
    )
    assert line.config == tmp_path
    assert line.check
    loaded = load(command_line=line.values)
    assert loaded.max_item_calls == 3
    assert loaded.tags == ["a", "b"]
    assert loaded.drain_seconds == 1.5
    assert loaded.limits == {"a": 1, "b": 1, "x": 7, "y": 8}
    assert loaded.store_roots == ["file:///a", "s3://b"]
    assert loaded.otlp_endpoint is None


def flat_fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, SettingsSection):
            yield from flat_fields(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def test_help_shows_every_setting_with_its_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(SERVICE, ["--help"])
    assert exited.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name, field in flat_fields(ProbeSettings):
        assert f"--{name.replace('_', '-')} VALUE" in shown
        assert field.description, name
        assert " ".join(field.description.split())[:30] in shown
    assert "--labels" not in shown


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--set", "nope=1"], 2),
        (["--set", "nope"], 2),
        (["--nope"], 2),
        (["--max-item-calls=0"], 2),
    ],
)
def test_wrong_settings_exit_with_2(
    arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        main(SERVICE, [*arguments, "--check"])
    assert exited.value.code == status
    assert "Traceback" not in capsys.readouterr().err


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
def test_text_survives_the_command_line(text: str) -> None:
    line = read_command_line(ProbeSettings, WORD, [f"--build-error={text}", f"--set=x={text}"])
    if not text.startswith(("[", "{")) and text not in ("", "null"):
        assert line.values["build_error"] == text
        assert line.values["x"] == text
