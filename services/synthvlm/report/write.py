"""The report of a finished run, from its record to the page: in a store, or in a local folder."""

from pathlib import Path

from pydantic import ValidationError

from synthvlm.atomic_files import write_atomically
from synthvlm.errors import DataCorrupt
from synthvlm.report.collect import collect
from synthvlm.report.questions import questions_page
from synthvlm.report.record import RunRecord
from synthvlm.report.render import QUESTIONS_PAGE_FILE, render_report
from synthvlm.storage import Store, open_shard, open_store, parse_location

RECORD_FILE = "record.json"
PAGE_FILE = "report.html"


def store_record(store: Store, folder: str, record: RunRecord) -> str:
    """Writes a run's record into a folder of the store, and returns the record's path."""
    path = f"{folder}/{RECORD_FILE}"
    store.write(path, record.model_dump_json(indent=2).encode())
    return path


def stored_record(store: Store, folder: str) -> RunRecord:
    """The record that a run left in a folder of the store.

    Raises:
        NotFound: There is none.
        DataCorrupt: It is not the record of a run.
    """
    path = f"{folder}/{RECORD_FILE}"
    try:
        return RunRecord.model_validate_json(store.read(path))
    except ValidationError as error:
        raise DataCorrupt(f"{path} is not the record of a run: {error}") from error


def store_report(store: Store, folder: str) -> str:
    """Makes the report of the run whose record lies in a folder of the store.

    This needs nothing but the store, so a step of a pipeline can do it. A run that evaluated a
    model about pictures gets the page of questions beside it.

    Args:
        store: Holds the record and the run's shards, and gets the page.
        folder: The run's folder below the store's root.

    Returns:
        The path of the page, beside the record.

    Raises:
        NotFound: The record or a shard is gone.
        DataCorrupt: Stored bytes are damaged.
    """
    path, record = f"{folder}/{PAGE_FILE}", stored_record(store, folder)
    page = render_report(collect(store, record))
    if questions := _questions(store, record):
        store.write(f"{folder}/{QUESTIONS_PAGE_FILE}", questions.encode())
    store.write(path, page.encode())
    return path


def write_report(store_uri: str, record: RunRecord, to: Path) -> Path:
    """Writes the report of a run to a local file, and the page of questions beside it.

    Args:
        store_uri: The object store that holds the run's shards.
        record: The run's record.
        to: The HTML file; its folder must exist. Replaced as a whole.

    Returns:
        ``to``.

    Raises:
        NotFound: A shard is gone.
        DataCorrupt: Stored bytes are damaged.
    """
    store = open_store(parse_location(store_uri))
    page = render_report(collect(store, record))
    if questions := _questions(store, record):
        write_atomically(to.with_name(QUESTIONS_PAGE_FILE), questions)
    return write_atomically(to, page)


def _questions(store: Store, record: RunRecord) -> str | None:
    """The page of questions that the report links to; None if there is nothing to show."""
    if record.evaluation is None:
        return None
    return questions_page(open_shard(store, record.evaluation), PAGE_FILE)
