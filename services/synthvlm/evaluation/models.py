"""The model to evaluate: what identifies it, and a folder of its files for a while."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthvlm.evaluation.request import ModelLocation
from synthvlm.model_folders import model_digest, resolve_model
from synthvlm.storage import Shard, ShardRef, Store, open_shard


@contextmanager
def copied(shard: Shard) -> Iterator[Path]:
    """A temporary folder with all files of a shard, every byte checked.

    Raises:
        DataCorrupt: They are damaged.
    """
    with tempfile.TemporaryDirectory(prefix=f"synthvlm-{shard.manifest.kind}-") as name:
        for entry in shard.manifest.files:
            shard.download(entry.name, Path(name))
        yield Path(name)


class ModelSource:
    """A model in the store, or in a folder of this machine.

    Attributes:
        digest: The manifest's digest of a model in the store, else that of the folder's files.

    Raises:
        NotFound: There is no such model.
        DataCorrupt: Its manifest is damaged.
    """

    def __init__(self, store: Store, location: ModelLocation) -> None:
        self._shard: Shard | None = None
        if location.folder is None:
            self._shard = open_shard(store, ShardRef(location.path, location.digest, 0))
            self.digest = location.digest
        else:
            self._folder = resolve_model(str(location.folder))
            self.digest = model_digest(self._folder)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """The model's folder, which may be gone afterwards.

        Raises:
            DataCorrupt: Its bytes in the store are damaged.
        """
        if self._shard is None:
            yield self._folder
        else:
            with copied(self._shard) as folder:
                yield folder
