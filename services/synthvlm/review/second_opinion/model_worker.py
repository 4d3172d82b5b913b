"""Has a model judge the pairs of every open campaign while the service runs."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from synthvlm.errors import DomainError
from synthvlm.review.campaigns.models import CampaignState
from synthvlm.review.people import Person, Role
from synthvlm.review.reviews import Reviews
from synthvlm.review.second_opinion.model_verdicts import judge_campaign
from synthvlm.review.second_opinion.opinion import SecondOpinion

_log = structlog.get_logger(__name__)

_STOP_SECONDS: Final = 5.0
"""How long a pair that is being judged may take once the service stops."""


class ModelWorker:
    """A thread that looks for open campaigns and has the model judge what it has not judged.

    What it does is durable pair by pair, so it may be stopped at any time. If the model cannot
    answer, the worker says so in the log and tries again later.

    Args:
        reviews: The campaigns.
        model: The model.
        pause_seconds: How long it waits between two looks.
    """

    def __init__(self, reviews: Reviews, model: SecondOpinion, pause_seconds: float = 10.0) -> None:
        self._reviews = reviews
        self._model = model
        self._pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="second-opinion", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends after the pair in hand, or after some seconds without it."""
        self._stopping.set()
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while True:
            self._try(self._judge_all)
            if self._stopping.wait(self._pause_seconds):
                return

    def _judge_all(self) -> None:
        person = Person(self._model.name, Role.MODEL)
        for campaign in self._reviews.campaigns(person):
            if campaign.state is CampaignState.OPEN and campaign.compared is None:
                self._try(partial(self._judge, campaign.campaign_id))

    def _judge(self, campaign_id: str) -> None:
        found = judge_campaign(
            self._reviews, campaign_id, self._model, lambda _: not self._stopping.is_set()
        )
        if found.judged or found.refused:
            _log.info(
                "a model judged pairs",
                model=self._model.name,
                campaign=campaign_id,
                judged=found.judged,
                refused=found.refused,
                reason=found.reason,
            )

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except DomainError as error:
            if not self._stopping.is_set():
                _log.warning(
                    "a model gives no second opinion now",
                    model=self._model.name,
                    error=error.message,
                )
