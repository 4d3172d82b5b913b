"""Tokens that an OpenID Connect provider has signed, checked here with its public keys."""

import asyncio
from typing import Any

from joserfc import jwt
from joserfc.errors import ClaimError, JoseError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry
from pydantic import TypeAdapter, ValidationError

from synthvlm.errors import Unauthenticated
from synthvlm.serving.access.provider_keys import ProviderKeys
from synthvlm.serving.access.reviewer import JsonServer
from synthvlm.serving.access.scopes import Caller, granted
from synthvlm.serving.access.settings import OidcAuth, Scope
from synthvlm.serving.access.unverified import Unverified

_SCOPE: TypeAdapter[str] = TypeAdapter(Scope)


class OidcReviewer:
    """Checks signature, issuer, audience and times of a token; see ``Reviewer``.

    The algorithm is the settings', never the token's: with a provider's public key as the secret of
    an HMAC, anybody could sign.

    Raises:
        OSError: The file of the provider's authority cannot be read.
    """

    name = "oidc"

    def __init__(self, settings: OidcAuth, timeout_seconds: float) -> None:
        self._settings = settings
        self._server = JsonServer(settings.ca_file, timeout_seconds)
        self._keys = ProviderKeys(settings, self._server)
        # Headers that are not known are passed over (RFC 7515, section 4), critical ones refused.
        self._registry = JWSRegistry(algorithms=settings.algorithms, strict_check_header=False)
        self._claims = jwt.JWTClaimsRegistry(
            leeway=settings.leeway_seconds,
            iss={"essential": True, "values": [settings.issuer, f"{settings.issuer}/"]},
            aud={"essential": True, "value": settings.audience},
            exp={"essential": True},
        )

    def concerns(self, token: Unverified) -> bool:
        """Whether a token names the provider as its issuer."""
        return str(token.claims.get("iss", "")).rstrip("/") == self._settings.issuer

    async def review(self, token: str, unverified: Unverified) -> Caller:
        """Who sends a token; see ``Reviewer``."""
        if unverified.header.get("alg") not in self._settings.algorithms:
            raise Unauthenticated(
                f"the token is not signed by {' or '.join(self._settings.algorithms)}"
            )
        kid = unverified.header.get("kid")
        key = await self._keys.find(kid) if isinstance(kid, str) else None
        if key is None:
            raise Unauthenticated("the token names no key of its issuer")
        claims = await asyncio.to_thread(self._verified, token, key)
        name = claims.get(self._settings.user_claim)
        if not isinstance(name, str) or not name:
            raise Unauthenticated(f"the token has no claim {self._settings.user_claim}")
        groups = _texts(claims.get(self._settings.groups_claim))
        own = frozenset(
            map(str, filter(_is_scope, _texts(claims.get(self._settings.scopes_claim))))
        )
        return Caller(name, own | granted(self._settings.grants, name, groups))

    async def close(self) -> None:
        """Ends the connections to the provider."""
        await self._server.close()

    def _verified(self, token: str, key: Key) -> dict[str, Any]:
        try:
            decoded = jwt.decode(
                token, key, algorithms=self._settings.algorithms, registry=self._registry
            )
            self._claims.validate(decoded.claims)
        except ClaimError as error:
            raise Unauthenticated(f"the token is not valid here: {error.description}") from None
        except (JoseError, ValueError, TypeError):
            raise Unauthenticated("the token's signature is not valid") from None
        found: dict[str, Any] = decoded.claims
        return found


def _texts(value: Any) -> list[str]:
    """A claim that is a list, or words divided by blanks."""
    if isinstance(value, str):
        return value.split()
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _is_scope(text: str) -> bool:
    try:
        _SCOPE.validate_python(text)
    except ValidationError:
        return False
    return True
