"""Reading committed shards, every byte checked against its digest."""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthvlm.errors import DataCorrupt, NotFound
from synthvlm.storage.digests import file_digest, sha256_digest
from synthvlm.storage.manifest import MANIFEST, Manifest, damaged, read_manifest
from synthvlm.storage.refs import ShardRef
from synthvlm.storage.store import Store

# Steps of a pipeline and most commands read no table: they start sooner without Arrow.
if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


class Shard:
    """A committed shard, open for reading."""

    def __init__(self, store: Store, ref: ShardRef, manifest: Manifest) -> None:
        self.store = store
        self.ref = ref
        self.manifest = manifest

    def path(self, name: str) -> str:
        """Path of the file ``name`` in the store."""
        return f"{self.ref.path}/{name}"

    def has(self, name: str) -> bool:
        """Whether the shard has a file ``name``."""
        return any(entry.name == name for entry in self.manifest.files)

    def read(self, name: str) -> bytes:
        """The contents of the file ``name``.

        Raises:
            DataCorrupt: It is missing, or its bytes are not those that were committed.
        """
        expected = self.manifest.file(name).sha256
        try:
            data = self.store.read(self.path(name))
        except NotFound as error:
            raise DataCorrupt(
                f"{self.path(name)} in {self.store.uri} is gone; run the same command again"
            ) from error
        if sha256_digest(data) != expected:
            raise DataCorrupt(damaged(self.store, self.path(name)), {"digest": expected})
        return data

    def download(self, name: str, folder: Path) -> Path:
        """Copies the file ``name`` into ``folder``, for files too large for memory.

        Raises:
            DataCorrupt: As ``read``.
        """
        local = folder / name
        try:
            self.store.download(self.path(name), local)
        except NotFound as error:
            raise DataCorrupt(
                f"{self.path(name)} in {self.store.uri} is gone; run the same command again"
            ) from error
        expected = self.manifest.file(name).sha256
        if file_digest(local) != expected:
            raise DataCorrupt(damaged(self.store, self.path(name)), {"digest": expected})
        return local

    def table(self, name: str, schema: "pa.Schema") -> "pa.Table":
        """The Parquet file ``name`` as one table; ``schema`` may be a subset of its columns.

        Raises:
            DataCorrupt: As ``read``, or the file has a different schema.
        """
        file = self._parquet(name, schema)
        return file.read(columns=schema.names).cast(schema)

    def batches(self, name: str, schema: "pa.Schema", size: int) -> Iterator["pa.RecordBatch"]:
        """The Parquet file ``name`` in batches of ``size`` rows; the last may be smaller.

        Only the compressed file and one batch are held in memory.

        Raises:
            DataCorrupt: As ``table``.
        """
        file = self._parquet(name, schema)
        for batch in file.iter_batches(batch_size=size, columns=schema.names):
            yield batch.cast(schema)

    def _parquet(self, name: str, schema: "pa.Schema") -> "pq.ParquetFile":
        import pyarrow.parquet as pq

        file = pq.ParquetFile(io.BytesIO(self.read(name)))
        stored = file.schema_arrow
        for column in schema:
            index = stored.get_field_index(column.name)
            if index < 0 or stored.field(index).type != column.type:
                raise DataCorrupt(f"{self.path(name)} has no column {column.name}: {column.type}")
        return file


def verified_image(store: Store, path: str, row: Mapping[str, Any]) -> bytes:
    """The bytes of one image, read from the tar that holds it.

    Args:
        store: The store that holds the tar.
        path: The tar.
        row: ``image_id``, ``offset``, ``size`` and ``sha256`` of the image.

    Raises:
        DataCorrupt: The tar is missing, or the bytes do not have the recorded digest.
    """
    try:
        data = store.read_range(path, row["offset"], row["size"])
    except NotFound as error:
        raise DataCorrupt(
            f"{path} in {store.uri}, which holds image {row['image_id']}, is gone; run the same "
            f"command again"
        ) from error
    if sha256_digest(data) != row["sha256"]:
        raise DataCorrupt(
            damaged(
                store, path, f"image {row['image_id']} does not have the digest {row['sha256']}"
            )
        )
    return data


def open_shard(store: Store, ref: ShardRef) -> Shard:
    """Opens a committed shard.

    Raises:
        NotFound: There is no such shard.
        DataCorrupt: Its manifest is damaged, or not the one that ``ref`` names.
    """
    try:
        manifest = read_manifest(store, ref.path)
    except NotFound as error:
        raise NotFound(f"there is no committed shard {ref.path} in {store.uri}") from error
    if manifest.digest != ref.digest:
        raise DataCorrupt(
            f"the shard {ref.path} in {store.uri} does not have the digest {ref.digest}; run the "
            f"stages again that lead to it",
            {"digest": manifest.digest},
        )
    return Shard(store, ref, manifest)


def committed_shards(store: Store, kind: str) -> Iterator[tuple[ShardRef, Manifest]]:
    """All committed shards of a kind, by path.

    Raises:
        DataCorrupt: A manifest is damaged.
    """
    for path in store.list(kind):
        folder, _, file = path.rpartition("/")
        if file == MANIFEST:
            manifest = read_manifest(store, folder)
            yield ShardRef(folder, manifest.digest, manifest.records), manifest
