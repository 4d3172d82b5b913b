"""How steps reach the services: credentials by path, and the run's name on every call."""

from pathlib import Path

import grpc
from pydantic_settings import BaseSettings, SettingsConfigDict

from synthvlm.client import connect


class ConnectionSettings(BaseSettings):
    """Read from the environment of a step: ``SYNTHVLM_STEP_TOKEN_FILE`` and so on."""

    model_config = SettingsConfigDict(
        env_prefix="SYNTHVLM_STEP_", frozen=True, use_attribute_docstrings=True
    )

    run_id: str = ""
    """Which execution of the run this is."""
    token_file: Path | None = None
    """File with the bearer token that the services require."""
    ca_file: Path | None = None
    """PEM file of the authorities that issue the services' certificates; enables TLS."""
    certificate_file: Path | None = None
    """PEM file of the step's own certificate, where the services require one."""
    key_file: Path | None = None
    """PEM file of its key."""


RUN_ID_VARIABLE = "SYNTHVLM_STEP_RUN_ID"
TOKEN_VARIABLE = "SYNTHVLM_STEP_TOKEN_FILE"  # noqa: S105 - a name


def service_channel(address: str, shard: int, run_name: str) -> grpc.Channel:
    """A channel to the service at ``address``; its logs and the run's ledger name the run."""
    settings = ConnectionSettings()
    metadata = {"x-synthvlm-shard": str(shard), "x-synthvlm-run": run_name}
    return connect(
        address,
        token=settings.token_file,
        ca_file=settings.ca_file,
        certificate_file=settings.certificate_file,
        key_file=settings.key_file,
        metadata=metadata,
    )
