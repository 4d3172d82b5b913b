"""The section ``reuse`` of the settings of a service that makes what can be used again."""

from pydantic_settings import SettingsConfigDict

from synthvlm.serving.section import SettingsSection
from synthvlm.sql.settings import ConnectionSettings, DatabaseUrl


class ReuseSettings(ConnectionSettings, SettingsSection):
    """Where a service notes what it has made, and finds what others have."""

    model_config = SettingsConfigDict(use_attribute_docstrings=True)

    database: DatabaseUrl | None = None
    """Index of what the store holds: sqlite:///FILE (sqlite:////FILE for an absolute path) or
    postgresql://USER@HOST:PORT/NAME; one for all services and replicas that use a store. Null:
    nothing is looked up, and what another shard holds is made again."""
