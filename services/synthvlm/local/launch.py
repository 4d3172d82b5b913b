"""Starting the services of a home, with the settings that they need there."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from synthvlm.local.home import Home
from synthvlm.local.processes import (
    DRAIN_SECONDS,
    READY_SECONDS,
    OnChange,
    ServiceProcess,
    start_process,
    stop_services,
    wait_ready,
)
from synthvlm.local.sockets import Listening
from synthvlm.local.words import REVIEW, TRITON

CAPTION_ROOTS = ["/", "s3://", "gs://", "az://"]
"""People on their own machine may name any caption file that they can read."""


@contextmanager
def started(
    home: Home,
    profile: str,
    words: Sequence[str],
    folder: Path,
    on_change: OnChange,
    engine: str | None = None,
    further: Sequence[str] = (),
    *,
    where: Listening,
) -> Iterator[list[ServiceProcess]]:
    """Starts services, waits until they are ready, and stops them at the end of the context.

    Args:
        home: Their home.
        profile: The profile that they run.
        words: The services to start.
        folder: Where they write their addresses.
        on_change: Called when a service's state changes.
        engine: What synthesises the images, ``triton`` for a Triton server that is started with
            them; None: as the profile says.
        further: Further settings of every one of them.
        where: Where they listen. The Triton server listens on a free port of the loopback, as it
            has no sockets.

    Raises:
        ProcessFailed: A service ended, or took too long.
    """
    processes: list[ServiceProcess] = []
    settings: list[str] = [] if engine is None else ["--engine", engine]
    try:
        if engine == TRITON:
            triton = f"127.0.0.1:{_free_port()}"
            processes.append(_start_triton(home, profile, folder, triton))
            # The service waits for the server as long as this process waits for the service.
            settings += ["--triton.endpoints", triton]
            settings += ["--triton.patience-seconds", str(READY_SECONDS)]
        for word in words:
            own = [*(settings if word == "generation" else ()), *further]
            process = start(home, profile, word, folder, where, own)
            processes.append(process)  # at once, so that it stops if the next cannot start
        wait_ready(processes, on_change)
        yield processes
    finally:
        stop_services(processes)


def start(
    home: Home,
    profile: str,
    word: str,
    folder: Path,
    where: Listening,
    settings: Sequence[str] = (),
) -> ServiceProcess:
    """Starts one service with the settings that a home's services have, and some more."""
    if word == REVIEW:
        home.people.touch(mode=0o600)
    return start_process(
        word,
        f"synthvlm.{word}",
        [*service_options(home, profile, word), *where.settings(word), *settings],
        address_file=folder / f"{word}.json",
        log=home.log(word),
        listen=where.address(word),
    )


def service_options(home: Home, profile: str, word: str) -> list[str]:
    """The command line of a home's service."""
    return [*_common(profile), *_settings(word, home)]


def _start_triton(home: Home, profile: str, folder: Path, address: str) -> ServiceProcess:
    return start_process(
        TRITON,
        "synthvlm.generation.triton",
        [*_common(profile), "--repository", str(folder / TRITON)],
        address_file=folder / f"{TRITON}.json",
        log=home.log(TRITON),
        listen=address,
    )


def _common(profile: str) -> list[str]:
    return ["--profile", profile, "--drain-seconds", str(DRAIN_SECONDS)]


def _settings(word: str, home: Home) -> list[str]:
    options = {"--store-roots": [home.store_uri]}
    if word == "caption":
        options["--caption-roots"] = CAPTION_ROOTS
    if word in ("generation", "alignment"):
        options["--reuse.database"] = [home.reuse_url]
    if word == "dataset":
        options["--database"] = [home.catalogue_url]
    if word == REVIEW:
        options["--database"] = [home.reviews_url]
        options["--people-file"] = [str(home.people)]
    return [part for name, values in options.items() for v in values for part in (name, v)]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
