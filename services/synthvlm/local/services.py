"""The services of a home: found running, or started for as long as they are needed."""

import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import grpc

from synthvlm.atomic_files import write_atomically
from synthvlm.client import connect
from synthvlm.errors import PreconditionFailed
from synthvlm.local.comparison import asked_settings, differences, told
from synthvlm.local.health import is_serving
from synthvlm.local.home import Home
from synthvlm.local.launch import started
from synthvlm.local.lock import HomeLock
from synthvlm.local.processes import READY_SECONDS, OnChange, ServiceProcess, is_alive, silent
from synthvlm.local.sockets import Listening, listening
from synthvlm.local.words import RUN, TRITON, WORDS

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Running:
    """A service that is running: where it serves, its process, and what it was started with.

    Attributes:
        page: Address of its web page; empty if it has none.
        token_file: The token that it alone wants; None: that of all services, if they want one.
    """

    address: str
    pid: int
    settings: dict[str, Any] = field(default_factory=dict)
    page: str = ""
    token_file: Path | None = None


@dataclass(frozen=True)
class Services:
    """Services that are ready, by word, the profile that they run, and the token that they want."""

    profile: str
    running: dict[str, Running]
    token_file: Path | None = None

    def connect(self, word: str) -> grpc.Channel:
        """A channel to the service ``word``."""
        return connect(self.address(word), token=self.running[word].token_file or self.token_file)

    def address(self, word: str) -> str:
        """Where the service ``word`` serves."""
        return self.running[word].address

    @property
    def addresses(self) -> dict[str, str]:
        """Where all of them serve."""
        return {word: service.address for word, service in self.running.items()}

    def runs(self, engine: str | None) -> bool:
        """Whether images come from ``engine``; None, as the profile says, matches any."""
        return engine is None or (engine == TRITON) == (TRITON in self.running)

    def ended(self) -> str | None:
        """The first service whose process is gone."""
        return next((w for w, service in self.running.items() if not is_alive(service.pid)), None)


@dataclass(frozen=True)
class OwnServices:
    """Services of this process: to watch, to call, and where one that is started anew listens."""

    processes: list[ServiceProcess]
    services: Services
    where: Listening


@contextmanager
def own_services(
    home: Home,
    profile: str,
    owner: str,
    on_change: OnChange,
    engine: str | None = None,
    *,
    words: Sequence[str] | None = None,
    tcp: bool = False,
) -> Iterator[OwnServices]:
    """Starts services and registers them in the home; stops them at the end of the context.

    The caller holds the home's lock. All are started unless ``words`` says which. With ``tcp`` they
    listen on the loopback and want a token.
    """
    home.services_file.unlink(missing_ok=True)
    with (
        listening(home.state, tcp=tcp) as where,
        started(
            home, profile, words or WORDS, home.state, on_change, engine, where=where
        ) as processes,
    ):
        services = as_services(profile, processes, where)
        register(home, owner, services)
        try:
            yield OwnServices(processes, services, where)
        finally:
            home.services_file.unlink(missing_ok=True)


def register(home: Home, owner: str, services: Services) -> None:
    """Makes services known to the other commands of this home."""
    content = {"owner": owner, "pid": os.getpid(), **asdict(services)}
    write_atomically(home.services_file, json.dumps(content, indent=2, default=str))


def as_services(profile: str, processes: Sequence[ServiceProcess], where: Listening) -> Services:
    """Processes that are ready, as callers see them."""
    running = {
        p.word: Running(p.address, p.process.pid, p.settings, p.page, where.own_token(p.word))
        for p in processes
    }
    return Services(profile, running, where.token_file)


def attach(home: Home, words: Sequence[str]) -> Services | None:
    """The home's registered services, when all of ``words`` are among them and ready."""
    try:
        content = json.loads(home.services_file.read_text())
    except FileNotFoundError:
        return None
    running = {
        word: Running(**entry | {"token_file": _path(entry.get("token_file"))})
        for word, entry in content["running"].items()
    }
    ready = all(
        word in running and is_alive(running[word].pid) and is_serving(running[word].address)
        for word in words
    )
    token = content.get("token_file")
    return Services(content["profile"], running, _path(token)) if ready else None


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


@contextmanager
def run_services(
    home: Home, profile: str, on_change: OnChange, engine: str | None = None
) -> Iterator[Services]:
    """The services of a run: those that are up in this home, else its own.

    Raises:
        PreconditionFailed: Another run is under way in this home, or its services were started with
            other settings or another engine.
        ProcessFailed: Services do not become ready.
    """
    lock = HomeLock(home, "run")
    deadline = time.monotonic() + READY_SECONDS
    with lock:
        while not lock.take():
            owner, pid = lock.holder()
            if owner == "run":
                raise PreconditionFailed(
                    f"another run (process {pid}) is under way in {home.root}; wait for it, or "
                    f"use another home"
                )
            services = attach(home, RUN)
            if services is not None:
                _require(services, home, pid, profile, engine)
                yield services
                return
            if time.monotonic() > deadline:
                raise PreconditionFailed(
                    f"the services of {home.root} (process {pid}) are not ready; stop them, then "
                    f"try again"
                )
            time.sleep(_POLL_SECONDS)
        with own_services(home, profile, "run", on_change, engine, words=RUN) as own:
            yield own.services


def _require(services: Services, home: Home, pid: int, profile: str, engine: str | None) -> None:
    if not services.runs(engine):
        raise PreconditionFailed(
            f"the services in {home.root} use an engine other than {engine}; stop them "
            f"(process {pid}) or leave the engine to the profile"
        )
    running = {word: services.running[word].settings for word in RUN}
    found = differences(running, asked_settings(home, profile, RUN))
    if found:
        raise PreconditionFailed(
            f"the services in {home.root} were started with other settings: {told(found)}; restart "
            f"`synthvlm up` (process {pid}) or use another home"
        )


@contextmanager
def needed_services(
    home: Home,
    words: Sequence[str],
    profile: str,
    on_change: OnChange = silent,
    further: Sequence[str] = (),
) -> Iterator[Services]:
    """The services ``words`` for a short command: the home's if they are up, else its own.

    Own ones are not registered, so they are in nobody's way. Those that need further settings are
    always own ones.
    """
    with ExitStack() as stack:
        services = None if further else attach(home, words)
        if services is None or not _fit(services, home, words, profile):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=home.state)))
            where = stack.enter_context(listening(folder))
            processes = stack.enter_context(
                started(home, profile, words, folder, on_change, further=further, where=where)
            )
            services = as_services(profile, processes, where)
        yield services


def _fit(services: Services, home: Home, words: Sequence[str], profile: str) -> bool:
    """Whether running services do what the profile says, where it matters: to images."""
    if "generation" not in words:
        return True
    running = {"generation": services.running["generation"].settings}
    return not differences(running, asked_settings(home, profile, ["generation"]))
