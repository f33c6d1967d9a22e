"""What the pages of the store desk share: who is signed in, forms that nobody else can send, language, templates.

One cookie holds a random token. Before the sign-in it is only what forms are checked against; the sign-in gives a new
one, whose hash is a session in the database. Every form carries a code made of the token, which no other site can know.

Whoever asks with `HX-Request` is the script of a page: it gets the piece that changes, and where that belongs.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from fastapi import Depends, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from nervure.operations.desk import Actor
from nervure.operations.desk_users import SESSION_HOURS, signed_in
from nervure.operations.hub import Hub
from nervure.service.desk_texts import LANGUAGES, TEXTS, month, wanted
from nervure.service.hub import TheHub
from nervure.service.templating import TEMPLATES
from nervure.store.desk_users import DeskUser

TOKEN_COOKIE = "nervure_desk"  # noqa: S105 - the cookie's name
LANGUAGE_COOKIE = "nervure_desk_language"
MAX_FORM_BYTES = 64_000
YEAR_SECONDS = 31_536_000

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "Vary": "HX-Request",
    "X-Content-Type-Options": "nosniff",
}
"""Nothing is loaded from elsewhere, no script runs but our files, nobody frames the pages, no browser keeps them."""


class SignedOutError(Exception):
    """Nobody is signed in, or not any more."""


class UnusableError(Exception):
    """What came is not what a page of ours sends. `text`: what is said of it; `status`: how it is answered."""

    text, status = "not_understood", 422


class ForeignFormError(UnusableError):
    """A form that none of our pages has sent to this visitor, or long ago."""

    text, status = "stale_form", 403


class LongFormError(UnusableError):
    """A form that is longer than any of ours."""

    text, status = "too_long", 413


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece of a page belongs, and what becomes of what is there, in htmx's words."""

    target: str
    swap: str


MIDDLE = Place("main", "innerHTML show:window:top")
IN_THE_FORM = Place("find .said", "innerHTML")
"""In what asked for it, so that what was typed stays, and who typed it looks there."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: who it is from (None: nobody is signed in), in which language, and the token of its cookie.

    `is_part`: a script asks for a piece of a page.
    """

    hub: Hub
    user: DeskUser | None
    language: str
    token: str
    path: str
    is_secure: bool
    is_part: bool

    @property
    def form_code(self) -> str:
        """What every form of this visitor carries."""
        return hmac.new(self.token.encode(), b"form", hashlib.sha256).hexdigest()

    @property
    def actor(self) -> Actor:
        """Who acts, and for which location.

        Raises:
            SignedOutError: nobody is signed in.
        """
        if self.user is None:
            raise SignedOutError
        return Actor(self.user.name, self.user.location)

    def text(self, key: str) -> str:
        """A text of the pages in this language."""
        return TEXTS[self.language][key]

    def when(self, moment: datetime) -> str:
        """A time as the people of the location read it."""
        here = moment.astimezone(ZoneInfo(self.user.time_zone if self.user else "UTC"))
        return f"{here.day} {month(self.language, here.month)} {here:%H:%M}"

    def page(self, template: str, status: int = 200, /, **values: Any) -> Response:  # what a template shows
        """A page as this visitor sees it, or its middle where a script asks."""
        if self.is_part:
            return self.part(template, MIDDLE, status, **values)
        response = HTMLResponse(self._rendered(template, "desk_base.html", values), status, headers=HEADERS)
        self._keep(response, TOKEN_COOKIE, self.token, seconds=SESSION_HOURS * 3600)
        self._keep(response, LANGUAGE_COOKIE, self.language, seconds=YEAR_SECONDS)
        return response

    def part(self, template: str | None, place: Place, status: int = 200, /, **values: Any) -> Response:  # as for pages
        """A piece of a page, with its place; None: nothing, which takes away what stands there.

        It sets no cookie: an answer that is late would bring back who has signed out meanwhile.
        """
        html = self._rendered(template, "desk_part.html", values) if template else ""
        return HTMLResponse(html, status, {**HEADERS, "HX-Retarget": place.target, "HX-Reswap": place.swap})

    def _rendered(self, template: str, layout: str, values: Mapping[str, Any]) -> str:
        return TEMPLATES.get_template(template).render(
            visit=self, t=TEXTS[self.language], when=self.when, languages=LANGUAGES, layout=layout, **values
        )

    def go(self, path: str, *, token: str | None = None) -> Response:
        """Sends the browser to another page, so that going back or loading again sends no form twice."""
        if self.is_part:
            response = Response(headers={**HEADERS, "HX-Redirect": path})
        else:
            response = RedirectResponse(path, 303, headers=HEADERS)
        if token is not None:
            self._keep(response, TOKEN_COOKIE, token, seconds=SESSION_HOURS * 3600)
        return response

    def _keep(self, response: Response, name: str, value: str, *, seconds: int) -> None:
        response.set_cookie(
            name, value, max_age=seconds, path="/desk", secure=self.is_secure, httponly=True, samesite="strict"
        )


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(32)


def visit(request: Request, hub: TheHub) -> Visit:
    """Who asks, signed in or not."""
    token = request.cookies.get(TOKEN_COOKIE, "")
    user = signed_in(hub, token) if token else None
    chosen = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    language = chosen if chosen in LANGUAGES else wanted(request.headers.get("accept-language", ""))
    return Visit(
        hub,
        user,
        language,
        token or new_token(),
        request.url.path,
        is_secure=request.url.scheme == "https",
        is_part=request.headers.get("hx-request") == "true",
    )


AnyVisit = Annotated[Visit, Depends(visit)]


def user_visit(found: AnyVisit) -> Visit:
    """Somebody who is signed in.

    Raises:
        SignedOutError: nobody is.
    """
    if found.user is None:
        raise SignedOutError
    return found


UserVisit = Annotated[Visit, Depends(user_visit)]


async def form(request: Request, found: AnyVisit) -> Mapping[str, str]:
    """The fields of a form that one of our pages sent; where one is there twice, the last one counts.

    Raises:
        UnusableError: it is too long, or came from elsewhere.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise LongFormError
    fields = dict(await run_in_threadpool(parse_qsl, body.decode("utf-8", "replace"), keep_blank_values=True))
    if not hmac.compare_digest(fields.get("form_code", "").encode(), found.form_code.encode()):
        raise ForeignFormError
    return {name: value.replace("\x00", "") for name, value in fields.items()}


Form = Annotated[Mapping[str, str], Depends(form)]


class DeskRoute(APIRoute):
    """People are not answered in JSON: what a page's address or fields cannot be is said on a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Handles a request as FastAPI does, up to its refusals.

        Raises:
            UnusableError: what came is not as it must be.
        """
        handle = super().get_route_handler()

        async def said(request: Request) -> Response:
            try:
                return await handle(request)
            except (RequestValidationError, HTTPException) as error:
                raise UnusableError from error

        return said
