"""Large Arrow tables in memory once."""

import pyarrow as pa


def combine_columns(pieces: list[pa.Table]) -> dict[str, pa.Array]:
    """The columns of tables that follow one another, each in one piece.

    One column after the other is joined and its pieces are let go, so the whole is never in memory
    twice. For that the list is emptied.
    """
    table = pa.concat_tables(pieces)
    pieces.clear()
    columns: dict[str, pa.Array] = {}
    for name in table.column_names:
        columns[name] = table[name].combine_chunks()
        table = table.drop_columns(name)
    return columns
