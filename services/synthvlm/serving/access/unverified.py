"""What a token says of itself before anybody vouches for it: who is to be asked, no more."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_BYTES = 16 * 2**10
"""Longest token that is looked at."""


@dataclass(frozen=True)
class Unverified:
    """Header and claims of a JSON Web Token whose signature nobody has checked."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def read_unverified(token: str) -> Unverified | None:
    """The parts of a signed JSON Web Token; None: it is none."""
    parts = token.split(".")
    if len(token) > MAX_BYTES or len(parts) != 3 or not token.isascii():
        return None
    header, claims = (_object(part) for part in parts[:2])
    return None if header is None or claims is None else Unverified(header, claims)


def _object(part: str) -> dict[str, Any] | None:
    try:
        decoded = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        found = json.loads(decoded)
    except (binascii.Error, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
