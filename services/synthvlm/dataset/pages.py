"""Page tokens: where a list goes on, opaque to clients and checked when they come back."""

import base64
import binascii
import hashlib
import json

from synthvlm.errors import FieldViolation, InvalidInput

_CHECK_BYTES = 8


def page_token(name: str, row: int) -> str:
    """The token of a page that ended at ``row`` of a list filtered by ``name``."""
    content = json.dumps([name, row], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_check(content) + content).decode().rstrip("=")


def row_of(token: str, name: str) -> int | None:
    """The row that a token stands for; None for the empty token.

    Args:
        token: From ``page_token``.
        name: The filter of the list that is asked for now.

    Raises:
        InvalidInput: It is no token of this service, or that of a list with another filter.
    """
    if not token:
        return None
    try:
        padded = token + "=" * (-len(token) % 4)
        data = base64.b64decode(padded.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _invalid("is not a token that ListVersions gave") from None
    content = data[_CHECK_BYTES:]
    if not content or data[:_CHECK_BYTES] != _check(content):
        raise _invalid("is not a token that ListVersions gave")
    filtered, row = json.loads(content)
    if filtered != name:
        raise _invalid("belongs to a list of other datasets; ask with the same name again")
    return int(row)


def _check(content: bytes) -> bytes:
    # Against damage and mix-ups, not against forgers: a token gives nothing that a request cannot.
    return hashlib.sha256(b"ListVersions" + content).digest()[:_CHECK_BYTES]


def _invalid(description: str) -> InvalidInput:
    return InvalidInput(f"page_token {description}", [FieldViolation("page_token", description)])
