"""Which pipeline class and scheduler a profile makes of a model's files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synthvlm.storage import sha256_digest
from synthvlm.storage.digests import canonical_json

SDXL = "StableDiffusionXLPipeline"
"""The pipeline class unless a profile names another one."""


@dataclass(frozen=True)
class PipelineRecipe:
    """What becomes of a model folder.

    Attributes:
        pipeline: Class of diffusers that runs the base, for example ``StableDiffusion3Pipeline``.
        scheduler: Class of diffusers that replaces the model's own scheduler; None: its own.
        scheduler_options: What replaces options of the scheduler's configuration.
    """

    pipeline: str = SDXL
    scheduler: str | None = None
    scheduler_options: Mapping[str, Any] = field(default_factory=dict)

    def identify(self, digest: str) -> str:
        """Digest of a model that is run by this recipe.

        The files say which scheduler there is, so their digest identifies the model until the
        recipe replaces something: another scheduler makes other images of the same files.

        Args:
            digest: ``sha256:`` digest of the model's files.
        """
        if self.pipeline == SDXL and self.scheduler is None:
            return digest
        identity = {
            "files": digest,
            "pipeline": self.pipeline,
            "scheduler": self.scheduler,
            "scheduler_options": dict(self.scheduler_options),
        }
        return sha256_digest(canonical_json(identity))


SDXL_RECIPE = PipelineRecipe()
"""SDXL as its files say."""
