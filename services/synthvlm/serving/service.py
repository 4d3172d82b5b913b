"""What a service is, as seen by the server that runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from google.protobuf.descriptor import ServiceDescriptor

from synthvlm.serving.auth import CallerCheck, TokenCheck
from synthvlm.serving.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)


def token_check(settings: ServiceSettings) -> CallerCheck | None:
    """Who may call most services: whoever sends the token of the settings, if they name one."""
    return None if settings.token_file is None else TokenCheck(settings.token_file)


class Beside(Protocol):
    """What a service serves beside its calls, in the same process and event loop.

    It is bound when it is made, starts when the servicer is built, and stops before it is closed.

    Attributes:
        address: Where it listens, for people; None: nowhere.
    """

    address: str | None

    async def start(self, servicer: Any) -> None:
        """Begins to serve."""

    async def stop(self) -> None:
        """Lets what is under way finish, and ends; also when it was never started."""


@dataclass(frozen=True)
class Service(Generic[S]):
    """A deployable service.

    Attributes:
        word: Its one word, as in its package, profile section, environment and metrics.
        settings: Its settings model.
        descriptor: Its proto service, for example
            ``generation_pb2.DESCRIPTOR.services_by_name["GenerationService"]``.
        register: The generated ``add_…Servicer_to_server``.
        build: Makes the servicer from the settings: loads models, opens the catalogue. Runs on a
            thread while the server listens and is not serving yet. What it raises ends the process.
        close: Frees what ``build`` opened, after the last call has ended.
        uses: Methods that leave nothing behind: the scope ``WORD:use`` is enough for them, all
            others take ``WORD:write``.
        callers: Who may call with tokens of the service's own.
        beside: Makes what is served beside the calls.
        max_request_bytes: Size of the largest request that can be valid; larger ones are not
            received. The default is gRPC's own.
    """

    word: str
    settings: type[S]
    descriptor: ServiceDescriptor
    register: Callable[[Any, Any], None]
    build: Callable[[S], Any]
    close: Callable[[Any], None] | None = None
    uses: frozenset[str] = frozenset()
    callers: Callable[[S], CallerCheck | None] = token_check
    beside: Callable[[S], Beside] | None = None
    max_request_bytes: int = 4 * 2**20

    def caller_check(self, settings: S) -> CallerCheck | None:
        """Who may call; None: anybody.

        Raises:
            OSError: A file of the settings cannot be read.
            ValueError: It is wrong.
        """
        own = self.callers(settings)
        if not settings.auth.is_on:
            return own
        # Cryptography and an HTTP client, which most services do without.
        from synthvlm.serving.access.access import access

        return access(self.word, self.uses, own, settings.auth)
