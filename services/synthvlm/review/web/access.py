"""Who may open what: the bearer tokens of the service, or names that a provider vouches for."""

from collections.abc import Callable, Mapping

from synthvlm.errors import Unauthenticated
from synthvlm.review.people import Person, Role, token_digest
from synthvlm.review.web.sessions import Session
from synthvlm.review.web.settings import WebSettings

_OPEN = "open"
_PROVIDER = "provider"
_TOKEN = "token "  # noqa: S105 - a kind of credential, followed by the token's digest


class Access:
    """Tells who has signed in, anew at each request: a token that is withdrawn ends its sessions.

    Where the service knows neither tokens nor a provider, people give any name and may do
    everything, as with the service's calls.

    Args:
        settings: Of the page.
        people: Gives those who have a token now, by its digest; None: no token is needed.
    """

    def __init__(
        self, settings: WebSettings, people: Callable[[], Mapping[str, Person]] | None
    ) -> None:
        self._settings = settings
        self._people = people
        self.by_provider = bool(settings.oidc_issuer)
        self.by_token = people is not None
        self.is_open = not (self.by_provider or self.by_token)

    def with_token(self, token: str) -> tuple[Person, str]:
        """Who has a token, and the credential to keep in the session.

        Raises:
            Unauthenticated: Nobody.
        """
        digest = token_digest(token)
        person = self._people().get(digest) if self._people is not None else None
        if person is None:
            raise Unauthenticated("this token is not valid here")
        return person, f"{_TOKEN}{digest}"

    def with_name(self, name: str) -> tuple[Person, str]:
        """Somebody who may give any name.

        Raises:
            Unauthenticated: A token or a provider is needed.
        """
        if not self.is_open:
            raise Unauthenticated("sign in with a token or the provider")
        return Person(name, Role.OWNER), _OPEN

    def with_provider(self, name: str) -> tuple[Person, str]:
        """Somebody whom the provider has signed in."""
        return Person(name, self._role(name)), f"{_PROVIDER} {self._settings.oidc_issuer}"

    def person(self, session: Session) -> Person | None:
        """Whose session it is; None: nobody's, or that of a person who may not enter any more."""
        name, credential = session.annotator, session.credential
        if credential == _OPEN and self.is_open:
            return Person(name, Role.OWNER)
        if credential == f"{_PROVIDER} {self._settings.oidc_issuer}" and self.by_provider:
            return Person(name, self._role(name))
        if credential.startswith(_TOKEN) and self._people is not None:
            return self._people().get(credential.removeprefix(_TOKEN))
        return None

    def _role(self, name: str) -> Role:
        if name in self._settings.owners:
            return Role.OWNER
        return Role.ADJUDICATOR if name in self._settings.adjudicators else Role.ANNOTATOR
