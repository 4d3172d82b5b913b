"""How services on one machine are reached: by unix sockets that their user alone can open.

A TCP port, on the loopback too, is open to every user of the machine, and the services act with the
rights of the one who started them. So TCP is used only when it is asked for, and then with a token.
"""

import os
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from synthvlm.errors import PreconditionFailed
from synthvlm.local.words import REVIEW

_LONGEST = 107
"""Bytes of a socket's path; the kernel takes no more."""

_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")
"""Paths that are the same in a URI, in a command line and in a file."""

_PREFIX = "synthvlm-"
_RECORD = "sockets"
_PROBE = "generation.sock"  # as long as the longest name


@dataclass(frozen=True)
class Listening:
    """Where services listen.

    Attributes:
        folder: Of their sockets; None: on free ports of the loopback.
        token_file: File with the token that callers must send; None: none, as a socket's folder
            keeps others out.
        page_token: File with the token of the review service, whose page is on the loopback
            wherever services listen; None: the one of all services.
    """

    folder: Path | None
    token_file: Path | None = None
    page_token: Path | None = None

    def address(self, word: str) -> str:
        """What the service ``word`` is told to listen on."""
        return "127.0.0.1:0" if self.folder is None else f"unix:{self.folder / f'{word}.sock'}"

    def settings(self, word: str) -> list[str]:
        """Options that the service ``word`` gets."""
        token = self.own_token(word) or self.token_file
        return [] if token is None else ["--token-file", str(token)]

    def own_token(self, word: str) -> Path | None:
        """The token that the service ``word`` wants and others do not; None: it wants none."""
        return self.page_token if word == REVIEW else None


@contextmanager
def listening(folder: Path, *, tcp: bool = False) -> Iterator[Listening]:
    """Where services listen whose state is in ``folder``; what is made for it goes at the end.

    Sockets lie in ``folder``. Where its path is too long or has characters that not everybody
    reads alike, or its file system has no sockets, they lie in a folder with a random name below
    ``$XDG_RUNTIME_DIR`` or the temporary folder, which is written down in ``folder``.

    Args:
        folder: A folder of this user alone.
        tcp: Listen on the loopback instead, with a new token in ``folder``.

    Raises:
        PreconditionFailed: Nowhere can a socket be made.
    """
    if tcp:
        token = _make_token(folder / "token")
        try:
            yield Listening(None, token)
        finally:
            token.unlink(missing_ok=True)
        return
    page_token = _keep_token(folder / "page-token")
    record = folder / _RECORD
    _forget(record)  # a folder of services that were killed
    if _takes_sockets(folder):
        yield Listening(folder, page_token=page_token)
        return
    elsewhere = _elsewhere()
    record.write_text(str(elsewhere), encoding="utf-8")
    try:
        yield Listening(elsewhere, page_token=page_token)
    finally:
        _forget(record)


def keep_private(folder: Path) -> None:
    """Lets nobody but this user into a folder, where the folder is this user's to close."""
    if folder.stat().st_mode & 0o077:
        with suppress(PermissionError):
            folder.chmod(0o700)


def _takes_sockets(folder: Path) -> bool:
    path = folder / _PROBE
    if len(os.fsencode(path)) > _LONGEST or _PLAIN.fullmatch(str(path)) is None:
        return False
    status = folder.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        return False
    probe = folder / f".{secrets.token_hex(4)}.s"
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(probe))
    except OSError:
        return False
    probe.unlink()
    return True


def _elsewhere() -> Path:
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108
        if not base or not os.access(base, os.W_OK):
            continue
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))  # 0700
        if _takes_sockets(folder):
            return folder
        folder.rmdir()
    raise PreconditionFailed("no folder takes unix sockets; set XDG_RUNTIME_DIR, or use --tcp")


def _forget(record: Path) -> None:
    with suppress(FileNotFoundError):
        folder = Path(record.read_text(encoding="utf-8"))
        if folder.name.startswith(_PREFIX) and folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
        record.unlink()


def _keep_token(file: Path) -> Path:
    """A token that stays from one start to the next, so that people stay signed in."""
    return file if file.is_file() and not file.stat().st_mode & 0o077 else _make_token(file)


def _make_token(file: Path) -> Path:
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(secrets.token_urlsafe(32))
        if os.fstat(descriptor).st_mode & 0o077:
            file.unlink()
            raise PreconditionFailed(f"others can read what is in {file.parent}; use another home")
    return file
