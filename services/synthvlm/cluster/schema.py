"""Objects of custom resources against the models of their API, before they are sent.

An API server may drop a field that it does not know without a word, and the job then runs without
it. The models of the API know the fields: what does not survive the way through them is refused.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from pydantic import ValidationError

from synthvlm.errors import FieldViolation, InvalidInput


class ApiModel(Protocol):
    """A model as OpenAPI Generator writes it: unknown fields are lost in it."""

    @classmethod
    def from_dict(cls, obj: dict[str, Any]) -> Any:
        """The model of an object in the API's form."""


def checked(manifest: dict[str, Any], model: type[ApiModel], *prefix: str) -> dict[str, Any]:
    """The manifest, which has nothing that the model does not know.

    Args:
        manifest: The object, or a part of one.
        model: Its model.
        prefix: Where the part is in its object.

    Raises:
        InvalidInput: It has an unknown field, or a value of a wrong type; each violation names its
            field.
    """
    try:
        kept = model.from_dict(manifest).to_dict()
        problems = [(path, "there is no such field") for path in _lost(manifest, kept, *prefix)]
    except ValidationError as error:
        problems = [
            (".".join((*prefix, *map(str, one["loc"]))), f"{one['msg']} ({one['type']})")
            for one in error.errors(include_url=False)
        ]
    except (AttributeError, KeyError, TypeError) as error:  # the models are not made for that
        problems = [(".".join(prefix) or "spec", f"a value has a wrong type: {error}")]
    if problems:
        violations = [FieldViolation(path, problem) for path, problem in problems]
        told = "; ".join(f"{one.field}: {one.description}" for one in violations)
        raise InvalidInput(f"this is not a valid {manifest.get('kind', 'pod')}: {told}", violations)
    return manifest


def _lost(given: Any, kept: Any, *path: str) -> Iterator[str]:
    """Paths of what is in ``given`` and not in ``kept``."""
    if isinstance(given, Mapping) and isinstance(kept, Mapping):
        for key, value in given.items():
            if key in kept:
                yield from _lost(value, kept[key], *path, key)
            elif value is not None:
                yield ".".join((*path, key))
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from _lost(one, other, *path, str(number))
    elif given != kept:
        yield ".".join(path)
