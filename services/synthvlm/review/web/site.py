"""What every request of the page works with, and who sends it."""

import re
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from synthvlm.review.people import Person, Role
from synthvlm.review.reviews import Reviews
from synthvlm.review.web.access import Access
from synthvlm.review.web.kept_figures import KeptFigures
from synthvlm.review.web.protection import CSRF_HEADER, Rate, require_own_form
from synthvlm.review.web.sessions import Session, Sessions
from synthvlm.review.web.settings import WebSettings

_PATH = re.compile(r"/(?!/)[A-Za-z0-9/_-]{0,200}")


@dataclass(frozen=True)
class Site:
    """The page's parts.

    Attributes:
        reviews: The service's logic.
        figures: Of the campaigns.
        posts: Limits requests that change something, by person.
        sign_ins: Limits attempts to sign in, by address.
    """

    reviews: Reviews
    figures: KeptFigures
    settings: WebSettings
    sessions: Sessions
    access: Access
    templates: Jinja2Templates
    posts: Rate
    sign_ins: Rate


class SignInNeededError(Exception):
    """Nobody has signed in, or the session has ended."""


def site(request: Request) -> Site:
    """The parts that serve ``request``."""
    found: Site = request.app.state.site
    return found


@dataclass(frozen=True)
class Visitor:
    """A person and their session."""

    person: Person
    session: Session

    @property
    def is_owner(self) -> bool:
        """Whether they may do everything."""
        return self.person.role >= Role.OWNER


def visitor(request: Request) -> Visitor:
    """Who sends a request.

    Raises:
        SignInNeededError: Nobody has signed in, or the session has ended.
    """
    parts = site(request)
    session = parts.sessions.read(request)
    person = parts.access.person(session) if session is not None else None
    if session is None or person is None:
        raise SignInNeededError
    return Visitor(person, session)


def changing_visitor(request: Request, csrf: str | None = None) -> Visitor:
    """The same for a request that changes something: it is from our page, and not one too many.

    Args:
        request: The request.
        csrf: The token that the form repeats; None: a header does.

    Raises:
        SignInNeededError: Nobody has signed in, or the session has ended.
        HTTPException: It may not change anything; 403 or 429.
    """
    found = visitor(request)
    require_own_form(found.session, csrf or request.headers.get(CSRF_HEADER))
    site(request).posts.count(found.person.name)
    return found


def show(
    request: Request, name: str, known: Visitor | None = None, status: int = 200, **values: Any
) -> Response:
    """The page made of a template."""
    context = {"visitor": known, **values}
    return site(request).templates.TemplateResponse(request, name, context, status_code=status)


def local_path(path: str | None) -> str:
    """Where to go after signing in: a path of this site, whatever was asked for."""
    return path if path and _PATH.fullmatch(path) else "/"
