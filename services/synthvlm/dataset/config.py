"""Settings of the dataset service; the profile's section ``dataset`` holds the same keys."""

from typing import Annotated

from pydantic import Field

from synthvlm.serving.settings import ServiceSettings
from synthvlm.sql.settings import DatabaseSettings, DatabaseUrl


class DatasetSettings(DatabaseSettings, ServiceSettings):
    """Settings of the dataset service."""

    database: DatabaseUrl = "sqlite:///.synthvlm/catalogue.sqlite"
    """Catalogue: sqlite:///FILE (sqlite:////FILE for an absolute path) or
    postgresql://USER@HOST:PORT/NAME."""
    export_roots: list[str] = Field(default_factory=list)
    """Object-store URLs at or below which versions may be exported; empty by default."""
    shard_size: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Pairs per tar of a version, unless a request says otherwise."""
    git_revision: Annotated[str, Field(pattern=r"^([0-9a-f]{7,64})?$")] = ""
    """Revision of the code, recorded beside each version; empty: that of git if the code runs from
    a working copy, else unknown."""
