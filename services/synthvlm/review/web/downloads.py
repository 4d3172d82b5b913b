"""The verdicts of a campaign as files, for its owner."""

from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from synthvlm.errors import PreconditionFailed
from synthvlm.review.exchange.label_studio import Shown, as_tasks, labelling_config
from synthvlm.review.exchange.tables import as_csv, as_parquet
from synthvlm.review.web.site import site, visitor

_LOCAL_FILES: Final = "/data/local-files/?d="
"""Where Label Studio serves files of its own machine."""


def routes() -> list[Route]:
    """The routes of the files."""
    folder = "/campaigns/{campaign}"
    return [
        Route(f"{folder}/verdicts.csv", _csv),
        Route(f"{folder}/verdicts.parquet", _parquet),
        Route(f"{folder}/label-studio.json", _tasks),
        Route(f"{folder}/label-studio.xml", _config),
    ]


async def _csv(request: Request) -> Response:
    known = visitor(request)
    entries = await run_in_threadpool(
        site(request).reviews.entries, known.person, request.path_params["campaign"]
    )
    return _file(
        await run_in_threadpool(as_csv, entries), "text/csv; charset=utf-8", "verdicts.csv"
    )


async def _parquet(request: Request) -> Response:
    known = visitor(request)
    entries = await run_in_threadpool(
        site(request).reviews.entries, known.person, request.path_params["campaign"]
    )
    content = await run_in_threadpool(as_parquet, entries)
    return _file(content, "application/vnd.apache.parquet", "verdicts.parquet")


async def _tasks(request: Request) -> Response:
    """Tasks of Label Studio; ``images`` in the query is what stands before each image's id.

    What the format cannot hold is in the header ``X-Left-Out``.
    """
    known = visitor(request)
    reviews, campaign = site(request).reviews, request.path_params["campaign"]
    prefix = request.query_params.get("images", _LOCAL_FILES)
    entries = await run_in_threadpool(reviews.entries, known.person, campaign)
    if (await run_in_threadpool(reviews.campaign, known.person, campaign)).compared is not None:
        raise PreconditionFailed(
            "Label Studio needs both images of a comparison, and entries name one; take the CSV"
        )
    content, lost = await run_in_threadpool(
        as_tasks, entries, lambda image_id: Shown(f"{prefix}{image_id}")
    )
    response = _file(content, "application/json", "label-studio.json")
    if lost:
        response.headers["X-Left-Out"] = "; ".join(lost)
    return response


async def _config(request: Request) -> Response:
    """The labelling configuration of a project for these tasks."""
    visitor(request)
    content = labelling_config(compared=False).encode()
    return _file(content, "application/xml", "label-studio.xml")


def _file(content: bytes, media_type: str, name: str) -> Response:
    disposition = f'attachment; filename="{name}"'
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition})
