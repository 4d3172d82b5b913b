"""LLaVA's format: ``dataset.json``, and a folder ``images`` that its paths are relative to."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from synthvlm.dataset.exports.destination import Destination, Written
from synthvlm.dataset.exports.reserved import Guard
from synthvlm.dataset.pairs import image_path, pairs_by_tar, stored_columns
from synthvlm.dataset.prompts import llava_record
from synthvlm.dataset.readahead import read_ahead
from synthvlm.errors import DataCorrupt, NotFound
from synthvlm.progress import Reporter
from synthvlm.storage import Shard, file_digest, sha256_digest, verified_image
from synthvlm.storage.schemas import PAIRS

IMAGES = "images"

Row = dict[str, Any]


def export(version: Shard, destination: Destination, guard: Guard, reporter: Reporter) -> Written:
    """Writes every image as a file of its own, and LLaVA's JSON last.

    An image that is there already and whole is left as it is. Each that was written is read again.

    Returns:
        What was written; of the images their folders, each with a slash at its end.

    Raises:
        DataCorrupt: The version is damaged.
        OperationCancelled: The caller has gone; written images stay.
    """
    total, pairs, resumed, truncated = version.manifest.records, 0, 0, 0
    folders = set()

    def write(row: Row) -> tuple[Row, bool]:
        return row, _write_image(version, destination, row)

    with tempfile.TemporaryDirectory(prefix="synthvlm-export-") as folder:
        local = Path(folder) / "dataset.json"
        with local.open("w", encoding="utf-8") as records:
            records.write("[")
            with read_ahead(write, _passed(version, guard)) as written:
                for row, is_new in written:
                    record = llava_record(row["image_id"], image_path(row), row["text"])
                    if row.get("truncated"):
                        record["truncated"] = True
                        truncated += 1
                    separator = ",\n" if pairs else "\n"
                    records.write(separator + json.dumps(record, ensure_ascii=False))
                    folders.add(f"{IMAGES}/{image_path(row).partition('/')[0]}/")
                    pairs += 1
                    resumed += not is_new
                    reporter.report(pairs + guard.set_aside, total, resumed)
            records.write("\n]\n")
        reporter.report(total, total, resumed)
        known = destination.record.files.get("dataset.json")
        if known != file_digest(local) or not destination.has("dataset.json"):
            destination.put_file("dataset.json", local)
    counted = truncated if "truncated" in stored_columns(PAIRS, version).names else None
    return Written(pairs, counted, sorted(folders))


def _passed(version: Shard, guard: Guard) -> Iterator[Row]:
    """The pairs that the guard lets pass, with their captions as it wants them."""
    for _, rows in pairs_by_tar(version):
        for row in rows:
            text = guard.passed(row["text"])
            if text is not None:
                yield {**row, "text": text}


def _write_image(version: Shard, destination: Destination, row: Mapping[str, Any]) -> bool:
    """Writes one image unless it exists; returns whether it did."""
    path = f"{IMAGES}/{image_path(row)}"
    if _is_whole(destination, path, row):
        return False
    image = verified_image(version.store, version.path(row["shard"]), row)
    destination.store.write(path, image)
    if not _is_whole(destination, path, row):
        raise DataCorrupt(
            f"{destination.store.uri}/{path} is not what was written to it; check the disk"
        )
    return True


def _is_whole(destination: Destination, path: str, row: Mapping[str, Any]) -> bool:
    try:
        return sha256_digest(destination.store.read(path)) == str(row["sha256"])
    except NotFound:
        return False
