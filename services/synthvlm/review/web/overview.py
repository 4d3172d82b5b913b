"""The owner's page: how far a campaign is and what its verdicts say; and settling disagreements."""

import secrets

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from synthvlm.review.verdicts import Alignment, Preference, Reason, Verdict
from synthvlm.review.web.annotating import pair_json
from synthvlm.review.web.protection import CSRF_FIELD
from synthvlm.review.web.site import changing_visitor, show, site, visitor

_SHOWN = 12
_EXAMPLES = 6
_MAX_COMMENT = 2000


def routes() -> list[Route]:
    """The routes of the owner's page."""
    overview = "/campaigns/{campaign}/overview"
    return [
        Route(overview, _page),
        Route(f"{overview}/progress", _progress),
        Route(f"{overview}/figures", _figures),
        Route("/campaigns/{campaign}/disagreements", _disagreements),
        Route("/campaigns/{campaign}/disagreements/{pair:int}", _settle, methods=["POST"]),
    ]


async def _page(request: Request) -> Response:
    known = visitor(request)
    reviews, campaign = site(request).reviews, request.path_params["campaign"]
    progress = await run_in_threadpool(reviews.progress, known.person, campaign)
    found = await run_in_threadpool(reviews.disagreements, known.person, campaign, 0, _EXAMPLES)
    return show(
        request,
        "overview.html.j2",
        known,
        campaign=progress.campaign,
        progress=progress,
        cards=[(one, pair_json(campaign, one.pair)) for one in found],
    )


async def _progress(request: Request) -> Response:
    known = visitor(request)
    progress = await run_in_threadpool(
        site(request).reviews.progress, known.person, request.path_params["campaign"]
    )
    return show(request, "progress.html.j2", known, progress=progress)


async def _figures(request: Request) -> Response:
    known = visitor(request)
    parts, campaign = site(request), request.path_params["campaign"]
    progress = await run_in_threadpool(parts.reviews.progress, known.person, campaign)
    figures = await run_in_threadpool(parts.figures.get, known.person, progress)
    return show(request, "figures.html.j2", known, campaign=progress.campaign, figures=figures)


async def _disagreements(request: Request) -> Response:
    """Disagreements that nobody has settled, for adjudicators."""
    known = visitor(request)
    reviews, campaign = site(request).reviews, request.path_params["campaign"]
    view = await run_in_threadpool(reviews.campaign, known.person, campaign)
    found = await run_in_threadpool(reviews.disagreements, known.person, campaign, 0, _SHOWN)
    cards = [(one, pair_json(campaign, one.pair)) for one in found]
    return show(
        request, "disagreements.html.j2", known, campaign=view, cards=cards, reasons=list(Reason)
    )


async def _settle(request: Request) -> Response:
    async with request.form(max_files=0, max_fields=16) as form:
        fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    known = changing_visitor(request, dict(fields).get(CSRF_FIELD, ""))
    campaign, pair = request.path_params["campaign"], request.path_params["pair"]
    # One form is one decision, however often it is sent.
    request_id = dict(fields).get("id") or secrets.token_hex(16)
    await run_in_threadpool(
        site(request).reviews.adjudicate,
        known.person,
        campaign,
        pair,
        request_id,
        _decision(fields),
    )
    return RedirectResponse(f"/campaigns/{campaign}/disagreements", 303)


def _decision(fields: list[tuple[str, str]]) -> Verdict:
    """The decision in a form.

    Raises:
        HTTPException: There is none; 400.
    """
    values = dict(fields)
    try:
        word = values["decision"].upper()
        compared = word in Preference.__members__
        return Verdict(
            alignment=None if compared else Alignment[word],
            preference=Preference[word] if compared else None,
            reasons=frozenset(Reason[value.upper()] for name, value in fields if name == "reason"),
            comment=values.get("comment", "")
            .encode("utf-8", "replace")[:_MAX_COMMENT]
            .decode("utf-8", "ignore"),
        )
    except KeyError as error:
        raise HTTPException(400, f"{error.args[0]} is not a decision or reason") from None
