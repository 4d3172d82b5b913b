"""Who may take part, known by a token, and what each of them may do."""

import hashlib
import re
from dataclasses import dataclass
from enum import IntEnum

from synthvlm.errors import PermissionDenied

NAME_LENGTH = 64
"""Characters of a person's name, and of an identifier that a caller makes."""

NAME = rf"[A-Za-z0-9][A-Za-z0-9._@-]{{0,{NAME_LENGTH - 1}}}"
"""Pattern of a person's name."""


class Role(IntEnum):
    """What somebody may do: each person may do what those before may."""

    MODEL = 0
    """Judges pairs as a second opinion, and counts as nobody."""
    ANNOTATOR = 1
    """Judges pairs."""
    ADJUDICATOR = 2
    """Settles disagreements besides."""
    OWNER = 3
    """Creates, watches and finishes campaigns besides."""


@dataclass(frozen=True)
class Person:
    """Somebody who calls.

    Attributes:
        name: As recorded with their verdicts.
        role: What they may do.
    """

    name: str
    role: Role

    def require(self, role: Role) -> None:
        """Returns if they may do what ``role`` may.

        Raises:
            PermissionDenied: They may not.
        """
        if self.role < role:
            raise PermissionDenied(
                f"{self.name} is known as {self.role.name.lower()}; this takes one of the role "
                f"{role.name.lower()}"
            )


OPERATOR = Person("operator", Role.OWNER)
"""Who calls where nobody is told apart: whoever holds the service's own token, or anybody."""


def as_name(text: str) -> str:
    """``text`` as the name of an annotator, in fewer characters: ``org-7b`` for ``org/7b``."""
    return re.sub("[^A-Za-z0-9._@-]", "-", text).lstrip("-._@")[:NAME_LENGTH] or "model"


def token_digest(token: str) -> str:
    """What the file of people holds in the place of a token: its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_people(text: str) -> dict[str, Person]:
    """The people that a file names, by the digest of their token.

    Args:
        text: One person a line: ``NAME ROLE SHA256``. Empty lines, and what follows a ``#``, are
            passed over.

    Raises:
        ValueError: A line is wrong; the message gives its number and what would be right.
    """
    people: dict[str, Person] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        roles = {role.name.lower(): role for role in Role}
        if (
            len(words) != 3
            or re.fullmatch(NAME, words[0]) is None
            or words[1] not in roles
            or re.fullmatch("[0-9a-f]{64}", words[2]) is None
        ):
            raise ValueError(
                f"line {number} is not NAME ROLE SHA256, with a role of {', '.join(roles)} and the "
                f"64 hexadecimal digits of the token's SHA-256"
            )
        name, role, digest = words
        if digest in people or any(name == person.name for person in people.values()):
            raise ValueError(f"line {number} names {name}, or their token, a second time")
        people[digest] = Person(name, roles[role])
    return people
