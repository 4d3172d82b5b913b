"""What callers may do: two scopes a service.

``WORD:use`` is enough for the methods that leave nothing behind, ``WORD:write`` for all of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from synthvlm.errors import PermissionDenied
from synthvlm.serving.access.settings import Grant

ALL = "*"


@dataclass(frozen=True)
class Caller:
    """Somebody whom Kubernetes or a provider vouches for.

    Attributes:
        name: The user's name there.
        scopes: What they may do.
    """

    name: str
    scopes: frozenset[str]

    def require(self, word: str, right: str, method: str) -> None:
        """Returns if they may call ``method`` of the service ``word``.

        Args:
            word: The service.
            right: ``use`` or ``write``, which includes use.
            method: What is called, for the message.

        Raises:
            PermissionDenied: They may not; the message and ``scope`` say what they lack.
        """
        rights = {right, "write"}
        if self.scopes.isdisjoint(f"{of}:{one}" for of in (word, ALL) for one in rights):
            has = ", ".join(sorted(self.scopes)) or "none"
            raise PermissionDenied(
                f"{self.name} lacks the scope {word}:{right}, which {method} takes; it has {has}",
                {"scope": f"{word}:{right}"},
            )


def granted(grants: Sequence[Grant], user: str, groups: Iterable[str]) -> frozenset[str]:
    """The scopes that ``grants`` give to a user in ``groups``."""
    member = frozenset(groups)
    return frozenset(
        scope
        for grant in grants
        if user in grant.users or not member.isdisjoint(grant.groups)
        for scope in grant.scopes
    )
