"""The services of a home: found running, or started for as long as a command needs them."""

import fcntl
import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self, TextIO

from synthvlm.atomic_files import write_atomically
from synthvlm.cli.failures import CommandError
from synthvlm.cli.inputs import PAPER_RULES
from synthvlm.errors import InvalidInput
from synthvlm.local.health import is_serving
from synthvlm.local.home import Home
from synthvlm.local.processes import (
    READY_SECONDS,
    ServiceProcess,
    is_alive,
    start_service,
    stop_services,
    wait_ready,
)
from synthvlm.profiles import load_profile, profile_names

WORDS = ("caption", "generation", "alignment", "dataset")
"""The services of a dataset run, in its order."""

CAPTION_ROOTS = ["/", "s3://", "gs://", "az://"]
"""Whoever runs the services on a machine of their own may name any caption file they can read."""

TRITON = "triton"
"""The Triton server beside the services, and the engine of the generation service that asks it."""

ENGINES = ("diffusers", TRITON)
"""What can synthesise the images on this machine."""

OnChange = Callable[[Sequence[ServiceProcess]], None]


def silent(services: Sequence[ServiceProcess]) -> None:
    """Tells nobody how far services have come."""
    del services


@dataclass(frozen=True)
class Running:
    """A service that is running.

    Attributes:
        address: Where it serves.
        pid: Its process.
    """

    address: str
    pid: int


@dataclass(frozen=True)
class Services:
    """Services that are ready.

    Attributes:
        profile: The profile that they run.
        running: The services by word.
    """

    profile: str
    running: dict[str, Running]

    def address(self, word: str) -> str:
        """Where the service ``word`` serves."""
        return self.running[word].address

    def runs(self, engine: str | None) -> bool:
        """Whether images come from ``engine``; None, as the profile says, is content with any."""
        return engine is None or (engine == TRITON) == (TRITON in self.running)

    def ended(self) -> str | None:
        """The first service whose process is gone."""
        return next((w for w, service in self.running.items() if not is_alive(service.pid)), None)


class HomeLock:
    """Held by the one process that runs a home's services; the kernel frees it when it dies."""

    def __init__(self, home: Home, owner: str) -> None:
        self._path = home.lock_file
        self._owner = owner
        self._file: TextIO | None = None

    def take(self) -> bool:
        """Takes the lock, unless another process holds it."""
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        file.truncate(0)
        file.write(json.dumps({"owner": self._owner, "pid": os.getpid()}))
        file.flush()
        self._file = file
        return True

    def holder(self) -> tuple[str, int]:
        """The command that holds the lock, and its process."""
        text = self._path.read_text()
        if not text:  # it has the lock, and is about to write its name
            return "up", 0
        content = json.loads(text)
        return str(content["owner"]), int(content["pid"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def profile_reference(profile: str) -> str:
    """The profile as services take it: a shipped name, or an absolute path.

    Raises:
        InvalidInput: There is no such profile, or it is damaged.
    """
    load_profile(profile)
    return profile if profile in profile_names() else str(Path(profile).resolve())


def profile_recipe(profile: str) -> str:
    """The recipe that a profile curates by: ``paper-rules`` or a file.

    A run names it in what it asks for, so that the version's manifest says by what it was curated.
    """
    return str(load_profile(profile).section("caption").get("recipe", PAPER_RULES))


@contextmanager
def own_services(
    home: Home, profile: str, owner: str, on_change: OnChange, engine: str | None = None
) -> Iterator[list[ServiceProcess]]:
    """Starts all services and registers them in the home; ends them with the context.

    The caller holds the home's lock.
    """
    home.services_file.unlink(missing_ok=True)
    with started(home, profile, WORDS, home.state, on_change, engine) as processes:
        register(home, profile, owner, processes)
        try:
            yield processes
        finally:
            home.services_file.unlink(missing_ok=True)


def register(home: Home, profile: str, owner: str, processes: Sequence[ServiceProcess]) -> None:
    """Makes services known to the other commands of this home."""
    content = {"owner": owner, "pid": os.getpid(), **asdict(as_services(profile, processes))}
    write_atomically(home.services_file, json.dumps(content, indent=2))


@contextmanager
def started(
    home: Home,
    profile: str,
    words: Sequence[str],
    folder: Path,
    on_change: OnChange,
    engine: str | None = None,
) -> Iterator[list[ServiceProcess]]:
    """Starts services, waits until they are ready, and ends them with the context.

    Args:
        home: Their home.
        profile: The profile that they run.
        words: Which services.
        folder: Where they write their addresses.
        on_change: Told how far they have come.
        engine: What synthesises the images, ``triton`` for a Triton server that is started with
            them; None: as the profile says.
    """
    processes: list[ServiceProcess] = []
    settings: list[str] = [] if engine is None else ["--engine", engine]
    try:
        if engine == TRITON:
            triton = f"127.0.0.1:{_free_port()}"
            processes.append(_start_triton(home, profile, folder, triton))
            # The service waits for the server as long as this command waits for the service.
            settings += ["--triton.endpoints", triton]
            settings += ["--triton.patience-seconds", str(READY_SECONDS)]
        for word in words:
            process = start(home, profile, word, folder, settings if word == "generation" else ())
            processes.append(process)  # at once: when the next cannot be started, this one is ended
        wait_ready(processes, on_change)
        yield processes
    finally:
        stop_services(processes)


def start(
    home: Home, profile: str, word: str, folder: Path, settings: Sequence[str] = ()
) -> ServiceProcess:
    """Starts one service with the settings that a home's services have, and some more."""
    file = folder / f"{word}.json"
    return start_service(word, home, profile, file, [*_settings(word, home), *settings])


def _start_triton(home: Home, profile: str, folder: Path, address: str) -> ServiceProcess:
    options = ["--listen", address, "--repository", str(folder / TRITON)]
    file = folder / f"{TRITON}.json"
    return start_service(TRITON, home, profile, file, options, "synthvlm.generation.triton")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def as_services(profile: str, processes: Sequence[ServiceProcess]) -> Services:
    """Started services as services that are ready."""
    return Services(profile, {p.word: Running(p.address, p.process.pid) for p in processes})


def attach(home: Home, words: Sequence[str]) -> Services | None:
    """The home's registered services, when all of ``words`` are among them and ready."""
    try:
        content = json.loads(home.services_file.read_text())
    except FileNotFoundError:
        return None
    running = {word: Running(**entry) for word, entry in content["running"].items()}
    ready = all(
        word in running and is_alive(running[word].pid) and is_serving(running[word].address)
        for word in words
    )
    return Services(content["profile"], running) if ready else None


@contextmanager
def run_services(
    home: Home, profile: str, on_change: OnChange, engine: str | None = None
) -> Iterator[Services]:
    """All services for a run: those of ``synthvlm up`` when it runs in this home, else own ones.

    Raises:
        CommandError: Another run is under way in this home, its services have another profile or
            engine, or services do not become ready.
    """
    lock = HomeLock(home, "run")
    deadline = time.monotonic() + READY_SECONDS
    with lock:
        while not lock.take():
            owner, pid = lock.holder()
            if owner == "run":
                raise CommandError(
                    f"another run (process {pid}) is under way in {home.root}; wait for it, or "
                    f"give this one another --home"
                )
            services = attach(home, WORDS)
            if services is not None:
                if services.profile != profile:
                    raise CommandError(
                        f"the services in {home.root} run the profile {services.profile}, not "
                        f"{profile}; end `synthvlm up` (process {pid}) or choose another --home"
                    )
                if not services.runs(engine):
                    raise CommandError(
                        f"the services in {home.root} run with another engine than {engine}; end "
                        f"`synthvlm up` (process {pid}) or leave out --engine"
                    )
                yield services
                return
            if time.monotonic() > deadline:
                raise CommandError(
                    f"the services of `synthvlm up` (process {pid}) are not ready; end it, then "
                    f"try again"
                )
            time.sleep(0.2)
        with own_services(home, profile, "run", on_change, engine) as processes:
            yield as_services(profile, processes)


@contextmanager
def needed_services(
    home: Home, words: Sequence[str], profile: str, on_change: OnChange = silent
) -> Iterator[Services]:
    """The services ``words`` for a short command: the home's when they run, else own ones.

    Own ones are not registered, so they are in nobody's way.
    """
    with ExitStack() as stack:
        services = attach(home, words)
        if services is None or ("generation" in words and services.profile != profile):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=home.state)))
            processes = stack.enter_context(started(home, profile, words, folder, on_change))
            services = as_services(profile, processes)
        yield services


def check_profile(profile: str) -> str:
    """``profile_reference`` for the command line.

    Raises:
        InvalidInput: There is no such profile.
    """
    try:
        return profile_reference(profile)
    except InvalidInput as error:
        raise InvalidInput(f"--profile: {error.message}") from error


def check_engine(engine: str | None) -> None:
    """Checks what the command line names as the engine.

    Raises:
        InvalidInput: There is no such engine.
    """
    if engine is not None and engine not in ENGINES:
        raise InvalidInput(f"--engine: give {' or '.join(ENGINES)}, not {engine!r}")


def _settings(word: str, home: Home) -> list[str]:
    options = {"--store-roots": [f"file://{home.store}"]}
    if word == "caption":
        options["--caption-roots"] = CAPTION_ROOTS
    if word in ("generation", "alignment"):
        options["--reuse.database"] = [f"sqlite:///{home.reuse_index}"]
    if word == "dataset":
        options["--export-roots"] = [f"file://{home.exports}"]
        options["--database"] = [f"sqlite:///{home.catalogue}"]
    return [part for name, values in options.items() for v in values for part in (name, v)]
