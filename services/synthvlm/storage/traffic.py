"""Prometheus counters of what this process asks of object stores, and how many bytes that moves.

One operation is one call of a ``Store``. A store may take several requests for one: a file is
uploaded in pieces, and a long list comes in pages.
"""

from prometheus_client import Counter

_OPERATIONS = Counter(
    "synthvlm_store_operations",
    "Operations on object stores, by kind: get, put, head, list or delete.",
    ["operation"],
)
_BYTES = Counter(
    "synthvlm_store_bytes", "Bytes read from object stores and written to them.", ["direction"]
)


def got(size: int) -> None:
    """Counts a read of ``size`` bytes."""
    _OPERATIONS.labels("get").inc()
    _BYTES.labels("read").inc(size)


def put(size: int) -> None:
    """Counts a write of ``size`` bytes."""
    _OPERATIONS.labels("put").inc()
    _BYTES.labels("written").inc(size)


def asked(operation: str) -> None:
    """Counts an operation that moves no data: ``head``, ``list`` or ``delete``."""
    _OPERATIONS.labels(operation).inc()
