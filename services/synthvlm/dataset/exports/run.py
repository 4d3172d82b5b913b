"""Exports a version in any format."""

from enum import StrEnum

from synthvlm.dataset.exports import llava, parquet, webdataset
from synthvlm.dataset.exports.destination import Destination
from synthvlm.progress import Reporter
from synthvlm.storage import Shard, Store
from synthvlm.storage.manifest import MANIFEST


class ExportFormat(StrEnum):
    """Export formats, by their names on the command line."""

    WEBDATASET = "webdataset"
    LLAVA = "llava"
    PARQUET = "parquet"


def export_version(
    version: Shard, form: ExportFormat, target: Store, reporter: Reporter
) -> list[str]:
    """Writes a version in another format. Idempotent: intact files are not rewritten.

    ``manifest.json`` is the version's manifest, whose digest is its identity.

    Args:
        version: The version.
        form: The format.
        target: The folder to write to: empty, or that of an earlier attempt at this export.
        reporter: Called with the pairs written so far.

    Returns:
        The export's files and folders (with a trailing slash), sorted.

    Raises:
        AlreadyExists: The folder holds another export.
        DataCorrupt: The version is damaged.
        OperationCancelled: The caller has gone; written files stay.
    """
    manifest = version.manifest
    destination = Destination.claim(target, manifest.configuration["name"], manifest.digest, form)
    reporter.report(0, manifest.records)
    folders: list[str] = []
    match form:
        case ExportFormat.WEBDATASET:
            webdataset.export(version, destination, reporter)
        case ExportFormat.LLAVA:
            folders = llava.export(version, destination, reporter)
        case ExportFormat.PARQUET:
            parquet.export(version, destination, reporter)
    if not destination.has(MANIFEST):
        destination.put(MANIFEST, manifest.to_bytes())
    return sorted([*destination.files, *folders])
