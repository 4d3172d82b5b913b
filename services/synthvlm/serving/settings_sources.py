"""Where a service's settings come from: profile, file, environment and command line."""

import argparse
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource
from pydantic_settings.exceptions import SettingsError

from synthvlm.errors import FieldViolation, InvalidInput
from synthvlm.profiles import load_profile
from synthvlm.serving.section import SettingsSection
from synthvlm.serving.settings import ServiceSettings
from synthvlm.yaml_text import load_yaml

S = TypeVar("S", bound=ServiceSettings)

_SERVICE_LINKS = re.compile(r"SERVICE_(HOST|PORT.*)|PORT(_\d+_(TCP|UDP|SCTP).*)?")
"""Variables that Kubernetes sets for a Service called ``synthvlm-<word>``; not settings."""


@dataclass(frozen=True)
class CommandLine:
    """What the command line says: settings, the file to read first, whether only to answer."""

    values: dict[str, Any]
    config: Path | None
    check: bool
    show: bool


def load_settings(
    settings: type[S],
    word: str,
    *,
    command_line: Mapping[str, Any] | None = None,
    config: Path | None = None,
) -> S:
    """Reads the settings of the service ``word`` from all sources.

    Args:
        settings: The service's settings model.
        word: Its one word, as in the profile's section and the environment's prefix.
        command_line: Values that win over all others.
        config: YAML file of settings.

    Raises:
        InvalidInput: A key is unknown or a value is wrong; the violations name them and the source.
    """
    given = _merged(
        _file_values(config) if config is not None else {},
        _merged(_environment(settings, word), dict(command_line or {})),
    )
    profile = given.get("profile", settings.model_fields["profile"].default)
    values = _merged(load_profile(str(profile)).section(word), given)
    if old := _old_names(settings, values):
        raise _invalid(word, old)
    try:
        return settings(**values)
    except ValidationError as error:
        violations = [
            FieldViolation(
                ".".join(str(step) for step in entry["loc"]),
                "is not a setting"
                if entry["type"] == "extra_forbidden"
                else entry["msg"].removeprefix("Value error, "),
            )
            for entry in error.errors(include_url=False)
        ]
    raise _invalid(word, violations)


def read_command_line(
    settings: type[ServiceSettings], word: str, arguments: Sequence[str], program: str | None = None
) -> CommandLine:
    """Parses a service's command line; exits with 2 and a line of usage when it is wrong.

    Each setting is an option (``--max-item-calls 4``, ``--pipeline.dtype float16`` in a section;
    lists by repetition), and ``--set key=value`` is another way to write each. Lists and mappings
    are YAML.

    Args:
        settings: The settings model.
        word: The service's one word.
        arguments: The command line, without the program's name.
        program: The module that is run; None: that of the service.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {program or f'synthvlm.{word}'}",
        description=f"Serves the {word} service until SIGTERM or SIGINT.",
        epilog=f"Later sources win: profile, --config, environment SYNTHVLM_{word.upper()}_<NAME> "
        f"(SECTION__NAME in a section; lists and mappings as JSON), command line.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML file of settings")
    parser.add_argument("--check", action="store_true", help="validate the settings and exit")
    parser.add_argument(
        "--show-settings",
        action="store_true",
        help="print the settings that decide what the service does as JSON, and exit",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any setting, by its name"
    )
    fields = dict(_fields(settings))
    for name, field in fields.items():
        parser.add_argument(
            _option(name),
            dest=name,
            action="append" if _is_list(field) else "store",
            metavar="VALUE",
            help=_help(field),
        )
    for old, new in settings.renamed.items():
        parser.add_argument(
            _option(old), action=_OldOption, nargs="?", const=_option(new), help=argparse.SUPPRESS
        )
    parsed = parser.parse_args(arguments)
    values: dict[str, Any] = {}
    for assignment in parsed.set:
        key, separator, text = assignment.partition("=")
        if not separator or not key:
            parser.error(f"--set {assignment}: give key=value")
        values = _merged(values, _nested(key.replace("-", "_"), _literal(text)))
    for name in fields:
        value = getattr(parsed, name)
        if value is not None:
            given = value if isinstance(value, list) else _literal(value)
            values = _merged(values, _nested(name, given))
    return CommandLine(values, parsed.config, parsed.check, parsed.show_settings)


class _OldOption(argparse.Action):
    """An option that has another name now."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        parser.error(f"{self.option_strings[0]} is now {self.const}")


def _environment(settings: type[S], word: str) -> dict[str, Any]:
    prefix = f"SYNTHVLM_{word.upper()}_"
    wrong = [
        FieldViolation(variable, problem)
        for variable in sorted(os.environ)
        if variable.startswith(prefix) and (problem := _wrong_variable(settings, prefix, variable))
    ]
    if wrong:
        raise _invalid(word, wrong)
    try:
        return EnvSettingsSource(
            settings, case_sensitive=False, env_prefix=prefix, env_nested_delimiter="__"
        )()
    except SettingsError as error:
        raise _invalid(word, [FieldViolation(f"{prefix}*", str(error))]) from error


def _wrong_variable(settings: type[S], prefix: str, variable: str) -> str:
    """What is wrong with the name of a variable; empty when nothing is."""
    rest = variable.removeprefix(prefix)
    path = rest.lower().split("__")
    new = settings.renamed.get(rest.lower())
    is_section = _section(settings.model_fields.get(path[0])) is not None
    if new is not None and not (is_section and os.environ[variable].lstrip().startswith("{")):
        return f"is now {prefix}{new.upper().replace('.', '__')}"
    model: type[BaseModel] | None = settings
    for name in path:
        if model is None:
            break  # a mapping's key
        if name not in model.model_fields:
            return "" if _SERVICE_LINKS.fullmatch(rest) else "is not a setting"
        model = _section(model.model_fields[name])
    return ""


def _old_names(settings: type[S], values: Mapping[str, Any]) -> list[FieldViolation]:
    """Settings under names that they had before; a section may have the name of one."""
    return [
        FieldViolation(name, f"is now {settings.renamed[name]}")
        for name, value in values.items()
        if name in settings.renamed
        and not (name in settings.model_fields and isinstance(value, Mapping))
    ]


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """All fields with their names, those of sections with a dot."""
    for name, field in model.model_fields.items():
        section = _section(field)
        if section is None:
            yield f"{prefix}{name}", field
        else:
            yield from _fields(section, f"{prefix}{name}.")


def _section(field: FieldInfo | None) -> type[SettingsSection] | None:
    """The model of a field that is a section."""
    kind = None if field is None else field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, SettingsSection) else None


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _nested(name: str, value: Any) -> dict[str, Any]:
    """A value under a name with dots, as a mapping of mappings."""
    *sections, last = name.split(".")
    nested = {last: value}
    for section in reversed(sections):
        nested = {section: nested}
    return nested


def _file_values(path: Path) -> dict[str, Any]:
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _config_error(path, f"cannot be read: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise _config_error(path, "must map settings to values")
    return {str(key): value for key, value in content.items()}


def _config_error(path: Path, problem: str) -> InvalidInput:
    return InvalidInput(f"{path} {problem}", [FieldViolation("config", f"{path} {problem}")])


def _invalid(word: str, violations: Sequence[FieldViolation]) -> InvalidInput:
    listed = "; ".join(f"{entry.field}: {entry.description}" for entry in violations)
    return InvalidInput(f"the settings of the {word} service are wrong: {listed}", violations)


def _merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(lower)
    for key, value in upper.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[key] = _merged(below, value)
        else:
            result[key] = value
    return result


def _literal(text: Any) -> Any:
    """Lists, mappings and null as YAML; everything else as text, for pydantic to convert."""
    if not isinstance(text, str) or not (text.startswith(("[", "{")) or text in ("null", "")):
        return text
    try:
        return load_yaml(text)
    except ValueError:
        return text


def _is_list(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is list


def _help(field: FieldInfo) -> str:
    text = " ".join((field.description or "").split())
    default = "" if field.is_required() else f" [{field.get_default(call_default_factory=True)}]"
    # argparse formats help texts with %.
    return f"{text}{default}".replace("%", "%%")
