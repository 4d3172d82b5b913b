"""Profiles: the models, engines and parameters of a run, a section each for services and jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthvlm.errors import FieldViolation, InvalidInput
from synthvlm.yaml_text import load_yaml

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Profile:
    """A profile's name and its sections by service."""

    name: str
    sections: dict[str, dict[str, Any]]

    def section(self, word: str) -> dict[str, Any]:
        """Settings of the service ``word``; empty if the profile has no such section."""
        return dict(self.sections.get(word, {}))


def profile_names() -> list[str]:
    """Names of the profiles that the package ships."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def load_profile(name_or_path: str) -> Profile:
    """Reads a profile.

    Args:
        name_or_path: A shipped profile's name, or a YAML file of the same form.

    Raises:
        InvalidInput: There is no such profile, or it is not a mapping of sections to settings.
    """
    shipped = name_or_path in profile_names()
    path = _FOLDER / f"{name_or_path}.yaml" if shipped else Path(name_or_path)
    if not path.is_file():
        raise _invalid(
            f"there is no profile {name_or_path!r}; give one of {', '.join(profile_names())}, or a "
            f"YAML file"
        )
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _invalid(f"the profile {path} is not valid YAML: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise _invalid(f"the profile {path} must map each service's name to its settings")
    return Profile(path.stem, content)


def setting(sections: Mapping[str, Any], *path: str) -> Any:
    """The value of a setting in a profile's sections; None if it is not set.

    Args:
        sections: The sections by service.
        path: Its path, for example ``generation``, ``pipeline``, ``device``.
    """
    value: Any = sections
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(message, [FieldViolation("profile", message)])
