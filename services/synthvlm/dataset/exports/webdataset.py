"""WebDataset: the version's tars as they are, with their index beside them."""

import tempfile
from pathlib import Path

from synthvlm.dataset.exports.destination import SIDE_FOLDER, Destination, Written
from synthvlm.dataset.pairs import truncated_pairs
from synthvlm.errors import DataCorrupt
from synthvlm.progress import Reporter
from synthvlm.storage import Shard
from synthvlm.storage.schemas import PAIRS_FILE


def export(version: Shard, destination: Destination, reporter: Reporter) -> Written:
    """Copies ``pairs-*.tar`` and ``pairs.parquet``, one file at a time, digests checked.

    Returns:
        What was written.

    Raises:
        DataCorrupt: The version is damaged.
        OperationCancelled: The caller has gone; copied files stay.
    """
    total, done, resumed = version.manifest.records, 0, 0
    for entry in version.manifest.files:
        is_tar = entry.name.endswith(".tar")
        if not is_tar and entry.name != PAIRS_FILE:
            continue
        path = entry.name if is_tar else f"{SIDE_FOLDER}/{entry.name}"
        records = (entry.records or 0) if is_tar else 0
        if destination.has(path):
            resumed += records
        else:
            with tempfile.TemporaryDirectory(prefix="synthvlm-export-") as folder:
                local = version.download(entry.name, Path(folder))
                destination.put_file(path, local)
        done += records
        reporter.report(done, total, resumed)
    if done != total:
        raise DataCorrupt(f"the tars of {version.ref.path} hold {done} pairs, not {total}")
    return Written(done, truncated_pairs(version))
