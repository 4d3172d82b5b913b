"""Joining large Arrow tables without holding them in memory twice."""

import pyarrow as pa


def combine_columns(pieces: list[pa.Table]) -> dict[str, pa.Array]:
    """The columns of the concatenated tables, each in one chunk.

    Columns are joined one by one and their pieces released, so the whole is never in memory twice.
    To allow that, ``pieces`` is emptied.
    """
    table = pa.concat_tables(pieces)
    pieces.clear()
    columns: dict[str, pa.Array] = {}
    for name in table.column_names:
        columns[name] = table[name].combine_chunks()
        table = table.drop_columns(name)
    return columns
