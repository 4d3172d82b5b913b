"""Settings of the dataset service; the profile's section ``dataset`` holds the same keys."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from synthvlm.serving.settings import ServiceSettings


def _database(url: str) -> str:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("give sqlite:///FILE or postgresql://USER@HOST/NAME") from None
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise ValueError(f"{backend} is not supported; give sqlite:///FILE or postgresql://…")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ValueError("a catalogue in memory would be lost; give sqlite:///FILE")
    if parsed.password is not None:
        raise ValueError("put the password in a file and name it in database_password_file")
    return url


class DatasetSettings(ServiceSettings):
    """Settings of the dataset service."""

    database: Annotated[str, AfterValidator(_database)] = "sqlite:///.synthvlm/catalogue.sqlite"
    """Catalogue: sqlite:///FILE (sqlite:////FILE for an absolute path) or
    postgresql://USER@HOST:PORT/NAME."""
    database_password_file: Path | None = None
    """File with the password of the PostgreSQL user."""
    database_pool_size: Annotated[int, Field(ge=1, le=100)] = 5
    """Connections kept open to the database."""
    database_pool_overflow: Annotated[int, Field(ge=0, le=100)] = 10
    """Connections opened beyond these while there is much to do."""
    database_timeout_seconds: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 30.0
    """Seconds that a call waits for a connection or for a lock of the database."""
    export_roots: list[str] = Field(default_factory=list)
    """Object-store URLs at or below which versions may be exported; none by default."""
    shard_size: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Pairs that a tar of a version holds, unless a request says otherwise."""
    git_revision: Annotated[str, Field(pattern=r"^([0-9a-f]{7,64})?$")] = ""
    """Revision of the code, recorded beside each version; empty: asked of git where the code runs
    from a working copy, else unknown."""
