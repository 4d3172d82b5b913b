"""Finding rows of a large Parquet file by id, reading only the row groups that may hold them."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthvlm.errors import DataCorrupt
from synthvlm.storage import Store
from synthvlm.storage.store import ObjectFile

IMAGE_ID = "image_id"


def rows_by_prefix(
    store: Store, path: str, prefix: str, columns: Sequence[str], limit: int
) -> pa.Table:
    """Rows of a file sorted by ``image_id`` whose id begins with ``prefix``.

    The row groups' statistics say which may hold them: one, or two if the ids straddle a boundary.

    Args:
        store: The store that holds the file.
        path: A Parquet file with a column ``image_id``, sorted by it.
        prefix: Beginning of the ids, or a whole id.
        columns: Columns to return as far as the file has them, ``image_id`` among them.
        limit: Most rows to return.

    Raises:
        NotFound: There is no such file.
        DataCorrupt: It is not a Parquet file.
    """
    try:
        # Only the footer and single row groups are read; a buffer would read more than needed.
        file = pq.ParquetFile(ObjectFile(store, path))
        schema = file.schema_arrow
        stored = [name for name in columns if name in schema.names]
        found = [
            group.filter(pc.starts_with(group[IMAGE_ID], prefix))
            for number in range(file.num_row_groups)
            if _may_hold(file.metadata.row_group(number), prefix)
            for group in [file.read_row_group(number, columns=stored)]
        ]
    except pa.ArrowInvalid as error:
        raise DataCorrupt(f"{path} in {store.uri} is damaged: {error}") from error
    empty = pa.schema([schema.field(name) for name in stored]).empty_table()
    return pa.concat_tables([empty, *found]).slice(0, limit)


def _may_hold(group: pq.RowGroupMetaData, prefix: str) -> bool:
    for index in range(group.num_columns):
        column = group.column(index)
        if column.path_in_schema == IMAGE_ID:
            statistics = column.statistics
            if statistics is None or not statistics.has_min_max:
                return True
            least, largest = str(statistics.min), str(statistics.max)
            return largest >= prefix and (least <= prefix or least.startswith(prefix))
    return False
