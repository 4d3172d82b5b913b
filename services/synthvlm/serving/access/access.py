"""Who calls, and whether they may: own tokens first, then those that others vouch for."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from prometheus_client import Counter, Histogram

from synthvlm.errors import Unauthenticated, Unavailable
from synthvlm.serving.access.oidc import OidcReviewer
from synthvlm.serving.access.reviewer import RETRY_SECONDS, Reviewer, unreachable
from synthvlm.serving.access.scopes import Caller
from synthvlm.serving.access.settings import AuthSettings
from synthvlm.serving.access.token_review import TokenReviewer
from synthvlm.serving.access.unverified import Unverified, read_unverified
from synthvlm.serving.auth import CallerCheck, Metadata, bearer_token
from synthvlm.serving.calls import Method

REFUSED_SECONDS = 10.0
"""How long a token that was refused is refused without another question."""

_REMEMBERED = 4096
"""Tokens that are remembered, of those that are valid and of the others."""

_REVIEWS = 64
"""Reviews that are under way at most; callers beyond them come again."""

_COUNT = Counter(
    "synthvlm_serving_token_reviews",
    "Reviews of tokens, by who was asked and result: accepted, refused or failed.",
    ["reviewer", "result"],
)
_SECONDS = Histogram(
    "synthvlm_serving_token_review_seconds",
    "Seconds that reviews of tokens took.",
    ["reviewer"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Told:
    """What a reviewer said of a token, and until when that counts (``time.monotonic``)."""

    caller: Caller | None
    problem: str
    until: float


class Access(CallerCheck):
    """Checks callers by the service's own tokens, and by reviewers; see ``CallerCheck``.

    Of tokens only digests are kept.

    Args:
        word: The service.
        uses: Names of the methods that ``WORD:use`` is enough for.
        own: Knows the service's own tokens; None: it has none.
        reviewers: Asked in this order: the first that a token concerns decides.
        settings: How long answers count, and may take.
    """

    def __init__(
        self,
        word: str,
        uses: frozenset[str],
        own: CallerCheck | None,
        reviewers: Sequence[Reviewer],
        settings: AuthSettings,
    ) -> None:
        self._word = word
        self._uses = uses
        self._own = own
        self._reviewers = reviewers
        self._settings = settings
        self._valid: OrderedDict[bytes, _Told] = OrderedDict()
        self._refused: OrderedDict[bytes, _Told] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Task[_Told]] = {}

    async def check(self, metadata: Metadata, method: Method | None) -> object:
        """Who calls; see ``CallerCheck``.

        Raises:
            Unauthenticated: Nobody who may.
            PermissionDenied: Somebody who may not call this method.
            Unavailable: It cannot be told now.
        """
        if self._own is not None:
            try:
                return await self._own.check(metadata, method)
            except Unauthenticated:
                pass  # a reviewer may know the token
        caller = await self._caller(bearer_token(metadata))
        if method is not None:
            right = "use" if method.name in self._uses else "write"
            caller.require(self._word, right, method.name)
        return caller if self._own is None else self._own.known(caller)

    def known(self, caller: Caller) -> object:
        """The caller; see ``CallerCheck``."""
        return caller

    async def close(self) -> None:
        """Ends what is under way, and the connections."""
        for task in list(self._under_way.values()):
            task.cancel()
        for reviewer in self._reviewers:
            await reviewer.close()

    async def _caller(self, token: str) -> Caller:
        digest = hashlib.sha256(token.encode()).digest()
        now = time.monotonic()
        for remembered in (self._valid, self._refused):
            told = remembered.get(digest)
            if told is not None and told.until > now:
                break
        else:
            told = await self._ask(token, digest)
        if told.caller is None:
            raise Unauthenticated(told.problem)
        return told.caller

    async def _ask(self, token: str, digest: bytes) -> _Told:
        unverified = read_unverified(token)
        reviewer = None if unverified is None else self._reviewer(unverified)
        if unverified is None or reviewer is None:
            return _Told(
                None, "send a token of the service, or of an issuer that it trusts, as metadata "
                "`authorization: Bearer …`", 0.0,
            )  # fmt: skip
        task = self._under_way.get(digest)
        if task is None:
            if len(self._under_way) >= _REVIEWS:
                raise Unavailable("too many tokens are being checked", RETRY_SECONDS)
            # A task of its own: it goes on for other calls with the token when this one ends.
            task = asyncio.create_task(self._review(reviewer, token, unverified, digest))
            self._under_way[digest] = task
            task.add_done_callback(lambda done: self._ended(digest, done))
        return await asyncio.shield(task)

    def _reviewer(self, unverified: Unverified) -> Reviewer | None:
        return next((one for one in self._reviewers if one.concerns(unverified)), None)

    def _ended(self, digest: bytes, task: asyncio.Task[_Told]) -> None:
        del self._under_way[digest]
        if not task.cancelled():
            task.exception()  # looked at, also if every caller has gone

    async def _review(
        self, reviewer: Reviewer, token: str, unverified: Unverified, digest: bytes
    ) -> _Told:
        began, result = time.monotonic(), "failed"
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                caller = await reviewer.review(token, unverified)
            result = "accepted"
            told = _Told(caller, "", time.monotonic() + self._counts(unverified))
            _remember(self._valid, digest, told)
        except Unauthenticated as error:
            result = "refused"
            told = _Told(None, error.message, time.monotonic() + REFUSED_SECONDS)
            # Apart, so that strangers with many tokens make nobody be reviewed again.
            _remember(self._refused, digest, told)
        except TimeoutError:
            _log.error("a review of a token took too long", reviewer=reviewer.name)
            raise unreachable(f"the reviewer of tokens ({reviewer.name})") from None
        finally:
            _COUNT.labels(reviewer.name, result).inc()
            _SECONDS.labels(reviewer.name).observe(time.monotonic() - began)
        return told

    def _counts(self, unverified: Unverified) -> float:
        """Seconds for which an answer counts: at most until the token expires."""
        expires = unverified.claims.get("exp")
        left = expires - time.time() if isinstance(expires, int | float) else float("inf")
        return max(0.0, min(self._settings.cache_seconds, left))


def _remember(answers: OrderedDict[bytes, _Told], digest: bytes, told: _Told) -> None:
    answers[digest] = told
    answers.move_to_end(digest)
    while len(answers) > _REMEMBERED:
        answers.popitem(last=False)


def access(
    word: str, uses: frozenset[str], own: CallerCheck | None, settings: AuthSettings
) -> CallerCheck | None:
    """Who may call a service; None: anybody.

    Raises:
        OSError: A file of the settings cannot be read.
    """
    reviewers: list[Reviewer] = []
    if settings.oidc.issuer:
        reviewers.append(OidcReviewer(settings.oidc, settings.timeout_seconds))
    if settings.kubernetes.audience:
        reviewers.append(TokenReviewer(settings.kubernetes, settings.timeout_seconds))
    return Access(word, uses, own, reviewers, settings) if reviewers else own
