"""The log of a pod, read piece by piece."""

from collections.abc import Mapping
from typing import Any

from synthvlm.cluster.api import Api
from synthvlm.cluster.pod_status import container_status
from synthvlm.errors import DomainError


class PodLog:
    """The log of one container of whichever pod does the work at the moment.

    Each look gives the lines that are new since the last one. A pod that is made again, or a
    container that is started again, begins a new log.
    """

    def __init__(self, api: Api, container: str) -> None:
        self._api = api
        self._container = container
        self._source: tuple[Any, ...] = ()
        self._last = ""
        self._at_last = 0

    def new_lines(self, pod: Mapping[str, Any], patience_seconds: float = 0) -> list[str]:
        """The lines that the container has written since the last look.

        Args:
            pod: The pod.
            patience_seconds: How long to try where the log cannot be read. The next look finds
                what is missed.
        """
        status = container_status(pod, self._container)
        if not status or "waiting" in status.get("state", {}):
            return []
        metadata = pod["metadata"]
        source = (metadata["uid"], status.get("restartCount", 0))
        if source != self._source:
            self._source, self._last, self._at_last = source, "", 0
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/log"
        query = {"container": self._container, "timestamps": "true"}
        if self._last:  # in whole seconds, as the API has it
            query["sinceTime"] = self._last[:19] + self._last[19:].lstrip(".0123456789")
        try:
            text = self._api.text(path, patience_seconds, **query)
        except DomainError:  # its node is gone, or does not answer
            return []
        return self._unseen((text or "").split("\n"))

    def _unseen(self, lines: list[str]) -> list[str]:
        """The lines after the last one that was seen; what is asked for begins with its second."""
        stamped = [line.partition(" ")[::2] for line in lines if line]
        stamps = [stamp for stamp, _ in stamped]
        begin = stamps.index(self._last) + self._at_last if self._last in stamps else 0
        if stamps:
            self._last = stamps[-1]
            self._at_last = stamps.count(self._last)
        return [text for _, text in stamped[begin:]]
