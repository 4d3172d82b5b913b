"""What the tables of all services have in common."""

from sqlalchemy import BigInteger, Integer, MetaData

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names of constraints, the same in every database, so that migrations can refer to them."""

ROW_ID = BigInteger().with_variant(Integer(), "sqlite")
"""Type of a column that numbers the rows: SQLite does so only in a column of exactly this type."""


def metadata() -> MetaData:
    """Where a service's tables are declared: each ``Base`` has one of its own."""
    return MetaData(naming_convention=NAMING)
