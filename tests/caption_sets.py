"""A committed CaptionSet shard, as the stages after curation read it."""

from collections.abc import Sequence

import pyarrow as pa

from synthvlm.storage import Commit, ShardKey, ShardRef, Store, sha256_digest
from synthvlm.storage.schemas import CAPTIONS
from synthvlm.storage.tables import table_bytes


def commit_caption_set(store: Store, texts: Sequence[str]) -> ShardRef:
    """Commits a shard of ``texts``, with the caption ids c0000, c0001…"""
    rows: list[dict[str, object]] = [
        {
            "caption_id": f"c{index:04d}",
            "text": text,
            "source_id": None,
            "stats": [],
        }
        for index, text in enumerate(texts)
    ]
    table = pa.Table.from_pylist(rows, CAPTIONS)
    key = ShardKey("captions", {"pool": sha256_digest("\n".join(texts).encode())})
    files = {"captions.parquet": table_bytes(table, CAPTIONS)}
    return Commit(store, key).finish(files, records=len(texts))
