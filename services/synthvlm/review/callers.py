"""Who calls: the people of a file, and whoever holds the service's own token."""

from collections.abc import Mapping

import structlog

from synthvlm.errors import Unauthenticated, Unavailable
from synthvlm.review.config import ReviewSettings
from synthvlm.review.people import OPERATOR, Person, read_people, token_digest
from synthvlm.serving.access.scopes import Caller
from synthvlm.serving.auth import CallerCheck, Metadata, bearer_token
from synthvlm.serving.calls import Method
from synthvlm.serving.watched_file import WatchedFile

_RETRY_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class Callers(CallerCheck):
    """Tells callers apart by their tokens; both files are read again when they change.

    Args:
        settings: Name the files, if there are any.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file is wrong; the message says where.
    """

    def __init__(self, settings: ReviewSettings) -> None:
        self._files = [
            WatchedFile(path)
            for path in (settings.people_file, settings.token_file)
            if path is not None
        ]
        self._with_token = settings.token_file is not None
        self._read: tuple[list[bytes], dict[str, Person]] = ([], {})
        self._current()

    def people(self) -> Mapping[str, Person]:
        """Who may call now, by the digest of their token.

        Raises:
            Unavailable: A file cannot be read or is wrong by now. Nobody is let in: somebody may
                have been taken out on purpose.
        """
        try:
            return self._current()
        except (OSError, ValueError) as error:
            _log.error("people cannot be told apart", problem=str(error))
            raise Unavailable(
                "the service cannot check tokens now: a file of them is wrong or cannot be read",
                _RETRY_SECONDS,
            ) from None

    def known(self, caller: Caller) -> Person:
        """Somebody whom others vouch for: by name a person of the file, else the operator.

        The file may take less of them than their scope allows: it knows annotators.
        """
        people = self.people().values()
        return next((one for one in people if one.name == caller.name), OPERATOR)

    async def check(self, metadata: Metadata, method: Method | None) -> Person:  # noqa: ARG002
        """Who calls.

        Raises:
            Unauthenticated: Nobody who may.
            Unavailable: As ``people``.
        """
        found = self.people().get(token_digest(bearer_token(metadata)))
        if found is None:
            raise Unauthenticated("send your token as metadata `authorization: Bearer …`")
        return found

    def _current(self) -> dict[str, Person]:
        contents = [file.read() for file in self._files]
        before, people = self._read
        if contents != before:
            people = {}
            if self._with_token:
                token = contents[-1].decode().strip()
                if not token:
                    # It would equal the one of a caller that sends none.
                    raise ValueError(f"the token file {self._files[-1].path} is empty")
                people[token_digest(token)] = OPERATOR
            if len(self._files) > self._with_token:
                people |= read_people(contents[0].decode())
            self._read = contents, people
        return people


def callers(settings: ReviewSettings) -> Callers | None:
    """Who may call; None: anybody, as an owner."""
    if settings.people_file is None and settings.token_file is None and not settings.auth.is_on:
        return None
    return Callers(settings)
