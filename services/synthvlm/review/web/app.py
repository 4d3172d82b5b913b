"""The page as an application: its routes, its templates, and how errors are shown."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import jinja2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from synthvlm.errors import (
    DomainError,
    InvalidInput,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    RetryableError,
)
from synthvlm.review.people import Person
from synthvlm.review.reviews import Reviews
from synthvlm.review.web import annotating, charts, downloads, overview, signin
from synthvlm.review.web.access import Access
from synthvlm.review.web.kept_figures import KeptFigures
from synthvlm.review.web.protection import Protection, Rate
from synthvlm.review.web.sessions import Sessions
from synthvlm.review.web.settings import WebSettings
from synthvlm.review.web.site import SignInNeededError, Site, show

_STATUS: Mapping[type[DomainError], int] = {
    InvalidInput: 400,
    PermissionDenied: 403,
    NotFound: 404,
    PreconditionFailed: 409,
    RetryableError: 503,
}
_TITLES = {403: "Not for you", 404: "Not found", 409: "Not now", 429: "Too fast", 503: "Not now"}


def web_application(
    reviews: Reviews,
    settings: WebSettings,
    people: Callable[[], Mapping[str, Person]] | None,
    origins: Sequence[str],
) -> Starlette:
    """The page.

    Args:
        reviews: The service's logic.
        settings: Of the page.
        people: Who has a token now, by its digest; None: the service wants none.
        origins: As ``origins_of`` gives them.

    Raises:
        OSError: The session key or the client's secret cannot be read.
        ValueError: The session key is too short.
    """
    secure = origins[0].startswith("https:")
    file = settings.session_key_file
    key = file.read_bytes() if file is not None else secrets.token_bytes(32)
    application = Starlette(
        routes=[
            *annotating.routes(),
            *overview.routes(),
            *downloads.routes(),
            *signin.routes(settings, key.hex()),
            Mount("/static", StaticFiles(packages=[("synthvlm.review.web", "static")])),
        ],
        middleware=[Middleware(Protection, origins=frozenset(origins))],
        exception_handlers={
            SignInNeededError: _sign_in_needed,
            HTTPException: _http_error,
            DomainError: _domain_error,
        },
    )
    application.state.site = Site(
        reviews=reviews,
        figures=KeptFigures(reviews.statistics),
        settings=settings,
        sessions=Sessions(key, settings.session_hours * 3600, secure=secure),
        access=Access(settings, people),
        templates=Jinja2Templates(env=_environment()),
        posts=Rate(settings.posts_per_minute),
        sign_ins=Rate(settings.sign_ins_per_minute),
    )
    return application


def origins_of(settings: WebSettings, netloc: str) -> list[str]:
    """Scheme and host under which people open the page; the first is the one to tell them.

    Args:
        settings: Of the page.
        netloc: ``host:port`` where it is served.
    """
    if settings.public_url:
        return [settings.public_url]
    port = netloc.rpartition(":")[2]
    return [f"http://{netloc}", f"http://localhost:{port}"]


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("synthvlm.review.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": lambda number: f"{number:,}",
        "percent": lambda part: f"{100 * part:.1f}\N{NO-BREAK SPACE}%",
        "words": lambda member: member.name.lower().replace("_", " "),
        "time": lambda second: datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    environment.globals |= {
        "interval_chart": charts.interval_chart,
        "bar": charts.bar,
        "precision_chart": charts.precision_chart,
        "request_id": lambda: secrets.token_hex(16),
    }
    return environment


async def _sign_in_needed(request: Request, _: Exception) -> Response:
    if request.method != "GET" or _wants_json(request):
        return JSONResponse({"detail": "sign in again"}, 401)
    return RedirectResponse(f"/sign-in?next={quote(urlsplit(str(request.url)).path)}", 303)


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return _problem(request, error.status_code, error.detail, error.headers)


async def _domain_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, DomainError):
        raise error
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    headers = {}
    if isinstance(error, RetryableError):
        headers["Retry-After"] = str(max(1, round(error.retry_after_seconds)))
    return _problem(request, status, error.message, headers)


def _problem(
    request: Request, status: int, detail: str, headers: Mapping[str, str] | None
) -> Response:
    response: Response
    if _wants_json(request):
        response = JSONResponse({"detail": detail}, status)
    else:
        title = _TITLES.get(status, "This did not work")
        response = show(request, "problem.html.j2", status=status, title=title, detail=detail)
    response.headers.update(headers or {})
    return response


def _wants_json(request: Request) -> bool:
    return "text/html" not in request.headers.get("accept", "")
