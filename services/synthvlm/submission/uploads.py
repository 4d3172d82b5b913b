"""Caption files of this machine, put where the services of a cluster can read them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from synthvlm.errors import PreconditionFailed
from synthvlm.storage import Location, Store, file_digest, open_store, parse_location
from synthvlm.storage.location import FILE

FOLDER = "captions"
"""Folder of the store with caption files, each in a folder that its digest names."""


@dataclass(frozen=True)
class Upload:
    """A caption file of this machine, and its place in the store."""

    file: Path
    path: str


def plan_uploads(files: Iterable[str], store: Location) -> tuple[list[str], list[Upload]]:
    """Where the caption files of a run lie once they are uploaded.

    Args:
        files: Paths of this machine, and URLs, which stay as they are.
        store: The run's store.

    Returns:
        The URLs in the order of ``files``, and what is to be uploaded for them.
    """
    urls, uploads = [], []
    for file in files:
        if "://" in file:
            urls.append(file)
            continue
        digest = file_digest(Path(file)).removeprefix("sha256:")
        # The digest in the name lets every cache see another file under another name.
        upload = Upload(Path(file), f"{FOLDER}/{digest}/{_safe(Path(file).name)}")
        urls.append(f"{store.uri.rstrip('/')}/{upload.path}")
        uploads.append(upload)
    return urls, uploads


def upload(store: Store, uploads: Iterable[Upload]) -> int:
    """Uploads what the store does not hold yet.

    Returns:
        How many files that were.
    """
    missing = [one for one in uploads if not store.exists(one.path)]
    for one in missing:
        store.upload(one.path, one.file)
    return len(missing)


def shared_store(uri: str) -> Store:
    """The run's store, opened from this machine.

    Raises:
        PreconditionFailed: It is a folder of the cluster's volumes.
        InvalidInput: It is not a store.
    """
    location = parse_location(uri)
    if location.scheme == FILE and not location.folder.is_dir():
        raise PreconditionFailed(
            f"the store {uri} is a volume of the cluster, which this machine does not have"
        )
    return open_store(location)


def _safe(name: str) -> str:
    """A name for the store; its extensions stay, as they say how the file is read."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip(".-") or "captions.txt"
