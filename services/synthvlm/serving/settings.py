"""Settings of a service: what there is to set, and where the values come from.

Later sources win: the profile's section, the ``--config`` file, the environment, the command line.
A field may be a section with fields of its own, which each source writes in its own way:
``pipeline: {dtype: float16}`` in files, ``SYNTHVLM_<WORD>_PIPELINE__DTYPE`` in the environment,
``--pipeline.dtype`` on the command line. An unknown key is an error in each of them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from synthvlm.serving.access.settings import AuthSettings


def _listen(address: str) -> str:
    if address.startswith("unix:"):
        if len(address) == len("unix:"):
            raise ValueError("give the socket's path: unix:/run/synthvlm/caption.sock")
        return address
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError("give host:port (port 0: any free one) or unix:/path")
    return address


ListenAddress = Annotated[str, AfterValidator(_listen)]
"""``host:port``, with port 0 for any free one, or ``unix:/path``."""


_WHEREABOUTS = {
    *("profile", "listen", "address_file", "metrics_listen", "health_listen"),
    *("tls_certificate_file", "tls_key_file", "tls_client_ca_file", "token_file", "auth"),
    *("log_level", "log_format", "otlp_endpoint", "database_password_file", "reuse"),
    *("max_connection_age_seconds", "max_connection_age_grace_seconds"),
}
"""Settings that decide where a service is, not what it does."""


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value


class ServiceSettings(BaseSettings):
    """Settings that every service has; each service adds its own in a subclass.

    Made directly, it takes only the given values and defaults; ``load_settings`` reads the sources.
    """

    renamed: ClassVar[Mapping[str, str]] = {}
    """Names that settings had before, and the ones that they have now, with dots for sections: who
    gives an old one is told the new one."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    profile: str = "mini"
    """Name of a shipped profile, or a YAML file of the same form."""
    listen: ListenAddress = "127.0.0.1:0"
    """Where to serve: host:port (port 0: any free one) or unix:/path."""
    address_file: Path | None = None
    """File to write {"address", "pid", "settings"} to once the address is bound, and "page", where
    people open its web page, if it has one; removed at the end. The settings are those that decide
    what the service does."""
    metrics_listen: ListenAddress | None = None
    """host:port of the Prometheus metrics, in plain HTTP; off by default."""
    health_listen: ListenAddress | None = None
    """Second address that serves only grpc.health.v1, in plain text and without a token, for probes
    that speak no TLS."""
    tls_certificate_file: Path | None = None
    """PEM file of the server's certificate chain; read again when it changes."""
    tls_key_file: Path | None = None
    """PEM file of the certificate's key."""
    tls_client_ca_file: Path | None = None
    """PEM file of the authorities whose client certificates are accepted; makes them required."""
    token_file: Path | None = None
    """File with the bearer token that callers must send; read again when it changes. Whoever has it
    may do everything."""
    auth: AuthSettings = AuthSettings()
    """Callers whose tokens Kubernetes or an OpenID Connect provider vouches for."""
    max_item_calls: Annotated[int, Field(ge=1)] = 8
    """Item calls that run at the same time."""
    max_shard_calls: Annotated[int, Field(ge=1)] = 2
    """Shard calls that run at the same time."""
    max_queued_calls: Annotated[int, Field(ge=0)] = 32
    """Calls of each kind that wait; further ones are told to come again."""
    max_message_mib: Annotated[int, Field(ge=1, le=1024)] = 48
    """Largest message that is sent, in MiB, and that is received where the service's requests can
    be that large."""
    send_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0
    """Seconds that a caller may take to take one answer of a stream; then the call ends."""
    max_connection_age_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Seconds after which a client is asked to connect again, so that new replicas get calls; 0:
    never."""
    max_connection_age_grace_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 86_400.0
    """Seconds that calls of a connection that has come of age have to finish."""
    drain_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 30.0
    """Seconds that running calls have to finish after SIGTERM."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least level that is logged."""
    log_format: Literal["json", "console"] = "json"
    """One JSON object a line, or text for people."""
    otlp_endpoint: str | None = None
    """OpenTelemetry collector, by OTLP over gRPC, as http://collector:4317; off by default."""
    store_roots: list[str] = []
    """Object-store URLs at or below which shard calls may read and write; none by default."""

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "ServiceSettings":
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_certificate_file and tls_key_file must be given together")
        if self.tls_client_ca_file is not None and self.tls_certificate_file is None:
            raise ValueError("tls_client_ca_file needs tls_certificate_file and tls_key_file")
        return self

    def effective(self) -> dict[str, Any]:
        """What decides how the service works, by dotted name, as JSON values.

        Left out is where it listens and logs, where its credentials lie, and what the profile is
        called: two services with the same effective settings do the same.
        """
        return dict(_flat("", self.model_dump(mode="json", exclude=_WHEREABOUTS)))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only given values: the other sources are read once, by ``load_settings``."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)
