"""The report of a finished run, from its record to the file."""

from collections.abc import Callable
from pathlib import Path

from synthvlm.atomic_files import write_atomically
from synthvlm.errors import DomainError
from synthvlm.report.collect import collect
from synthvlm.report.record import RunRecord
from synthvlm.report.render import render_report
from synthvlm.storage import open_store


def write_report(store_uri: str, record: RunRecord, to: Path) -> Path:
    """Writes the report of a run.

    Args:
        store_uri: The object store that holds the run's shards.
        record: What the run left behind.
        to: The HTML file; its folder must exist. Replaced as a whole.

    Returns:
        ``to``.

    Raises:
        NotFound: A shard is gone.
        DataCorrupt: Stored bytes are damaged.
    """
    page = render_report(collect(open_store(store_uri), record))
    return write_atomically(to, page)


def report_run(
    store_uri: str, record: RunRecord, folder: Path, warn: Callable[[str], None]
) -> Path | None:
    """Leaves a run's record and its report in the run's folder, as far as that can be done.

    The dataset version is committed by then. So no failure of the report may make the run look like
    one that failed, whatever it is: a full disk, a shard that is gone, a defect of the page.

    Args:
        store_uri: The object store that holds the run's shards.
        record: What the run left behind.
        folder: Gets ``record.json`` and ``report.html``.
        warn: Is told why there is no report.

    Returns:
        The report; None when there is none.
    """
    try:
        (folder / "record.json").write_text(record.model_dump_json(indent=2), encoding="utf-8")
        return write_report(store_uri, record, folder / "report.html")
    except Exception as error:
        kind = "" if isinstance(error, DomainError | OSError) else f"{type(error).__name__}: "
        warn(f"{kind}{error}")
        return None
