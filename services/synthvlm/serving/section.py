"""A section of a service's settings: a field that has fields."""

from pydantic import BaseModel, ConfigDict


class SettingsSection(BaseModel):
    """What every section is: closed, and documented field by field."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )
