"""Settings of pipelines: of their compilation, and of steps that run jobs."""

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


class JobSettings(BaseSettings):
    """How jobs run on the machine of their step: ``SYNTHVLM_STEP_TRAINING_PROCESSES``."""

    model_config = SettingsConfigDict(env_prefix="SYNTHVLM_STEP_", frozen=True)

    training_processes: int = Field(
        default=1, ge=1, description="Processes that train together; on GPUs one for each."
    )


IMAGE = PipelineSettings().image
"""Image of every step. A constant, because KFP accepts no pipeline parameter here."""
