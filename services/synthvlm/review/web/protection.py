"""What holds for every request: headers, sizes, rates, and whose form it comes from."""

import hmac
import time
from collections import OrderedDict

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from synthvlm.review.web.sessions import Session

MAX_BODY_BYTES = 256 * 1024
"""Most bytes of a request's body: fifty verdicts with the longest comments."""

CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_MAX_CALLERS = 10_000


class Protection:
    """Middleware: refuses other sites' requests and long bodies, and adds the security headers.

    Args:
        app: What it protects.
        origins: Scheme and host under which people open the page. A request for another host comes
            from a site that made its own name point here, and one that changes something without
            one of these as its header Origin from a form of another site.
    """

    def __init__(self, app: ASGIApp, *, origins: frozenset[str]) -> None:
        self._app = app
        self._origins = origins
        self._hosts = {origin.partition("://")[2] for origin in origins}
        self._headers = dict(_HEADERS)
        if all(origin.startswith("https:") for origin in origins):
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if problem := self._problem(scope):
            await PlainTextResponse(problem, 403)(scope, receive, send)
            return
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise HTTPException(413, f"send at most {MAX_BODY_BYTES} bytes")
            return message

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, bounded, with_headers)

    def _problem(self, scope: Scope) -> str:
        headers = Headers(scope=scope)
        if headers.get("host") not in self._hosts:
            return "this host is not served here"
        if scope["method"] not in ("GET", "HEAD") and headers.get("origin") not in self._origins:
            return "the request comes from another site"
        return ""


class Rate:
    """At most so many requests a minute from each caller, in bursts of up to as many."""

    def __init__(self, per_minute: int) -> None:
        self._per_second = per_minute / 60
        self._most = float(per_minute)
        # Tokens left and when, least recently seen first; callers beyond the limit are forgotten.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def count(self, caller: str) -> None:
        """Counts a request of ``caller``.

        Raises:
            HTTPException: It is one too many; 429 with the time to wait.
        """
        now = time.monotonic()
        tokens, since = self._left.pop(caller, (self._most, now))
        tokens = min(self._most, tokens + (now - since) * self._per_second)
        self._left[caller] = (max(tokens - 1, 0.0), now) if tokens >= 1 else (tokens, now)
        if len(self._left) > _MAX_CALLERS:
            self._left.popitem(last=False)
        if tokens < 1:
            wait = max(1, round((1 - tokens) / self._per_second))
            raise HTTPException(
                429, f"too many requests; try again in {wait} s", {"Retry-After": str(wait)}
            )


def require_own_form(session: Session | None, token: str | None) -> None:
    """Returns if the request comes from a page that this session was given.

    Raises:
        HTTPException: It may come from another site; 403.
    """
    sent = (token or "").encode()
    if session is None or not hmac.compare_digest(sent, session.csrf.encode()):
        raise HTTPException(403, "the page is out of date; load it again")
