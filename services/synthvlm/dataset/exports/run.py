"""Exports a version in any format."""

from dataclasses import dataclass

from synthvlm.dataset.exports import llava, parquet, webdataset
from synthvlm.dataset.exports.card import CARD_FILE, UNKNOWN_LICENCE, dataset_card
from synthvlm.dataset.exports.destination import SIDE_FOLDER, Destination, Record
from synthvlm.dataset.exports.reserved import RESERVED, ExportFormat, Guard, ReservedRule
from synthvlm.progress import Reporter
from synthvlm.storage import Shard, Store, sha256_digest

MANIFEST_FILE = f"{SIDE_FOLDER}/manifest.json"
"""The version's manifest, whose digest is its identity."""


@dataclass(frozen=True)
class Exported:
    """A whole export.

    Attributes:
        files: Files and folders (with a slash at the end) that it consists of, sorted.
        record: What it says of itself.
    """

    files: list[str]
    record: Record


def export_version(
    version: Shard,
    form: ExportFormat,
    rule: ReservedRule,
    target: Store,
    reporter: Reporter,
    licence: str = UNKNOWN_LICENCE,
) -> Exported:
    """Writes a version in another form. Idempotent: what is there and whole is left as it is.

    Args:
        version: The version.
        form: The form.
        rule: What becomes of captions with words that are reserved in the form.
        target: The folder to write to: empty, or of an earlier export of the same.
        reporter: Told of the pairs that were written.
        licence: Identifier of the licence for the card.

    Raises:
        AlreadyExists: The folder holds another export.
        DataCorrupt: The version is damaged, or the export is not what was written.
        OutOfSpace: The disk is full; what was written stays.
        OperationCancelled: The caller has gone; what was written stays.
    """
    manifest = version.manifest
    wanted = Record(
        dataset=manifest.configuration["name"], digest=manifest.digest, format=form, reserved=rule
    )
    destination = Destination.claim(target, wanted)
    guard = Guard(RESERVED[form], rule)
    reporter.report(0, manifest.records)
    match form:
        case ExportFormat.WEBDATASET:
            written = webdataset.export(version, destination, reporter)
        case ExportFormat.LLAVA:
            written = llava.export(version, destination, guard, reporter)
        case ExportFormat.PARQUET:
            written = parquet.export(version, destination, reporter)
    if not destination.has(MANIFEST_FILE):
        destination.put(MANIFEST_FILE, manifest.to_bytes())
    card = dataset_card(manifest, form, licence)
    if not destination.has(CARD_FILE) or destination.record.files[CARD_FILE] != sha256_digest(card):
        destination.put(CARD_FILE, card)
    destination.finish(written, guard)
    return Exported(sorted([*destination.files, *written.folders]), destination.record)
