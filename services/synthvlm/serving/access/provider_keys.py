"""The public keys of an OpenID Connect provider, fetched now and then and at a rotation."""

import asyncio
import time
from typing import Any

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

from synthvlm.serving.access.reviewer import AnswerError, JsonServer, unreachable
from synthvlm.serving.access.settings import OidcAuth, safe_url

_LEAST_SECONDS = 10.0
"""Between two attempts to fetch keys: tokens with invented key ids cause no more."""

_MAX_KEYS = 100

_log = structlog.get_logger(__name__)


class ProviderKeys:
    """Keys by their id.

    Args:
        settings: Of the provider.
        server: Asks it.
    """

    def __init__(self, settings: OidcAuth, server: JsonServer) -> None:
        self._settings = settings
        self._server = server
        self._keys: dict[str, Key] = {}
        self._read_at = self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, kid: str) -> Key | None:
        """The key of that id; None: the provider has none.

        Raises:
            Unavailable: There are no keys that are fresh enough, and none can be fetched.
        """
        if self._wanted(kid):
            async with self._fetching:
                if self._wanted(kid):
                    await self._fetch()
        if time.monotonic() - self._read_at > self._longest:
            raise unreachable("the OpenID Connect provider")
        return self._keys.get(kid)

    @property
    def _longest(self) -> float:
        return self._settings.keys_seconds + self._settings.keys_grace_seconds

    def _wanted(self, kid: str) -> bool:
        now = time.monotonic()
        old = now - self._read_at > self._settings.keys_seconds
        return (old or kid not in self._keys) and now - self._tried_at > _LEAST_SECONDS

    async def _fetch(self) -> None:
        self._tried_at = time.monotonic()
        try:
            self._keys = await self._published()
        except (AnswerError, ValueError) as error:
            _log.error("the keys of the provider cannot be fetched", problem=str(error))
            return
        self._read_at = time.monotonic()

    async def _published(self) -> dict[str, Key]:
        issuer = self._settings.issuer
        found = await self._server.ask(f"{issuer}/.well-known/openid-configuration")
        if str(found.get("issuer", "")).rstrip("/") != issuer:
            raise AnswerError(f"{issuer} calls itself {found.get('issuer')!r}")
        return _signing_keys(await self._server.ask(safe_url(str(found.get("jwks_uri", "")))))


def _signing_keys(answer: dict[str, Any]) -> dict[str, Key]:
    """Public keys for signatures, by their id: secrets (kty oct) and other uses are left out.

    Raises:
        AnswerError: There is none.
    """
    listed = answer.get("keys")
    found: dict[str, Key] = {}
    for entry in listed[:_MAX_KEYS] if isinstance(listed, list) else []:
        if not isinstance(entry, dict) or entry.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        kid = entry.get("kid")
        if not isinstance(kid, str) or entry.get("use", "sig") != "sig":
            continue
        try:
            found[kid] = JWKRegistry.import_key(entry)
        except (JoseError, ValueError, TypeError):
            _log.warning("a key of the provider cannot be read", kid=kid)
    if not found:
        raise AnswerError("the provider has no key for signatures that can be read")
    return found
