"""What the pages of the store desk share: who is signed in, forms that nobody else can send, language, templates.

One cookie holds a random token. Before the sign-in it is only what forms are checked against; the sign-in gives a new
one, whose hash is a session in the database. Every form carries a code made of the token, which no other site can know.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from fastapi import Depends, HTTPException, Request
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
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Nothing is loaded from elsewhere, no script runs, nobody frames the pages, and no browser keeps what they show."""


class SignedOutError(Exception):
    """Nobody is signed in, or not any more."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: who it is from (None: nobody is signed in), in which language, and the token of its cookie."""

    hub: Hub
    user: DeskUser | None
    language: str
    token: str
    path: str
    is_secure: bool

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

    def page(self, template: str, status: int = 200, **values: Any) -> Response:  # what a template shows
        """A page as this visitor sees it."""
        html = TEMPLATES.get_template(template).render(
            visit=self,
            t=TEXTS[self.language],
            when=self.when,
            now=self.hub.clock.now(),
            languages=LANGUAGES,
            **values,
        )
        response = HTMLResponse(html, status, headers=HEADERS)
        self._keep(response, TOKEN_COOKIE, self.token, seconds=SESSION_HOURS * 3600)
        self._keep(response, LANGUAGE_COOKIE, self.language, seconds=YEAR_SECONDS)
        return response

    def go(self, path: str, *, token: str | None = None) -> Response:
        """Sends the browser to another page, so that going back or loading again sends no form twice."""
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
    return Visit(hub, user, language, token or new_token(), request.url.path, request.url.scheme == "https")


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
        HTTPException: it is too long, or came from elsewhere.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise HTTPException(413, f"a form may hold at most {MAX_FORM_BYTES} bytes")
    fields = dict(await run_in_threadpool(parse_qsl, body.decode("utf-8", "replace"), keep_blank_values=True))
    if not hmac.compare_digest(fields.get("form_code", "").encode(), found.form_code.encode()):
        raise ForeignFormError
    return {name: value.replace("\x00", "") for name, value in fields.items()}


class ForeignFormError(Exception):
    """A form that none of our pages has sent to this visitor, or long ago."""


Form = Annotated[Mapping[str, str], Depends(form)]
