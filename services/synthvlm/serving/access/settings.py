"""Settings of callers that Kubernetes or an OpenID Connect provider vouches for."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from synthvlm.serving.section import SettingsSection

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def safe_url(url: str) -> str:
    """The URL of a server that says who callers are: by https://, on this machine by http:// too.

    Raises:
        ValueError: It is another one.
    """
    parts = urlsplit(url)
    near = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not (parts.hostname and (parts.scheme == "https" or near)) or parts.query or parts.fragment:
        raise ValueError("give an https:// URL")
    return url.rstrip("/")


def _url_or_none(url: str) -> str:
    return safe_url(url) if url else url


Scope = Annotated[str, Field(pattern=r"^(\*|[a-z]+):(use|write)$")]
"""``WORD:use`` or ``WORD:write``, with the word of a service or ``*`` for all of them."""

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
"""Signatures with a key that only the provider has: HS… and none are not among them."""


def _usual() -> list[Algorithm]:
    return ["RS256"]


class Grant(SettingsSection):
    """Scopes of some callers."""

    users: list[str] = Field(default_factory=list)
    """Names of users, as the reviewer gives them: system:serviceaccount:NAMESPACE:NAME."""
    groups: list[str] = Field(default_factory=list)
    """Names of groups: system:serviceaccounts:NAMESPACE."""
    scopes: Annotated[list[Scope], Field(min_length=1)]
    """What they may do: WORD:use, WORD:write (which includes use); * stands for every service."""

    @model_validator(mode="after")
    def _is_for_somebody(self) -> "Grant":
        if not self.users and not self.groups:
            raise ValueError("a grant names users or groups")
        return self


class KubernetesAuth(SettingsSection):
    """Callers with a token of their ServiceAccount, which the API server reviews (TokenReview)."""

    audience: str = ""
    """Audience that tokens must be for; empty: the API server is not asked."""
    api_server: Annotated[str, AfterValidator(safe_url)] = "https://kubernetes.default.svc"
    """Where it is."""
    token_file: Path = Path("/run/secrets/kubernetes/token")
    """Token of a ServiceAccount that may create TokenReviews; read again when it changes."""
    ca_file: Path = Path("/run/secrets/kubernetes/ca.crt")
    """PEM file of the API server's authority."""
    grants: list[Grant] = Field(default_factory=list)
    """Scopes by the user and groups that a review names."""


class OidcAuth(SettingsSection):
    """Callers with a signed token of an OpenID Connect provider."""

    issuer: Annotated[str, AfterValidator(_url_or_none)] = ""
    """The provider's URL, as its tokens name it (iss); empty: none. Its keys are found by
    /.well-known/openid-configuration below it."""
    audience: str = ""
    """Audience that tokens must be for."""
    algorithms: Annotated[list[Algorithm], Field(min_length=1)] = Field(default_factory=_usual)
    """Signatures that are accepted, whatever a token says of itself."""
    ca_file: Path | None = None
    """PEM file of the provider's authority; null: those that the system trusts."""
    user_claim: str = "sub"
    """Claim that names the user."""
    groups_claim: str = "groups"
    """Claim that lists the user's groups."""
    scopes_claim: str = "scope"
    """Claim with scopes, as a list or divided by blanks; what is not one here is passed over."""
    leeway_seconds: Annotated[int, Field(ge=0, le=300)] = 30
    """How far the provider's clock may be off."""
    keys_seconds: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] = 300.0
    """Seconds after which its keys are fetched again; at once, if a token names an unknown one."""
    keys_grace_seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 3600.0
    """Seconds that keys go on being used while the provider cannot be reached."""
    grants: list[Grant] = Field(default_factory=list)
    """Scopes by user and groups, besides those of the token."""

    @model_validator(mode="after")
    def _is_whole(self) -> "OidcAuth":
        if self.issuer and not self.audience:
            raise ValueError("issuer needs audience: a token for somebody else must not open this")
        return self


class AuthSettings(SettingsSection):
    """Callers whose tokens others vouch for, besides those with the token of token_file."""

    kubernetes: KubernetesAuth = KubernetesAuth()
    """ServiceAccounts, by the API server."""
    oidc: OidcAuth = OidcAuth()
    """Whoever an OpenID Connect provider vouches for."""
    cache_seconds: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 60.0
    """Seconds for which a token counts as reviewed: how long one that is withdrawn still works."""
    timeout_seconds: Annotated[float, Field(gt=0, le=30, allow_inf_nan=False)] = 5.0
    """How long a review may take; then the call is UNAVAILABLE."""

    @property
    def is_on(self) -> bool:
        """Whether anybody vouches for callers."""
        return bool(self.kubernetes.audience or self.oidc.issuer)
