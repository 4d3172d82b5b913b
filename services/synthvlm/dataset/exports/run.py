"""One entrance to all forms of export."""

from enum import StrEnum

from synthvlm.dataset.exports import llava, parquet, webdataset
from synthvlm.dataset.exports.destination import Destination
from synthvlm.progress import Reporter
from synthvlm.storage import Shard, Store
from synthvlm.storage.manifest import MANIFEST


class ExportFormat(StrEnum):
    """Forms of export, under the names that the command line has for them."""

    WEBDATASET = "webdataset"
    LLAVA = "llava"
    PARQUET = "parquet"


def export_version(
    version: Shard, form: ExportFormat, target: Store, reporter: Reporter
) -> list[str]:
    """Writes a version in another form. Idempotent: what is there and whole is left as it is.

    ``manifest.json`` is the version's manifest, whose digest is its identity.

    Args:
        version: The version.
        form: The form.
        target: The folder to write to: empty, or of an earlier export of the same.
        reporter: Told of the pairs that were written.

    Returns:
        Files and folders (with a slash at the end) that the export consists of, sorted.

    Raises:
        AlreadyExists: The folder holds another export.
        DataCorrupt: The version is damaged.
        OperationCancelled: The caller has gone; what was written stays.
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
