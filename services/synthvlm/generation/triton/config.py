"""Settings of a Triton server: those of the generation service, and where it serves."""

from pathlib import Path

from pydantic import model_validator

from synthvlm.generation.config import GenerationSettings


class TritonServerSettings(GenerationSettings):
    """Settings of ``python -m synthvlm.generation.triton``.

    Of the service's own settings, ``listen``, ``metrics_listen``, ``address_file`` and
    ``drain_seconds`` hold for the Triton server too; the others of that kind say nothing to it.
    """

    repository: Path = Path(".synthvlm/triton")
    """Folder in which the model repository is written; one for each server."""

    @model_validator(mode="after")
    def _has_ports(self) -> "TritonServerSettings":
        if self.listen.startswith("unix:"):
            raise ValueError("a Triton server listens on host:port")
        return self
