"""Services as real processes, started as an operator starts them."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from synthvlm.local.processes import ServiceProcess, start_process, wait_ready
from tests.service_process import clean_environment


def settings_of(word: str, folder: Path) -> list[str]:
    """Settings with which the service ``word`` keeps all its state below ``folder``."""
    settings = ["--store-roots", folder.as_uri()]
    if word == "generation":
        # A valid request among many must cost little.
        settings += ["--set", "steps=2"]
    if word == "dataset":
        settings += ["--database", f"sqlite:///{folder}/catalogue.db"]
    if word == "review":
        settings += ["--database", f"sqlite:///{folder}/review.db"]
    return settings


@contextmanager
def started(word: str, folder: Path, listen: str = "127.0.0.1:0") -> Iterator[ServiceProcess]:
    """Starts a service; kills it at the end, should it still run."""
    process = start_process(
        word,
        f"synthvlm.{word}",
        settings_of(word, folder),
        address_file=folder / f"{word}.address",
        log=folder / f"{word}.log",
        listen=listen,
        environment=clean_environment(),
    )
    try:
        yield process
    finally:
        process.kill()


@contextmanager
def all_started(words: Sequence[str], folder: Path) -> Iterator[dict[str, str]]:
    """Starts services at the same time; yields their addresses once all are warm."""
    with ExitStack() as stack:
        processes = [stack.enter_context(started(word, folder)) for word in words]
        wait_ready(processes)
        yield {process.word: process.address for process in processes}
