"""Signing in, by token or by OpenID Connect, and signing out."""

import re
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from httpx2 import HTTPError
from joserfc.errors import JoseError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from synthvlm.errors import Unauthenticated
from synthvlm.review.people import NAME
from synthvlm.review.web.protection import CSRF_FIELD
from synthvlm.review.web.settings import WebSettings
from synthvlm.review.web.site import changing_visitor, local_path, show, site

_NAME_RULE = (
    "Give a name of at most 64 letters, digits, dots, dashes, underscores or @, with a letter or a "
    "digit first."
)
_STATE_SECONDS = 600


def routes(settings: WebSettings, key: str) -> list[Route | Mount]:
    """The routes of signing in.

    Args:
        settings: Of the page.
        key: Signs the cookie that holds the state of a sign-in while the provider is asked.
    """
    found: list[Route | Mount] = [
        Route("/sign-in", _form, methods=["GET"]),
        Route("/sign-in", _sign_in, methods=["POST"]),
        Route("/sign-out", _sign_out, methods=["POST"]),
    ]
    if settings.oidc_issuer:
        provider = _Provider(settings)
        state = Middleware(
            SessionMiddleware,
            secret_key=key,
            session_cookie="review-sign-in",
            max_age=_STATE_SECONDS,
            path="/oidc",
            # The provider's answer is a navigation from another site.
            same_site="lax",
            https_only=settings.public_url.startswith("https:"),
        )
        found.append(
            Mount(
                "/oidc",
                routes=[
                    Route("/start", provider.start, methods=["GET"]),
                    Route("/callback", provider.callback, methods=["GET"]),
                ],
                middleware=[state],
            )
        )
    return found


async def _form(request: Request) -> Response:
    return _form_page(request)


def _form_page(request: Request, problem: str = "", status: int = 200) -> Response:
    return show(
        request,
        "sign_in.html.j2",
        status=status,
        access=site(request).access,
        problem=problem,
        next=local_path(request.query_params.get("next")),
    )


async def _sign_in(request: Request) -> Response:
    parts = site(request)
    parts.sign_ins.count(request.client.host if request.client is not None else "")
    async with request.form(max_files=0, max_fields=8) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
    name = fields.get("annotator", "").strip()
    if parts.access.is_open and not re.fullmatch(NAME, name):
        return _form_page(request, _NAME_RULE, 400)
    try:
        person, credential = (
            parts.access.with_name(name)
            if parts.access.is_open
            else parts.access.with_token(fields.get("token", "").strip())
        )
    except Unauthenticated:
        return _form_page(request, "This token is not valid here.", 401)
    response = RedirectResponse(local_path(request.query_params.get("next")), 303)
    parts.sessions.begin(response, person.name, credential)
    return response


async def _sign_out(request: Request) -> Response:
    async with request.form(max_files=0, max_fields=2) as form:
        changing_visitor(request, str(form.get(CSRF_FIELD, "")))
    response = RedirectResponse("/sign-in", 303)
    site(request).sessions.end(response)
    return response


class _Provider:
    """The OpenID Connect provider: authorization code flow with PKCE and nonce, by Authlib."""

    def __init__(self, settings: WebSettings) -> None:
        if settings.oidc_client_secret_file is None:
            raise ValueError("a provider needs the client's secret")
        self._settings = settings
        self._client: Any = OAuth().register(
            "oidc",
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret_file.read_text("utf-8").strip(),
            server_metadata_url=f"{settings.oidc_issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile email",
                "code_challenge_method": "S256",
                "timeout": 10.0,
            },
        )

    async def start(self, request: Request) -> Response:
        """Sends the browser to the provider."""
        request.session["next"] = local_path(request.query_params.get("next"))
        try:
            response: Response = await self._client.authorize_redirect(
                request, f"{self._settings.public_url}/oidc/callback"
            )
        except (HTTPError, OAuthError) as error:
            raise HTTPException(502, "the sign-in provider cannot be reached") from error
        return response

    async def callback(self, request: Request) -> Response:
        """Takes the provider's answer, and begins the session of the person that it names."""
        site(request).sign_ins.count(request.client.host if request.client is not None else "")
        try:
            token = await self._client.authorize_access_token(request)
        except (HTTPError, OAuthError, JoseError, ValueError) as error:
            raise HTTPException(401, "the provider did not sign you in; try again") from error
        name = str((token.get("userinfo") or {}).get(self._settings.oidc_claim, ""))
        if not re.fullmatch(NAME, name):
            raise HTTPException(
                403, f"the provider's claim {self._settings.oidc_claim} does not name a person here"
            )
        path = local_path(request.session.get("next"))
        request.session.clear()
        # Not a redirect: a browser sends no SameSite=Strict cookie along a chain of redirects that
        # another site began.
        page = show(request, "signed_in.html.j2", path=path)
        person, credential = site(request).access.with_provider(name)
        site(request).sessions.begin(page, person.name, credential)
        return page
