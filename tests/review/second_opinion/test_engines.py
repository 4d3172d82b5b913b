"""A model's verdicts beside those of people."""

import io
import json

import httpx
import numpy as np
import pytest
from PIL import Image

from synthvlm.errors import InvalidInput, PreconditionFailed, Unavailable
from synthvlm.review.results.judged import GivenVerdict
from synthvlm.review.results.model_agreement import agreement_with_people
from synthvlm.review.second_opinion.engines import chat_endpoint
from synthvlm.review.second_opinion.engines.chat_endpoint import ChatEndpoint
from synthvlm.review.second_opinion.engines.oracle import Oracle
from synthvlm.review.statistics.agreement import NO_OVERLAP
from synthvlm.review.verdicts import Alignment, Reason, Verdict
from synthvlm.scenes.render import render
from synthvlm.scenes.world import Scene, Thing

YES, PARTLY, NO = Alignment


def said(annotator, *alignments, first=0):
    """Verdicts on pairs one after the other; None where there is none."""
    return [
        GivenVerdict(first + pair, annotator, Verdict(alignment))
        for pair, alignment in enumerate(alignments)
        if alignment is not None
    ]


@pytest.fixture(scope="module")
def circle() -> bytes:
    pixels = render(Scene("white", (Thing("circle", "red", "big", 32, 32),)))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def test_the_middle_of_what_people_say_is_compared() -> None:
    people = said("a", YES, NO, YES) + said("b", YES, NO, NO) + said("c", NO, PARTLY, PARTLY)
    assert agreement_with_people(said("m", YES, NO, PARTLY), people).value == 1
    contrary = agreement_with_people(said("m", NO, YES, PARTLY), people).value
    assert contrary is not None
    assert contrary < 0


def test_a_model_without_common_pairs_has_no_agreement() -> None:
    found = agreement_with_people(said("m", YES, NO), said("a", YES, first=5))
    assert found.value is None
    assert found.reason == NO_OVERLAP


@pytest.mark.parametrize(
    ("caption", "alignment"), [("a red circle", YES), ("a blue circle", NO), ("a red star", NO)]
)
def test_the_oracle_sees_what_is_there(circle, caption, alignment) -> None:
    found = Oracle().judge(circle, "image/png", caption)
    assert found.alignment is alignment
    assert bool(found.comment) == (alignment is NO)


def test_the_oracle_refuses_what_it_cannot_judge(circle) -> None:
    with pytest.raises(InvalidInput, match="not in the language"):
        Oracle().judge(circle, "image/png", "a photograph of my cat")
    with pytest.raises(InvalidInput, match="not a readable image/png"):
        Oracle().judge(b"nothing", "image/png", "a red circle")


class Endpoint:
    """Answers requests one after the other and keeps them."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, str):
            content = {"choices": [{"message": {"role": "assistant", "content": answer}}]}
            return httpx.Response(200, json=content)
        if isinstance(answer, Exception):
            raise answer
        return answer


def ask(*answers, image=b"\x89PNG", caption="a cat"):
    endpoint = Endpoint(*answers)
    model = ChatEndpoint(
        "http://vlm/v1", "org/llava", token="secret", transport=httpx.MockTransport(endpoint)
    )
    try:
        return model.judge(image, "image/png", caption), endpoint.requests
    finally:
        model.close()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch) -> None:
    monkeypatch.setattr(chat_endpoint, "wait_random_exponential", lambda **_: lambda _: 0)


def test_an_endpoint_gets_image_and_caption_and_its_answer_becomes_a_verdict() -> None:
    answer = '```json\n{"alignment": "partly", "reasons": ["colour", "mood"], "quality": 4}\n```'
    verdict, (request,) = ask(answer)
    assert verdict == Verdict(PARTLY, frozenset({Reason.COLOUR}), 4)
    assert str(request.url) == "http://vlm/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer secret"
    body = json.loads(request.content)
    assert body["model"] == "org/llava"
    assert body["temperature"] == 0
    text, image = body["messages"][0]["content"]
    assert text["text"].endswith("Caption: a cat")
    assert image["image_url"]["url"] == "data:image/png;base64,iVBORw=="


def test_a_caption_with_braces_is_sent_as_it_is() -> None:
    _, (request,) = ask('{"alignment": "no"}', caption="{reasons} {0}")
    assert json.loads(request.content)["messages"][0]["content"][0]["text"].endswith(
        "Caption: {reasons} {0}"
    )


def test_an_endpoint_that_is_busy_is_asked_again() -> None:
    busy = [httpx.Response(503), httpx.ConnectError("refused"), httpx.Response(429)]
    verdict, requests = ask(*busy, '{"alignment": "yes"}')
    assert verdict == Verdict(YES)
    assert len(requests) == 4


def test_an_endpoint_that_stays_busy_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="org-llava answered 503"):
        ask(*[httpx.Response(503)] * 4)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ("I cannot see images.", InvalidInput, "gave no verdict: I cannot see"),
        ('{"alignment": "maybe"}', InvalidInput, "gave no verdict"),
        ('{"alignment": "yes", "quality": 9}', InvalidInput, "gave no verdict"),
        (httpx.Response(400, text="too large"), InvalidInput, "answered 400: too large"),
        (httpx.Response(401, text="who?"), PreconditionFailed, "its token and the model's name"),
        (httpx.Response(200, json={"choices": []}), InvalidInput, "as an OpenAI-compatible"),
        (httpx.Response(200, text="<html>"), InvalidInput, "as an OpenAI-compatible"),
        (httpx.Response(200, content=b"x" * (1 << 21)), InvalidInput, "more than 1 MiB"),
    ],
)
def test_answers_that_are_no_use_say_why(answer, error, message) -> None:
    with pytest.raises(error, match=message):
        ask(answer)


def test_the_oracle_agrees_with_people_who_mostly_see_right() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(200) < 0.6
    model = said("oracle", *[YES if true else NO for true in truth])
    people = [
        one
        for name in "abc"
        for one in said(name, *[YES if t == (rng.random() < 0.9) else NO for t in truth])
    ]
    value = agreement_with_people(model, people).value
    assert value is not None
    assert value > 0.85
