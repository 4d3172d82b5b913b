"""LLaVA's format: ``dataset.json``, and a folder ``images`` that its paths are relative to."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthvlm.dataset.exports.destination import Destination
from synthvlm.dataset.pairs import image_path, pairs_by_tar, verified_image
from synthvlm.dataset.readahead import read_ahead
from synthvlm.errors import NotFound
from synthvlm.progress import Reporter
from synthvlm.storage import Shard, sha256_digest
from synthvlm.storage.schemas import LLAVA_FILE

IMAGES = "images"


def export(version: Shard, destination: Destination, reporter: Reporter) -> list[str]:
    """Writes every image as a file, and LLaVA's JSON last. Intact images are not rewritten.

    Returns:
        The image folders, each with a trailing slash.

    Raises:
        DataCorrupt: The version is damaged.
        OperationCancelled: The caller has gone; written images stay.
    """
    total, done, resumed = version.manifest.records, 0, 0
    folders = []

    def write(row: Mapping[str, Any]) -> bool:
        return _write_image(version, destination, row)

    for tar, rows in pairs_by_tar(version):
        folders.append(f"{IMAGES}/{tar.removeprefix('pairs-').removesuffix('.tar')}/")
        with read_ahead(write, rows) as written:
            for is_new in written:
                done += 1
                resumed += not is_new
                reporter.report(done, total, resumed)
    if not destination.has("dataset.json"):
        with tempfile.TemporaryDirectory(prefix="synthvlm-export-") as folder:
            destination.put_file("dataset.json", version.download(LLAVA_FILE, Path(folder)))
    return folders


def _write_image(version: Shard, destination: Destination, row: Mapping[str, Any]) -> bool:
    """Writes one image unless it exists; returns whether it did."""
    path = f"{IMAGES}/{image_path(row)}"
    try:
        if sha256_digest(destination.store.read(path)) == row["sha256"]:
            return False
    except NotFound:
        pass
    image = verified_image(version.store, version.path(row["shard"]), row)
    destination.store.write(path, image)
    return True
