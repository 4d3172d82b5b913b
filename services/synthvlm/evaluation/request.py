"""What the job is asked to do: a JSON file."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from synthvlm.errors import FieldViolation, InvalidInput
from synthvlm.evaluation.config import EvaluationSettings
from synthvlm.jobs.asked import request_content, request_name
from synthvlm.profiles import load_profile


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ModelLocation(_Part):
    """A model: a committed shard of the store by ``path`` and ``digest``, or a local ``folder``."""

    path: str = ""
    digest: str = ""
    folder: Path | None = None

    @model_validator(mode="after")
    def _is_one_place(self) -> "ModelLocation":
        if bool(self.path) == (self.folder is not None) or bool(self.path) != bool(self.digest):
            raise ValueError("give path and digest of a shard, or a folder")
        return self


class EvaluationRequest(_Part):
    """The request.

    Attributes:
        name: What results call the model; at most 100 characters.
        store: URI of the store in which the model may lie, and in which tasks and evaluation are
            committed.
        model: The model, in the form of transformers.
        profile: Name of a shipped profile, or a YAML file of the same form.
        evaluation: Settings that replace those of the profile's section ``evaluation``; a section
            of its own replaces the profile's as a whole.
    """

    name: str = Field(min_length=1, max_length=100)
    store: str
    model: ModelLocation
    profile: str = "mini"
    evaluation: dict[str, Any] = Field(default_factory=dict)

    def settings(self) -> EvaluationSettings:
        """The settings of the profile with those of the request.

        Raises:
            InvalidInput: There is no such profile, or a setting is wrong; the violations name it.
        """
        given = {**load_profile(self.profile).section("evaluation"), **self.evaluation}
        try:
            return EvaluationSettings.model_validate(given)
        except ValidationError as error:
            raise _invalid(
                "the settings of the evaluation are wrong", error, "evaluation"
            ) from error


def read_request(path: Path | None) -> EvaluationRequest:
    """Reads the request in the file ``path``; without one, in the environment.

    Raises:
        InvalidInput: It cannot be read, or is not a request; the violations name the fields.
    """
    content = request_content(path)
    try:
        return EvaluationRequest.model_validate_json(content)
    except ValidationError as error:
        raise _invalid(f"{request_name(path)} is not a valid request", error) from error


def _invalid(message: str, error: ValidationError, *prefix: str) -> InvalidInput:
    violations = [
        FieldViolation(
            ".".join((*prefix, *map(str, entry["loc"]))) or "request",
            entry["msg"].removeprefix("Value error, "),
        )
        for entry in error.errors(include_url=False)
    ]
    told = "; ".join(f"{one.field}: {one.description}" for one in violations)
    return InvalidInput(f"{message}: {told}", violations)
