"""Settings of the page; the section ``web`` of the review service's settings."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from synthvlm.serving.section import SettingsSection
from synthvlm.serving.settings import ListenAddress

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Hosts that only this machine reaches."""


def _port_address(address: str) -> str:
    if address.startswith("unix:"):
        raise ValueError("give host:port: a browser cannot open a unix socket")
    return address


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise ValueError("give the address as people open it: https://review.example.org")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("give the address without a path: https://review.example.org")
    return url.rstrip("/")


def _issuer(url: str) -> str:
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    if url and not local and (parts.scheme != "https" or not parts.netloc):
        raise ValueError("give an https:// URL; plain HTTP is accepted on the loopback only")
    return url.rstrip("/")


class WebSettings(SettingsSection):
    """The page on which people judge pairs."""

    listen: Annotated[ListenAddress, AfterValidator(_port_address)] | None = "127.0.0.1:0"
    """host:port of the page (port 0: any free one); null: no page."""
    public_url: Annotated[str, AfterValidator(_web_address)] = ""
    """Address under which people open the page, if it is not the one that it listens on, such as
    https://review.example.org; cookies are sent over HTTPS only if it begins with https."""
    session_key_file: Path | None = None
    """File with the key that signs sessions, at least 32 bytes; null: a random key, with which
    sessions end when the service does. Replicas need the same one."""
    session_hours: Annotated[float, Field(gt=0, le=720, allow_inf_nan=False)] = 12.0
    """Hours after which people have to sign in again."""
    owners: list[str] = Field(default_factory=list)
    """Names of people who, signed in by OIDC, may do everything."""
    adjudicators: list[str] = Field(default_factory=list)
    """Names of people who, signed in by OIDC, may settle disagreements; all others judge."""
    oidc_issuer: Annotated[str, AfterValidator(_issuer)] = ""
    """URL of the OpenID Connect provider that signs people in; empty: people sign in by token."""
    oidc_client_id: str = ""
    """Client id that the provider knows the page by."""
    oidc_client_secret_file: Path | None = None
    """File with the client's secret."""
    oidc_claim: str = "preferred_username"
    """Claim of the provider's ID token that names a person: 1 to 64 of `[A-Za-z0-9._@-]`. It must
    be unique and not for people to choose."""
    posts_per_minute: Annotated[int, Field(ge=10, le=100_000)] = 600
    """Requests that change something, per person and minute; more are told to wait."""
    sign_ins_per_minute: Annotated[int, Field(ge=1, le=10_000)] = 30
    """Attempts to sign in, per address and minute; more are told to wait."""

    @model_validator(mode="after")
    def _is_whole(self) -> "WebSettings":
        given = [
            bool(self.oidc_issuer),
            bool(self.oidc_client_id),
            bool(self.oidc_client_secret_file),
        ]
        if any(given) and not all(given):
            raise ValueError(
                "oidc_issuer, oidc_client_id and oidc_client_secret_file must be given together"
            )
        if self.oidc_issuer and not self.public_url:
            raise ValueError("oidc_issuer needs public_url: the provider sends people back there")
        if not self.is_local and not self.public_url.startswith("https:"):
            raise ValueError(
                "a page that other machines reach needs a public_url of https://: a proxy or an "
                "ingress before it ends TLS, and requests for other hosts are refused"
            )
        return self

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the page."""
        return self.listen is None or self.listen.rpartition(":")[0] in LOOPBACK

    def require_sign_in(self, *token_files: Path | None) -> None:
        """Returns if nobody outside this machine can open the page without showing who they are.

        Args:
            token_files: Files of the service with people's tokens.

        Raises:
            ValueError: They could.
        """
        if not (self.is_local or self.oidc_issuer or any(token_files)):
            raise ValueError(
                f"web.listen {self.listen} can be reached from other machines: give people_file, "
                f"token_file or web.oidc_issuer, or listen on 127.0.0.1"
            )
