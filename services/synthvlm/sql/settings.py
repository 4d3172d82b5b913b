"""Settings of a service's database."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field
from pydantic_settings import SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError


def _database(url: str) -> str:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("give sqlite:///FILE or postgresql://USER@HOST/NAME") from None
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise ValueError(f"{backend} is not supported; give sqlite:///FILE or postgresql://…")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ValueError("an in-memory database would be lost; give sqlite:///FILE")
    if parsed.password is not None:
        raise ValueError("put the password in a file and name it in database_password_file")
    return url


DatabaseUrl = Annotated[str, AfterValidator(_database)]
"""``sqlite:///FILE`` or ``postgresql://USER@HOST:PORT/NAME``, without a password."""


class ConnectionSettings(BaseModel):
    """How to connect to a database."""

    model_config = SettingsConfigDict(use_attribute_docstrings=True)

    database_password_file: Path | None = None
    """File with the password of the PostgreSQL user."""
    database_pool_size: Annotated[int, Field(ge=1, le=100)] = 5
    """Connections kept open to the database."""
    database_pool_overflow: Annotated[int, Field(ge=0, le=100)] = 10
    """Additional connections opened under load."""
    database_timeout_seconds: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 30.0
    """Seconds that a call waits for a connection or a database lock."""


class DatabaseSettings(ConnectionSettings):
    """Settings of a service with a database; the service provides the default of ``database``."""

    database: DatabaseUrl
    """Database: sqlite:///FILE (sqlite:////FILE for an absolute path) or
    postgresql://USER@HOST:PORT/NAME."""
