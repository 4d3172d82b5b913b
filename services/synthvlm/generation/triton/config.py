"""Settings of a Triton server: those of the generation service, and its repository folder."""

from pathlib import Path

from pydantic import model_validator

from synthvlm.generation.config import GenerationSettings


class TritonServerSettings(GenerationSettings):
    """Settings of ``python -m synthvlm.generation.triton``.

    Of the settings common to all services, only ``listen``, ``metrics_listen``, ``address_file``,
    ``drain_seconds`` and ``tls_…`` apply to the Triton server, which reads certificates when it
    starts and wants one of its callers where ``tls_client_ca_file`` is given.
    """

    repository: Path = Path(".synthvlm/triton")
    """Folder that the model repository is written to; each server needs its own."""

    @model_validator(mode="after")
    def _has_ports(self) -> "TritonServerSettings":
        if self.listen.startswith("unix:"):
            raise ValueError("a Triton server listens on host:port")
        return self
