"""Where weights come from: a revision of a hub's repository, or a listing in an object store."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from synthvlm.errors import InvalidInput, NotFound, PreconditionFailed, Unavailable
from synthvlm.storage import open_store, parse_location
from synthvlm.weights.listing import LISTING, WeightFile, is_wanted, read_listing

HUB = "hf:"
"""Prefix of a repository of the Hugging Face hub."""

_REPOSITORY = re.compile(r"(\w[\w.-]*/\w[\w.-]*)@([0-9a-f]{40})")
_PIECE = 64 << 20
_RETRY_SECONDS = 5.0


class Source(Protocol):
    """A set of weights that does not change."""

    def files(self) -> Mapping[str, WeightFile]:
        """Its files, by path, as the source describes them."""

    def download(self, path: str, file: WeightFile, target: Path) -> None:
        """Writes a file to ``target``, going on where an earlier attempt stopped."""


def source_of(text: str, digest: str | None) -> Source:
    """The source that a text names.

    Args:
        text: ``hf:OWNER/NAME@COMMIT``, or the URL of a folder in an object store.
        digest: Of the listing in the store.

    Raises:
        InvalidInput: It names none, or none that is pinned.
    """
    if text.startswith(HUB):
        found = _REPOSITORY.fullmatch(text.removeprefix(HUB))
        if found is None:
            raise InvalidInput(
                f"{text} does not name a commit: give hf:OWNER/NAME@COMMIT with its 40 digits, as "
                f"a branch or tag can change"
            )
        return HubSource(found[1], found[2])
    if digest is None:
        raise InvalidInput(
            f"{text} is not pinned: give the digest of its {LISTING}, which was printed when the "
            f"weights were fetched"
        )
    return StoreSource(text, digest)


class HubSource:
    """A commit of a repository.

    ``HF_ENDPOINT``, unless ``endpoint`` is given, and ``HF_TOKEN`` count as for the hub's library.
    """

    def __init__(self, repository: str, commit: str, endpoint: str | None = None) -> None:
        from huggingface_hub import HfApi

        self._api = HfApi(endpoint)
        self._repository = repository
        self._commit = commit

    def files(self) -> Mapping[str, WeightFile]:
        """See ``Source``; without the variants of other precisions and frameworks that are beside.

        Raises:
            NotFound: There is no such repository or commit, or it needs a token.
            PreconditionFailed: The hub describes another commit, or a file without a digest.
            Unavailable: The hub cannot be reached.
        """
        from httpx2 import HTTPError
        from huggingface_hub.errors import HfHubHTTPError

        where = f"{HUB}{self._repository}@{self._commit}"
        try:
            info = self._api.model_info(
                self._repository, revision=self._commit, files_metadata=True, timeout=30.0
            )
        except (HfHubHTTPError, HTTPError, OSError) as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            if status in (401, 403, 404):
                raise NotFound(
                    f"the hub does not show {where} (status {status}); it may want HF_TOKEN"
                ) from error
            raise _unreachable(where, error) from error
        if info.sha != self._commit:
            raise PreconditionFailed(f"the hub answers with commit {info.sha} for {where}")
        found: dict[str, WeightFile] = {}
        for entry in info.siblings or []:
            if not is_wanted(entry.rfilename):
                continue
            large = entry.lfs
            digest = f"sha256:{large.sha256}" if large is not None else f"git:{entry.blob_id}"
            if entry.size is None or (large is None and not entry.blob_id):
                raise PreconditionFailed(f"the hub gives no digest of {entry.rfilename} of {where}")
            found[entry.rfilename] = WeightFile(int(entry.size), digest)
        return found

    def download(self, path: str, file: WeightFile, target: Path) -> None:
        """See ``Source``.

        Raises:
            Unavailable: The hub cannot be reached.
        """
        del file
        from httpx2 import HTTPError
        from huggingface_hub.errors import HfHubHTTPError

        folder = target.parent / f"{target.name}.hub"
        try:
            fetched = self._api.hf_hub_download(
                self._repository, path, revision=self._commit, local_dir=folder
            )
        except (HfHubHTTPError, HTTPError, OSError) as error:
            raise _unreachable(f"{path} of {HUB}{self._repository}", error) from error
        Path(fetched).replace(target)


class StoreSource:
    """A folder of an object store that holds a listing."""

    def __init__(self, uri: str, digest: str) -> None:
        self._store = open_store(parse_location(uri))
        self._digest = digest

    def files(self) -> Mapping[str, WeightFile]:
        """See ``Source``."""
        return read_listing(self._store.read(LISTING), self._digest)

    def download(self, path: str, file: WeightFile, target: Path) -> None:
        """See ``Source``."""
        with target.open("ab") as part:
            if part.tell() > file.size:
                part.truncate(0)
            while (done := part.tell()) < file.size:
                data = self._store.read_range(path, done, min(_PIECE, file.size - done))
                if not data:
                    return  # shorter than listed: the digest tells
                part.write(data)


def _unreachable(what: str, error: Exception) -> Unavailable:
    return Unavailable(
        f"{what} cannot be had: {type(error).__name__}: {error}".splitlines()[0], _RETRY_SECONDS
    )
