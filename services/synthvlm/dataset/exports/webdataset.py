"""WebDataset: the version's tars as they are, with their index."""

import tempfile
from pathlib import Path

from synthvlm.dataset.exports.destination import Destination
from synthvlm.progress import Reporter
from synthvlm.storage import Shard
from synthvlm.storage.schemas import PAIRS_FILE


def export(version: Shard, destination: Destination, reporter: Reporter) -> None:
    """Copies ``pairs-*.tar`` and ``pairs.parquet`` one file at a time, checking digests.

    Raises:
        DataCorrupt: The version is damaged.
        OperationCancelled: The caller has gone; copied files stay.
    """
    total, done, resumed = version.manifest.records, 0, 0
    for entry in version.manifest.files:
        is_tar = entry.name.endswith(".tar")
        if not is_tar and entry.name != PAIRS_FILE:
            continue
        records = entry.records or 0
        if destination.has(entry.name):
            resumed += records if is_tar else 0
        else:
            with tempfile.TemporaryDirectory(prefix="synthvlm-export-") as folder:
                local = version.download(entry.name, Path(folder))
                destination.put_file(entry.name, local)
        done += records if is_tar else 0
        reporter.report(done, total, resumed)
