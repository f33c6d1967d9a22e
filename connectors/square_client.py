"""Square's way of asking: bearer token, version header, errors with codes, cursors."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr

from connectors.errors import ContractError, RefusedError, UnavailableError
from connectors.transport import HttpClient, HttpRequest, HttpResponse, Runtime, reads_by_method

API_VERSION = "2025-08-20"

_NOT_ABOUT_THE_CALL = (401, 403, 429)
"""Sign-in, rights and pace: the shared client knows what they mean."""

Wire = dict[str, Any]
"""A JSON object of Square; the mapping types it."""


_QUESTIONS = ("/search", "/batch-retrieve")


def is_reading(request: HttpRequest) -> bool:
    """Whether a request changes nothing: some questions are asked by POST."""
    path = request.path.partition("?")[0]
    return reads_by_method(request) or (request.method == "POST" and path.endswith(_QUESTIONS))


class SquareRefusedError(RefusedError):
    """Square refused a call.

    `codes` are its error codes. `text` is what it says about them, which may quote the request: it is for matching,
    never for messages. `answered_at` is its own clock as the Date header of the refusal has it; empty: it had none.
    """

    def __init__(self, message: str, *, codes: tuple[str, ...], text: str, answered_at: str) -> None:
        super().__init__(message)
        self.codes = codes
        self.text = text
        self.answered_at = answered_at


class SquareClient:
    """One signed-in account."""

    def __init__(self, runtime: Runtime, access_token: SecretStr) -> None:
        self._send = runtime.send
        self._http = HttpClient(
            replace(runtime, send=self._listen),
            platform="Square",
            headers={
                "authorization": f"Bearer {access_token.get_secret_value()}",
                "square-version": API_VERSION,
                "content-type": "application/json",
                "accept": "application/json",
            },
        )

    def get(self, path: str, **query: str) -> Wire:
        """Reads one object or one page."""
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path, is_repeatable=True)

    def ask(self, path: str, payload: Wire) -> Wire:
        """Sends a question as POST: it changes nothing, so it may be repeated."""
        return self._call("POST", path, payload, is_repeatable=True)

    def change(self, method: str, path: str, payload: Wire) -> Wire:
        """Sends a change once: when no answer comes, whether it had an effect is unknown."""
        return self._call(method, path, payload, is_repeatable=False)

    def pages(self, read: Callable[[dict[str, str]], Wire]) -> Iterator[Wire]:
        """Reads a list page by page; `read` gets the cursor as a field, or nothing for the first page.

        Raises:
            UnavailableError: the cursor is older than 5 minutes: start again from the last watermark.
            ContractError: the cursor does not move.
        """
        cursor: dict[str, str] = {}
        while True:
            try:
                answer = read(cursor)
            except SquareRefusedError as error:
                if cursor and "INVALID_CURSOR" in error.codes:
                    raise UnavailableError(
                        "Square's cursor is no longer valid (it lives 5 minutes): start again"
                    ) from error
                raise
            yield answer
            following = answer.get("cursor")
            if not following:
                return
            if following == cursor.get("cursor"):
                raise ContractError("Square gave the same cursor twice: the list would never end")
            cursor = {"cursor": following}

    def _call(self, method: str, path: str, payload: Wire | None = None, *, is_repeatable: bool) -> Wire:
        body = b"" if payload is None else json.dumps(payload).encode()
        answer = self._http.request(method, path, body=body, is_repeatable=is_repeatable).json()
        if not isinstance(answer, dict) or answer.get("errors"):
            raise ContractError(f"Square answered {method} {path.partition('?')[0]} with something unexpected")
        return answer

    def _listen(self, request: HttpRequest) -> HttpResponse:
        """Reads Square's codes from a refusal, whose body the shared client does not pass on."""
        response = self._send(request)
        if not 400 <= response.status < 500 or response.status in _NOT_ABOUT_THE_CALL:
            return response
        problems = _problems(response.body)
        codes = tuple(str(problem.get("code", "UNKNOWN")) for problem in problems)
        what = f"Square answered {response.status} to {request.method} {request.path.partition('?')[0]}"
        raise SquareRefusedError(
            f"{what}: {', '.join(codes) or 'no reason given'}",
            codes=codes,
            text=" ".join(f"{problem.get('field', '')} {problem.get('detail', '')}" for problem in problems),
            answered_at=response.headers.get("date", ""),
        )


def rfc3339(moment: datetime) -> str:
    """A time as Square writes it, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment_of(stamp: object) -> datetime | None:
    """Reads a time of Square; None where there is none that names its zone."""
    try:
        moment = datetime.fromisoformat(stamp) if isinstance(stamp, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _problems(body: bytes) -> list[Wire]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return []
    errors = answer.get("errors") if isinstance(answer, dict) else None
    return [problem for problem in errors if isinstance(problem, dict)] if isinstance(errors, list) else []
