"""Conventions shared by the tables of all services."""

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
"""Type of an auto-incremented column: SQLite increments only a column of exactly this type."""


def metadata() -> MetaData:
    """Metadata for a service's tables: each ``Base`` has its own."""
    return MetaData(naming_convention=NAMING)
