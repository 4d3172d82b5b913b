"""The annotator's page, and the requests that its script makes."""

from itertools import groupby
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from synthvlm.review.campaigns.views import Outcome, ShownImage, ShownPair
from synthvlm.review.people import Person
from synthvlm.review.reviews import Reviews
from synthvlm.review.verdicts import GRAVE, Reason, Side, Verdict
from synthvlm.review.web.bodies import EntriesBody, LeaseBody, SkipEntry, read_body
from synthvlm.review.web.site import changing_visitor, show, site, visitor

_RECENT = 10
_IMMUTABLE = "private, max-age=31536000, immutable"
_MEDIA_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})


def routes() -> list[Route]:
    """The routes of the annotator's page."""
    campaign = "/campaigns/{campaign}"
    return [
        Route("/", _campaigns),
        Route(campaign, _page),
        Route(f"{campaign}/lease", _lease, methods=["POST"]),
        Route(f"{campaign}/entries", _entries, methods=["POST"]),
        Route(f"{campaign}/recent", _recent),
        Route(f"{campaign}/pairs/{{pair:int}}/{{side}}", _image),
    ]


async def _campaigns(request: Request) -> Response:
    known = visitor(request)
    campaigns = await run_in_threadpool(site(request).reviews.campaigns, known.person)
    return show(request, "campaigns.html.j2", known, campaigns=campaigns)


async def _page(request: Request) -> Response:
    known = visitor(request)
    campaign = await run_in_threadpool(
        site(request).reviews.campaign, known.person, request.path_params["campaign"]
    )
    return show(
        request,
        "annotate.html.j2",
        known,
        campaign=campaign,
        reasons=list(Reason),
        grave=GRAVE,
        actions=_actions(compared=campaign.compared is not None),
    )


def _actions(*, compared: bool) -> list[tuple[str, str]]:
    """What keys do, by the names of the script, with labels for people."""
    if compared:
        verdicts = [("left", "Left is better"), ("equal", "Equal"), ("right", "Right is better")]
        details = []
    else:
        verdicts = [("yes", "Yes"), ("partly", "Partly"), ("no", "No")]
        details = [
            *((f"reason{reason.value}", _words(reason)) for reason in Reason),
            *((f"quality{grade}", f"Quality {grade}") for grade in range(1, 6)),
        ]
    others = [("skip", "Skip"), ("undo", "Undo"), ("comment", "Comment"), ("help", "This help")]
    return [*verdicts, *others, *details]


def _words(reason: Reason) -> str:
    return reason.name.replace("_", " ").capitalize()


async def _lease(request: Request) -> Response:
    person = changing_visitor(request).person
    body = await read_body(LeaseBody, request)
    campaign = request.path_params["campaign"]
    leased = await run_in_threadpool(site(request).reviews.lease, person, campaign, body.count)
    pairs = [pair_json(campaign, pair) for pair in leased.pairs]
    return JSONResponse({"pairs": pairs, "lease_seconds": leased.seconds})


async def _entries(request: Request) -> Response:
    person = changing_visitor(request).person
    body = await read_body(EntriesBody, request)
    answer = await run_in_threadpool(
        _record, site(request).reviews, person, request.path_params["campaign"], body
    )
    return JSONResponse(answer)


def _record(reviews: Reviews, person: Person, campaign: str, body: EntriesBody) -> dict[str, Any]:
    """Records entries in their order; neighbours of a kind go together."""
    outcomes: list[str] = []
    judged = None
    for skips, group in groupby(body.entries, lambda one: isinstance(one, SkipEntry)):
        entries = list(group)
        if skips:
            reviews.skip(person, campaign, [one.pair for one in entries])
            outcomes += [Outcome.RECORDED.name.lower()] * len(entries)
            continue
        submitted = reviews.submit(
            person, campaign, [one.entry() for one in entries if not isinstance(one, SkipEntry)]
        )
        outcomes += [outcome.name.lower() for outcome in submitted.outcomes]
        judged = submitted.judged
    return {"outcomes": outcomes, "judged": judged}


async def _recent(request: Request) -> Response:
    known = visitor(request)
    campaign = request.path_params["campaign"]
    verdicts = await run_in_threadpool(site(request).reviews.mine, known.person, campaign, _RECENT)
    recent = [
        {"pair": pair_json(campaign, one.pair), "values": _verdict_json(one.verdict)}
        for one in verdicts
    ]
    return JSONResponse({"verdicts": recent})


async def _image(request: Request) -> Response:
    """An image of a pair, which never changes; no path comes from the client."""
    known = visitor(request)
    sides = {side.name.lower(): side for side in Side}
    side = sides.get(request.path_params["side"])
    pair = request.path_params["pair"]
    if side is None or not 0 < pair < 2**63:
        raise HTTPException(404)
    image = await run_in_threadpool(
        site(request).reviews.image, known.person, request.path_params["campaign"], pair, side
    )
    headers = {"ETag": f'"{image.digest}"', "Cache-Control": _IMMUTABLE}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if image.media_type not in _MEDIA_TYPES:
        raise HTTPException(415, f"images of type {image.media_type} are not shown")
    return Response(image.data, media_type=image.media_type, headers=headers)


def pair_json(campaign: str, pair: ShownPair) -> dict[str, Any]:
    """A pair as the script takes it."""
    images = [image_json(campaign, pair.pair_id, Side.LEFT, pair.image)]
    if pair.right is not None:
        images.append(image_json(campaign, pair.pair_id, Side.RIGHT, pair.right))
    return {"pair": pair.pair_id, "caption": pair.caption, "images": images}


def image_json(campaign: str, pair_id: int, side: Side, image: ShownImage) -> dict[str, Any]:
    """An image as the script takes it."""
    url = f"/campaigns/{campaign}/pairs/{pair_id}/{side.name.lower()}"
    return {"url": url, "width": image.width, "height": image.height}


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    word = verdict.alignment or verdict.preference
    return {
        "word": word.name.lower() if word is not None else "",
        "reasons": sorted(reason.name.lower() for reason in verdict.reasons),
        "quality": verdict.quality or 0,
        "comment": verdict.comment,
    }
