"""A PostgreSQL server of the test's own, when the machine has the binaries."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_USER = "postgres"


def binaries() -> Path | None:
    """The folder that holds initdb and postgres; None when there is none."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return installed[-1].parent if installed else None


def can_start() -> bool:
    """Whether a server can be started: PostgreSQL refuses to run as root."""
    if binaries() is None:
        return False
    return os.geteuid() != 0 or (shutil.which("setpriv") is not None and _has_user())


@contextmanager
def server() -> Iterator[str]:
    """Runs a server on a unix socket; yields a URL without the database's name filled in."""
    folder = binaries()
    assert folder is not None
    # Not tmp_path: a socket's path must be short, and another user must reach it.
    home = Path(tempfile.mkdtemp(prefix="synthvlm-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        account = pwd.getpwnam(_USER)
        os.chown(home, account.pw_uid, account.pw_gid)
        as_user = ["setpriv", f"--reuid={_USER}", f"--regid={account.pw_gid}", "--clear-groups"]
    data = home / "data"
    make: list[str | Path] = [
        folder / "initdb",
        "-D",
        data,
        "-U",
        _USER,
        "-A",
        "trust",
        "-N",
        "-E",
        "UTF8",
    ]
    subprocess.run([*as_user, *make], check=True, capture_output=True, cwd=home)
    run: list[str | Path] = [
        folder / "postgres",
        "-D",
        data,
        "-k",
        home,
        "-F",
        "-c",
        "listen_addresses=",
    ]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([*as_user, *run], cwd=home, stdout=log, stderr=log)
    try:
        ready: list[str | Path] = [folder / "pg_isready", "-q", "-h", home, "-U", _USER, "-t", "60"]
        while subprocess.run(ready, check=False).returncode:
            assert process.poll() is None, (home / "log").read_text()
        yield f"postgresql://{_USER}@/{{}}?host={home}"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(home)


def _has_user() -> bool:
    try:
        pwd.getpwnam(_USER)
    except KeyError:
        return False
    return True
