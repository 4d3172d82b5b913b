"""How long work tells its caller how far it is, and learns that nobody waits for it any more."""

from typing import Protocol


class Reporter(Protocol):
    """The caller of a long piece of work, as that work sees it.

    Domain code is handed a reporter and knows nothing of gRPC: a servicer's reporter streams
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
        """Asks whether the work is still wanted. Cheap: call it once in every inner loop.

        Raises:
            OperationCancelled: The caller has gone, or its deadline has passed.
        """


class _Silent:
    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        """Tells nobody."""

    def check(self) -> None:
        """Always wanted."""


SILENT: Reporter = _Silent()
"""For work that nobody watches and nobody cancels."""
