"""HTTP for all connectors: the one module that knows httpx.

A request is plain data, so the same connector code talks to a real server or, in the simulated world, to a function.
Retry happens here and only here: a call that is safe to repeat is tried again by tenacity; afterwards it is an error
of `connectors.errors`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from math import isfinite, nan
from typing import Any, Protocol

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
)

from connectors.errors import (
    ConnectorError,
    ContractError,
    CredentialsError,
    NoAnswerError,
    RefusedError,
    RetriableError,
    ScopeError,
    ShadowError,
    ThrottledError,
    UnavailableError,
)

MAX_WAIT_IN_CALL_SECONDS = 10.0
"""A longer wait is not slept inside a call: the caller gets a ThrottledError and does something else meanwhile."""

LONGEST_WAIT_SECONDS = 3_600.0
"""A platform that asks for more than this is asked once an hour: a slip there must not silence a channel for days."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. `path` starts with a slash and may carry a query; header names are lower-case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One answer; header names are lower-case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:  # a wire document: typed by the mapping that reads it
        """Parses the body.

        Raises:
            ContractError: the body is not JSON.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise ContractError(
                f"expected JSON, got {len(self.body)} bytes of something else (HTTP {self.status})"
            ) from error


Send = Callable[[HttpRequest], HttpResponse]


class Bucket(Protocol):
    """Points of the platform that all who call with one credential spend together."""

    def spend(self, points: float, kept: float = 0.0) -> float:
        """Takes points if that share of the bucket stays in it, and answers 0.0; else the seconds until it can."""

    def learn(self, points: float, maximum: float, restored_per_second: float) -> None:
        """Takes over what an answer says is in it."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a connection takes from outside: the wire, the clock, and the shared ceilings.

    `reserve(operation, period_seconds)` takes this account's next slot for an operation that may run once in a
    period, for all processes together; it answers 0.0 when taken now, else the seconds until one is free. `bucket`
    None: nobody else calls with this credential.
    """

    send: Send
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    reserve: Callable[[str, float], float]
    bucket: Bucket | None = None


def reads_by_method(request: HttpRequest) -> bool:
    """Whether a request only reads, where the method says so."""
    return request.method in ("GET", "HEAD")


def cut(send: Send, is_reading: Callable[[HttpRequest], bool], is_cut: Callable[[], bool], *, account: str) -> Send:
    """A wire on which, while it is cut, only what reads passes. Each request asks anew.

    Raises:
        ShadowError: the request could change something; it was not sent.
    """

    def sent(request: HttpRequest) -> HttpResponse:
        if not is_reading(request) and is_cut():
            path = request.path.partition("?")[0]
            raise ShadowError(f"{account} is in the shadow: {request.method} {path} was not sent")
        return send(request)

    return sent


def checked_address(url: str) -> str:
    """The address of a server, as settings have it.

    Raises:
        ValueError: it names no server that speaks HTTP. What is said is without it: people put keys before the server.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError("it is not an address") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("it must start with https:// and name a server")
    return url


@contextmanager
def httpx_sender(base_url: str, *, timeout_seconds: float = 30.0) -> Iterator[Send]:
    """Opens a real HTTP wire to one server; redirects and cookies are not followed or kept."""
    with httpx.Client(base_url=base_url, timeout=timeout_seconds, follow_redirects=False) as client:

        def send(request: HttpRequest) -> HttpResponse:
            try:
                answer = client.request(
                    request.method, request.path, headers=dict(request.headers), content=request.body
                )
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                raise UnavailableError(f"{base_url} cannot be reached: {error}") from error
            except httpx.TransportError as error:
                raise NoAnswerError(f"{base_url} gave no answer to {request.method}: {type(error).__name__}") from error
            except UnicodeEncodeError as error:
                raise CredentialsError("the credential holds a character that no header can carry") from error
            except httpx.InvalidURL as error:
                raise ContractError(f"{base_url} is not an address: {error}") from error
            client.cookies.clear()
            return HttpResponse(
                answer.status_code,
                {name.lower(): value for name, value in answer.headers.items()},
                answer.content,
            )

        yield send


class HttpClient:
    """Sends with retries and turns statuses into the error tree.

    Args:
        runtime: wire and clock.
        headers: sent with every request (sign-in, version); never logged.
        platform: names the platform in messages.
        attempts: tries of a repeatable call in all.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        platform: str,
        headers: Mapping[str, str] | None = None,
        attempts: int = 4,
    ) -> None:
        self._runtime = runtime
        self._platform = platform
        self._headers = dict(headers or {})
        self._attempts = attempts

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        is_repeatable: bool | None = None,
    ) -> HttpResponse:
        """Sends one call and answers any status below 400.

        `is_repeatable` (default: GET and HEAD) says that the call may be sent again although it may have had its
        effect. Others are only sent again after an answer that proves that nothing was done (429, 503).

        Raises:
            ConnectorError: see `connectors.errors`; RefusedError for any other status of 400 to 499.
        """
        repeatable = method in ("GET", "HEAD") if is_repeatable is None else is_repeatable
        request = HttpRequest(method, path, {**self._headers, **(headers or {})}, body)
        retrying = Retrying(
            sleep=self._runtime.sleep,
            stop=stop_after_attempt(self._attempts),
            wait=_wait,
            retry=retry_if_exception(lambda error: _may_try_again(error, repeatable=repeatable)),
            reraise=True,
        )
        return retrying(self._once, request)

    def _once(self, request: HttpRequest) -> HttpResponse:
        response = self._runtime.send(request)
        if response.status < 400:
            return response
        raise self._error(request, response)

    def _error(self, request: HttpRequest, response: HttpResponse) -> ConnectorError:
        what = f"{self._platform} answered {response.status} to {request.method} {request.path.partition('?')[0]}"
        request_id = response.headers.get("x-request-id")
        match response.status:
            case 401:
                return CredentialsError(f"{what}: sign-in refused, check the credential", request_id=request_id)
            case 403:
                return ScopeError(f"{what}: the credential lacks this right", request_id=request_id)
            case 429:
                seconds = retry_after_seconds(response, self._runtime.now())
                return ThrottledError(
                    f"{what}: wait {seconds:.0f} s",
                    retry_after_seconds=seconds,
                    request_id=request_id,
                )
            case 503 | 502 | 504:
                kind = UnavailableError if response.status == 503 else NoAnswerError
                return kind(f"{what}: the platform is down", request_id=request_id)
            case status if status >= 500:
                return NoAnswerError(f"{what}: the platform failed", request_id=request_id)
            case _:
                return RefusedError(what, request_id=request_id)


def retry_after_seconds(response: HttpResponse, now: datetime, default: float = 1.0) -> float:
    """Reads `Retry-After` in both its forms; `default` where there is none that can be read. At most an hour.

    A moment there is on the server's clock, as the answer's own `Date` is; ours stands in only where there is none.
    """
    value = response.headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value, response, now)
    return min(max(0.0, seconds), LONGEST_WAIT_SECONDS) if isfinite(seconds) else default


def _seconds_until(value: str, response: HttpResponse, now: datetime) -> float:
    """Not a number: that is no moment."""
    try:
        then = parsedate_to_datetime(value)
        said = response.headers.get("date") if "age" not in response.headers else None
        return (then - (parsedate_to_datetime(said) if said else now)).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return nan


def clock_span(response: HttpResponse, sent: datetime, received: datetime) -> tuple[float, float] | None:
    """Between how many seconds the server's clock is ahead of ours (below 0: behind); None: the answer does not say.

    Its `Date` was written at a moment between `sent` and `received`, in whole seconds, cut off (RFC 9110, 6.6.1). An
    answer with an `Age` was kept by a cache, and its date is of another time.
    """
    if "age" in response.headers or received < sent:
        return None
    try:
        date = parsedate_to_datetime(response.headers.get("date", ""))
        return (date - received).total_seconds(), (date - sent).total_seconds() + 1.0
    except (TypeError, ValueError, OverflowError):
        return None


def _may_try_again(error: BaseException, *, repeatable: bool) -> bool:
    if isinstance(error, ThrottledError):
        return error.retry_after_seconds <= MAX_WAIT_IN_CALL_SECONDS
    return isinstance(error, UnavailableError) or (repeatable and isinstance(error, RetriableError))


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ThrottledError):
        return error.retry_after_seconds
    return wait_exponential(multiplier=0.2, max=5.0)(state)
