"""Who has signed in: a signed cookie that scripts cannot read and other sites cannot send."""

import secrets
from dataclasses import asdict, dataclass
from hashlib import sha256

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import HTTPConnection
from starlette.responses import Response

MIN_KEY_BYTES = 32
"""Fewest bytes of a key that signs sessions."""


@dataclass(frozen=True)
class Session:
    """A person that has signed in.

    Attributes:
        annotator: The person's name; empty: nobody has signed in yet.
        credential: What they signed in with, as ``Access`` writes it.
        csrf: What requests that change something must repeat.
    """

    annotator: str
    credential: str
    csrf: str


class Sessions:
    """Writes and reads the cookie.

    The name of the person and the CSRF token in it are signed, not secret: the cookie goes to the
    person alone.

    Args:
        key: Signs the cookies.
        seconds: How long a session lasts.
        secure: Whether the page is opened over HTTPS.
    """

    def __init__(self, key: bytes, seconds: float, *, secure: bool) -> None:
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(
                f"the key that signs sessions must have at least {MIN_KEY_BYTES} bytes"
            )
        self._signer = URLSafeTimedSerializer(
            key, salt="synthvlm-review-session", signer_kwargs={"digest_method": sha256}
        )
        self._seconds = int(seconds)
        self._secure = secure
        # Browsers refuse to let another host or a plain connection set a cookie of this prefix.
        self.cookie = "__Host-review" if secure else "review"

    def begin(self, response: Response, annotator: str = "", credential: str = "") -> Session:
        """Sets the cookie of a new session."""
        session = Session(annotator, credential, secrets.token_urlsafe(24))
        response.set_cookie(
            self.cookie,
            self._signer.dumps(asdict(session)),
            max_age=self._seconds,
            httponly=True,
            samesite="strict",
            secure=self._secure,
        )
        return session

    def end(self, response: Response) -> None:
        """Deletes the cookie."""
        response.delete_cookie(self.cookie, httponly=True, samesite="strict", secure=self._secure)

    def read(self, connection: HTTPConnection) -> Session | None:
        """The session of a request; None: it has none, or one that is forged or too old."""
        try:
            content = self._signer.loads(
                connection.cookies.get(self.cookie, ""), max_age=self._seconds
            )
        except BadData:
            return None
        return Session(**content)
