"""The one request of a training: what to learn from, how, and where to put the model."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthvlm.errors import FieldViolation, InvalidInput
from synthvlm.jobs.asked import request_content, request_name
from synthvlm.profiles import load_profile
from synthvlm.training.settings import TrainingSettings, training_settings


class DatasetVersion(BaseModel):
    """Where a dataset version lies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str
    """URI of its store."""
    path: str
    """Its folder there, as ``synthvlm datasets show --json`` says."""
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    """Its digest."""


class TrainingRequest(BaseModel):
    """A training, as JSON in the file that ``--request`` names or in the environment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: DatasetVersion
    """The pairs that both stages learn from."""
    store: str
    """URI of the store for checkpoints and the trained model; may be that of the dataset."""
    profile: str = "mini"
    """Name of a shipped profile, or a YAML file of the same form."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Settings that replace those of the profile's section ``training``, one by one."""

    def settings(self) -> TrainingSettings:
        """The settings of the profile with those of the request.

        Raises:
            InvalidInput: There is no such profile, or a setting is invalid.
        """
        section = load_profile(self.profile).section("training")
        return training_settings(_merged(section, self.training) if section else section)


def read_request(file: Path | None) -> TrainingRequest:
    """Reads a request; without a file, from the environment.

    Raises:
        InvalidInput: It does not exist or is not a request; the violations name its fields.
    """
    name = request_name(file)
    content = request_content(file)
    try:
        return TrainingRequest.model_validate(json.loads(content))
    except ValidationError as error:
        violations = [
            FieldViolation(".".join(map(str, problem["loc"])), problem["msg"])
            for problem in error.errors()
        ]
        text = "; ".join(f"{one.field}: {one.description}" for one in violations)
        raise InvalidInput(f"the request {name} is invalid: {text}", violations) from error
    except ValueError as error:
        raise InvalidInput(f"the request {name} is not JSON: {error}") from error


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        given = merged.get(name)
        if isinstance(given, dict) and isinstance(value, dict):
            merged[name] = _merged(given, value)
        else:
            merged[name] = value
    return merged
