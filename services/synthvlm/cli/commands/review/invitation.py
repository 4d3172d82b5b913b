"""Tokens for those who may judge pairs: the service's file of people, one line each."""

import hashlib
import re
import secrets
from pathlib import Path

from synthvlm.cli.failures import WrongUsageError

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def invited(file: Path, name: str, role: str) -> str:
    """Enters somebody in the file; their token, of which only the digest is kept.

    Args:
        file: The service's ``people_file``: lines of ``NAME ROLE SHA256``.
        name: As recorded with their verdicts.
        role: What they may do.

    Raises:
        WrongUsageError: The name is not valid, or is in the file.
    """
    if _NAME.fullmatch(name) is None:
        raise WrongUsageError(
            f"NAME {name} must have 1 to 64 characters of [A-Za-z0-9._@-], a letter or digit first"
        )
    file.touch(mode=0o600)
    known = file.read_text(encoding="utf-8")
    if any(line.split()[:1] == [name] for line in known.splitlines()):
        raise WrongUsageError(f"{name} has a token; take the line out of {file} to make another")
    token = secrets.token_urlsafe(24)
    with file.open("a", encoding="utf-8") as lines:
        ending = "" if not known or known.endswith("\n") else "\n"
        lines.write(f"{ending}{name} {role} {hashlib.sha256(token.encode()).hexdigest()}\n")
    return token
