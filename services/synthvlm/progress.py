"""How long-running work reports progress to its caller, and learns that the caller has gone."""

from typing import Protocol


class Reporter(Protocol):
    """The caller of long-running work, as that work sees it.

    Domain code receives a reporter and does not depend on gRPC: a servicer's reporter streams
    progress to the client and raises when the client has gone.
    """

    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        """Tells that ``done`` of ``total`` records are finished.

        Args:
            done: Records finished, those of earlier attempts included.
            total: Records in all; 0 while it is not known.
            resumed: Of ``done``, the records that an earlier attempt had committed.
            reused: Of ``done``, the records that were found in other shards. Never those of
                ``resumed``.

        Raises:
            OperationCancelled: As ``check``.
        """

    def check(self) -> None:
        """Checks that the work is still wanted. Cheap: call it in every inner loop.

        Raises:
            OperationCancelled: The caller has gone, or its deadline has passed.
        """


class _Silent:
    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        """Tells nobody."""

    def check(self) -> None:
        """Never raises."""


SILENT: Reporter = _Silent()
"""For work that is neither watched nor cancelled."""
