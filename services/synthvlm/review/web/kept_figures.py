"""Figures of campaigns for their owners' pages, which ask again and again.

They take 0.8 s of a core for 20,000 pairs with three verdicts each of ten annotators, 5 s with 200
annotators, and those who judge need the same cores. So they are computed when verdicts have come,
one at a time, and then not again for ten times as long as that took.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from synthvlm.review.campaigns.views import Progress
from synthvlm.review.people import Person
from synthvlm.review.results.figures import Figures

_REST = 10
_CAMPAIGNS = 64


@dataclass
class _Kept:
    computing: threading.Lock = field(default_factory=threading.Lock)
    figures: Figures | None = None
    stamp: Hashable = None
    seconds: float = 0.0
    since: float = 0.0

    def is_current(self, stamp: Hashable, now: float) -> bool:
        return self.stamp == stamp or now - self.since < _REST * self.seconds


class KeptFigures:
    """The figures of the campaigns that were looked at last; used from many threads.

    Args:
        compute: Gives somebody the figures of a campaign.
        clock: Seconds, from any start.
    """

    def __init__(
        self,
        compute: Callable[[Person, str], Figures],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._compute = compute
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._access = threading.Lock()

    def get(self, person: Person, progress: Progress) -> Figures:
        """The figures of a campaign, of now or of a little earlier.

        Args:
            person: Who asks.
            progress: How far the campaign is, as the same person was told.
        """
        campaign_id = progress.campaign.campaign_id
        stamp = (
            progress.campaign.done,
            progress.settled,
            *((one.annotator, one.verdicts, one.last_time) for one in progress.annotators),
        )
        kept = self._of(campaign_id)
        before = kept.figures
        if before is not None and kept.is_current(stamp, self._clock()):
            return before
        # Whoever has seen figures is shown them while somebody else computes.
        if before is not None and kept.computing.locked():
            return before
        with kept.computing:
            if kept.figures is None or not kept.is_current(stamp, self._clock()):
                began = self._clock()
                kept.figures = self._compute(person, campaign_id)
                kept.since = self._clock()
                kept.seconds = kept.since - began
                kept.stamp = stamp
            return kept.figures

    def _of(self, campaign_id: str) -> _Kept:
        with self._access:
            kept = self._kept.pop(campaign_id, None) or _Kept()
            self._kept[campaign_id] = kept
            if len(self._kept) > _CAMPAIGNS:
                self._kept.popitem(last=False)
            return kept
