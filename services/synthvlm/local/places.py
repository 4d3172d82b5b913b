"""Where a home keeps its shards and databases, when that is not in its own folder."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from synthvlm.errors import InvalidInput
from synthvlm.storage import Location, parse_location
from synthvlm.yaml_text import load_yaml

PLACES_FILE = "home.yaml"
"""The file in a home that says so."""


class Places(BaseModel):
    """What ``home.yaml`` says; what it does not is in the home's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    store: str | None = None
    """URI of the object store of all shards and datasets: ``s3://bucket/prefix``."""
    catalogue: str | None = None
    """SQLAlchemy URL of the dataset service's database, ``postgresql+psycopg://user@host/name``; a
    password comes from libpq's own password file or environment."""
    reviews: str | None = None
    """SQLAlchemy URL of the review service's database, likewise; it may be the catalogue's."""
    reuse: str | None = None
    """SQLAlchemy URL of the index of images and scores; it may be the catalogue's."""

    @property
    def location(self) -> Location | None:
        """The store's location."""
        return None if self.store is None else parse_location(self.store)


def places_of(home: Path) -> Places:
    """What the home in ``home`` says.

    Raises:
        InvalidInput: Its file is not readable, or says something else.
    """
    file = home / PLACES_FILE
    if not file.is_file():
        return Places()
    try:
        places = Places.model_validate(load_yaml(file.read_text(encoding="utf-8")) or {})
        places.location  # noqa: B018 - checked here, so that the file is named
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InvalidInput(f"{file}: {where}: {first['msg']}") from error
    except (OSError, InvalidInput, ValueError) as error:
        raise InvalidInput(f"{file}: {error}") from error
    return places
