"""The report of a run in its folder of the home."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from synthvlm.atomic_files import write_atomically
from synthvlm.cli.failures import CommandError
from synthvlm.errors import DomainError, NotFound
from synthvlm.report.outcome import OUTCOME_FILE, Outcome
from synthvlm.report.render import QUESTIONS_PAGE_FILE
from synthvlm.report.write import PAGE_FILE, RECORD_FILE
from synthvlm_pipelines.ending import EndedRun, end_run
from synthvlm_pipelines.records import RunFolder


def bring_report(
    arguments: Mapping[str, Any], folder: Path, warn: Callable[[str], None], told: str = ""
) -> Path | None:
    """Copies a run's report, and its page of questions, from the store into the home.

    The exit step has made it, unless the run was ended before: then it is made here. No failure of
    this may make the run look failed: not a full disk, nor a missing shard, nor a bug in the page.

    Args:
        arguments: The arguments of the run's pipeline.
        folder: The run's folder in the home.
        warn: Called with the reason if there is no report, or less than there could be.
        told: Why the run was ended; empty if it was not.

    Returns:
        The report; None if there is none.
    """
    try:
        kept = RunFolder(arguments["store_uri"], arguments["run_name"])
        outcome = None if told else _made(kept)
        if outcome is None:
            outcome = end_run(kept, EndedRun.of(arguments, attempt=folder.name, told=told))
        if outcome.problem:
            warn(outcome.problem)
            return None
        if outcome.version is not None and outcome.state == "succeeded":
            record = kept.store.read(f"{kept.path}/{RECORD_FILE}")
            (folder / RECORD_FILE).write_bytes(record)
            with suppress(NotFound):  # of a run that evaluated no model
                questions = kept.store.read(f"{kept.path}/{QUESTIONS_PAGE_FILE}")
                write_atomically(folder / QUESTIONS_PAGE_FILE, questions.decode())
        return write_atomically(folder / PAGE_FILE, kept.store.read(outcome.report).decode())
    except Exception as error:
        kind = "" if isinstance(error, DomainError | OSError) else f"{type(error).__name__}: "
        warn(f"{kind}{error}")
        return None


@contextmanager
def reported(arguments: Mapping[str, Any], folder: Path) -> Iterator[None]:
    """Makes the report of a run that fails, or is interrupted, within it.

    Raises:
        CommandError: As it was raised within; it names the report.
    """
    try:
        yield
    except CommandError as error:
        error.report = bring_report(arguments, folder, _silent, error.message)
        raise
    except KeyboardInterrupt:
        bring_report(arguments, folder, _silent, "it was interrupted")
        raise


def _silent(_problem: str) -> None:
    """Says nothing: why the run failed is what is told."""


def _made(kept: RunFolder) -> Outcome | None:
    """What the exit step has left; None if it could not."""
    try:
        return Outcome.model_validate_json(kept.store.read(f"{kept.path}/{OUTCOME_FILE}"))
    except NotFound:
        return None
