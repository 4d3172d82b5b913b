"""The model that judges every open campaign while the service runs."""

import time

import pytest
from pydantic import ValidationError

from synthvlm.errors import Unavailable
from synthvlm.review.config import SecondOpinionSettings
from synthvlm.review.second_opinion.engines.chat_endpoint import ChatEndpoint
from synthvlm.review.second_opinion.engines.oracle import Oracle
from synthvlm.review.second_opinion.model_worker import ModelWorker
from synthvlm.review.service import load_model
from tests.review.campaign import OWNER, YES, Room


class Model:
    """Says yes of everything, once it is up."""

    name = "judge"

    def __init__(self, failures=0):
        self.failures = failures

    def judge(self, image, media_type, caption):
        if self.failures:
            self.failures -= 1
            raise Unavailable("starting", 1.0)
        return YES


def judged(room, campaign) -> int:
    progress = room.reviews.progress(OWNER, campaign)
    return sum(one.verdicts for one in progress.annotators if one.is_model)


def wait_for(condition, seconds=20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.02)


def test_it_judges_open_campaigns_and_ones_that_open_later(small_room: Room) -> None:
    first = small_room.campaign(sample_size=10).campaign_id
    # The model is not up at first: the worker asks again.
    worker = ModelWorker(small_room.reviews, Model(failures=2), pause_seconds=0.05)
    try:
        wait_for(lambda: judged(small_room, first) == 10)
        second = small_room.campaign(sample_size=5).campaign_id
        wait_for(lambda: judged(small_room, second) == 5)
    finally:
        worker.stop()
    third = small_room.campaign(sample_size=5).campaign_id
    time.sleep(0.2)
    assert judged(small_room, third) == 0


def test_the_settings_choose_the_model(tmp_path) -> None:
    assert load_model(SecondOpinionSettings()) is None
    assert isinstance(load_model(SecondOpinionSettings(engine="oracle")), Oracle)
    token = tmp_path / "token"
    token.write_text("secret\n")
    endpoint = load_model(
        SecondOpinionSettings(
            engine="endpoint", base_url="https://vlm/v1", model="org/llava", token_file=token
        )
    )
    assert isinstance(endpoint, ChatEndpoint)
    assert endpoint.name == "org-llava"
    endpoint.close()


@pytest.mark.parametrize(
    ("values", "message"),
    [({"model": "m"}, "needs base_url"), ({"base_url": "http://vlm/v1"}, "needs model")],
)
def test_an_endpoint_needs_an_address_and_a_model(values, message) -> None:
    with pytest.raises(ValidationError, match=message):
        SecondOpinionSettings(engine="endpoint", **values)
