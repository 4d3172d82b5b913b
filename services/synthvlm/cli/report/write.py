"""The report of a finished run, from its record to the file."""

from pathlib import Path

from synthvlm.cli.report.collect import collect
from synthvlm.cli.report.record import RunRecord
from synthvlm.cli.report.render import render_report
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
    unfinished = to.with_name(f".{to.name}.partial")
    unfinished.write_text(page, encoding="utf-8")
    return unfinished.replace(to)
