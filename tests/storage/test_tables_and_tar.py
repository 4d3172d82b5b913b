"""Files depend on their contents alone."""

import io
import tarfile

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.errors import DataCorrupt
from synthvlm.storage import Commit, ShardKey, open_shard, open_store, parse_location
from synthvlm.storage.tables import ROW_GROUP, TableFile, table_bytes
from synthvlm.storage.tar import TarFile

SCHEMA = pa.schema([pa.field("n", pa.int64(), nullable=False), pa.field("text", pa.string())])


def table(rows: int) -> pa.Table:
    return pa.table(
        {"n": range(rows), "text": [f"row {n % 91}" for n in range(rows)]}, schema=SCHEMA
    )


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 2 * ROW_GROUP), max_size=5))
def test_a_table_written_in_pieces_has_the_bytes_of_the_whole(cuts):
    whole = table(2 * ROW_GROUP + 17)
    buffer = io.BytesIO()
    with TableFile(buffer, SCHEMA) as file:
        start = 0
        for cut in [*sorted(cuts), whole.num_rows]:
            file.write(whole.slice(start, cut - start))
            start = cut
    assert file.rows == whole.num_rows
    assert buffer.getvalue() == table_bytes(whole, SCHEMA)


def test_an_empty_table_is_a_valid_file_and_comes_in_no_batch():
    store = open_store(parse_location("memory://tables"))
    data = table_bytes(table(0), SCHEMA)
    shard = open_shard(store, Commit(store, ShardKey("t", {})).finish({"t.parquet": data}, 0))
    assert shard.table("t.parquet", SCHEMA).num_rows == 0
    assert [b for b in shard.batches("t.parquet", SCHEMA, 10) if b.num_rows] == []


def test_batches_give_every_row_once_in_order():
    store = open_store(parse_location("memory://batches"))
    data = table_bytes(table(1000), SCHEMA)
    shard = open_shard(store, Commit(store, ShardKey("t", {})).finish({"t.parquet": data}, 1000))
    batches = list(shard.batches("t.parquet", SCHEMA, 300))
    assert max(b.num_rows for b in batches) <= 300
    assert pa.Table.from_batches(batches).equals(table(1000))
    with pytest.raises(DataCorrupt, match="other"):
        shard.table("t.parquet", pa.schema([pa.field("other", pa.int64())]))


@given(
    st.dictionaries(
        st.text("abc/é", min_size=1, max_size=150).filter(lambda name: "//" not in name),
        st.binary(max_size=2000),
        max_size=6,
    )
)
def test_members_lie_where_add_says_and_tarfile_reads_them(members):
    def write():
        buffer = io.BytesIO()
        with TarFile(buffer) as tar:
            places = {name: tar.add(name, data) for name, data in members.items()}
        return buffer.getvalue(), places

    data, places = write()
    assert write()[0] == data
    for name, (offset, size) in places.items():
        assert data[offset : offset + size] == members[name]
    with tarfile.open(fileobj=io.BytesIO(data)) as read:
        assert [m.size for m in read.getmembers()] == [len(d) for d in members.values()]
