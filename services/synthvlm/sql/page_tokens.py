"""Page tokens: where the next page starts, opaque to clients and validated on return."""

import base64
import binascii
import hashlib
import json

from synthvlm.errors import FieldViolation, InvalidInput

_CHECK_BYTES = 8
_LAST_ROW = 2**63 - 1


class PageTokens:
    """The tokens of one list method.

    Args:
        method: The RPC method, for example ``ListVersions``.
    """

    def __init__(self, method: str) -> None:
        self._method = method

    def token(self, filtered_by: str, row: int) -> str:
        """The token after a page that ended at ``row`` of a list filtered by ``filtered_by``."""
        content = json.dumps([filtered_by, row], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._check(content) + content).decode().rstrip("=")

    def row(self, token: str, filtered_by: str) -> int | None:
        """The row that a token encodes; None for the empty token.

        Args:
            token: From ``token``.
            filtered_by: The filter of the current request.

        Raises:
            InvalidInput: The token is from another method, or from a list with another filter.
        """
        if not token:
            return None
        try:
            padded = token + "=" * (-len(token) % 4)
            data = base64.b64decode(padded.encode(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise self._foreign() from None
        content = data[_CHECK_BYTES:]
        if not content or data[:_CHECK_BYTES] != self._check(content):
            raise self._foreign()
        try:
            filtered, row = json.loads(content)
        except (ValueError, TypeError, RecursionError):
            raise self._foreign() from None
        # Its own writing, to the byte: whoever knows the check can put anything behind it.
        if type(filtered) is not str or type(row) is not int or not 0 < row <= _LAST_ROW:
            raise self._foreign()
        if self.token(filtered, row) != token:
            raise self._foreign()
        if filtered != filtered_by:
            raise _invalid("belongs to a list with a different filter; repeat the original filter")
        return row

    def _check(self, content: bytes) -> bytes:
        # Against damage and mix-ups, not forgery: a token grants nothing that a request does not.
        return hashlib.sha256(self._method.encode() + content).digest()[:_CHECK_BYTES]

    def _foreign(self) -> InvalidInput:
        return _invalid(f"is not a token from {self._method}")


def _invalid(description: str) -> InvalidInput:
    return InvalidInput(f"page_token {description}", [FieldViolation("page_token", description)])
