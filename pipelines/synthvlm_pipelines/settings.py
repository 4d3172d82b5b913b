"""Settings that take effect when a pipeline is compiled, not when it runs."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from synthvlm import __version__


class PipelineSettings(BaseSettings):
    """Compile-time settings, from the environment: ``SYNTHVLM_PIPELINES_IMAGE``."""

    model_config = SettingsConfigDict(env_prefix="SYNTHVLM_PIPELINES_", frozen=True)

    image: str = Field(
        default=f"synthvlm/pipelines:{__version__}",
        min_length=1,
        description="Container image of every step; it must hold this package of the same version.",
    )


IMAGE = PipelineSettings().image
"""Image of every step. A constant, because KFP accepts no pipeline parameter here."""
