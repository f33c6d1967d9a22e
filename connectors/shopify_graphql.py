"""Sends GraphQL documents to one Shopify shop within its cost budget, and reads failures into the error tree.

Shopify keeps a leaky bucket of points per app and shop: every answer states how full it is, so a call that would be
refused is not sent but waited for. Over the budget Shopify answers HTTP 200 with the code THROTTLED; nothing was done.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from connectors.errors import (
    ContractError,
    FatalError,
    NoAnswerError,
    RefusedError,
    ScopeError,
    ThrottledError,
)
from connectors.shopify_documents import Document
from connectors.transport import MAX_WAIT_IN_CALL_SECONDS, HttpClient, HttpRequest, HttpResponse, Runtime

API_VERSION = "2026-10"
LEAST_WAIT_SECONDS = 0.001
"""What is missing for a shorter time is there: clocks count no finer."""

PATH = f"/admin/api/{API_VERSION}/graphql.json"


_CHANGES = re.compile(r"\b(mutation|subscription)\b")


def is_reading(request: HttpRequest) -> bool:
    """Whether a request is one query and nothing else: every call is a POST to the same address."""
    try:
        text = json.loads(request.body)["query"]
    except (ValueError, TypeError, KeyError):
        return False
    return isinstance(text, str) and text.lstrip().startswith("query") and not _CHANGES.search(text)


class TooCostlyError(RefusedError):
    """One document asks for more than Shopify allows a single one to cost: ask for smaller windows."""


@dataclass(slots=True)
class Budget:
    """What is known of the bucket by who calls alone: `points` were in it at `known_at`; None: nothing yet."""

    now: Callable[[], datetime]
    maximum: float = 2000.0
    restored_per_second: float = 100.0
    points: float = 2000.0
    known_at: datetime | None = None

    def spend(self, points: float, kept: float = 0.0) -> float:
        """See `Bucket`; more than the bucket holds is never waited for."""
        now = self.now()
        if self.known_at is None:
            return 0.0
        passed = max(0.0, (now - self.known_at).total_seconds())
        there = min(self.maximum, self.points + passed * self.restored_per_second)
        wanted = min(points + kept * self.maximum, self.maximum)
        if wanted - there > LEAST_WAIT_SECONDS * self.restored_per_second:
            return (wanted - there) / self.restored_per_second
        self.points, self.known_at = there - points, now
        return 0.0

    def learn(self, points: float, maximum: float, restored_per_second: float) -> None:
        """Takes over what an answer states."""
        self.points, self.maximum, self.restored_per_second = points, maximum, max(1.0, restored_per_second)
        self.known_at = self.now()


class GraphqlClient:
    """One signed-in shop."""

    def __init__(self, runtime: Runtime, access_token: str) -> None:
        self._runtime = runtime
        self._budget = runtime.bucket or Budget(runtime.now)
        self._points: dict[str, float] = {}
        self._http = HttpClient(
            replace(runtime, send=self._send),
            platform="Shopify",
            headers={"x-shopify-access-token": access_token, "content-type": "application/json"},
        )
        self.served_version: str | None = None

    def run(self, document: Document, variables: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Runs one document and answers its `data`.

        Raises:
            ConnectorError: see `connectors.errors`; TooCostlyError where smaller windows would do.
        """
        self._wait_for_points(document)
        body = json.dumps(
            {"query": document.text, "operationName": document.name, "variables": variables or {}},
            separators=(",", ":"),
        ).encode()
        try:
            response = self._http.request("POST", PATH, body=body, is_repeatable=not document.is_mutation)
        except RefusedError as error:
            # 402 frozen, 404 no such shop or version, 423 locked: no row is at fault, no call can work.
            raise FatalError(f"{error}: check the shop's address and plan") from error
        self.served_version = response.headers.get("x-shopify-api-version", self.served_version)
        return self._data(document, response)

    def _wait_for_points(self, document: Document) -> None:
        points = self._points.get(document.name, float(document.points))
        waited = 0.0
        while (seconds := self._budget.spend(points, 0.5 if document.is_patient else 0.0)) > 0:
            # Others spend from the same bucket meanwhile: whoever has waited long enough does something else.
            waited += seconds
            if waited > MAX_WAIT_IN_CALL_SECONDS:
                raise ThrottledError(
                    f"Shopify's budget has not the {points:.0f} points of {document.name}: wait {seconds:.0f} s",
                    retry_after_seconds=seconds,
                )
            self._runtime.sleep(seconds)

    def _send(self, request: HttpRequest) -> HttpResponse:
        """The wire, with the two failures that Shopify hides in a 200 made visible to the layer that tries again."""
        response = self._runtime.send(request)
        if response.status != 200:
            return response
        if b'"THROTTLED"' in response.body and "THROTTLED" in _codes(response):
            cost = _cost(response.json())
            self._learn(cost)
            seconds = _missing_seconds(cost) or 1.0
            return HttpResponse(429, {**response.headers, "retry-after": f"{seconds:.3f}"}, response.body)
        if b'"INTERNAL_SERVER_ERROR"' in response.body and "INTERNAL_SERVER_ERROR" in _codes(response):
            return HttpResponse(500, response.headers, response.body)
        return response

    def _learn(self, cost: Mapping[str, Any]) -> None:
        status = cost.get("throttleStatus") or {}
        if status.keys() >= {"maximumAvailable", "currentlyAvailable", "restoreRate"}:
            self._budget.learn(
                float(status["currentlyAvailable"]), float(status["maximumAvailable"]), float(status["restoreRate"])
            )

    def _data(self, document: Document, response: HttpResponse) -> dict[str, Any]:
        payload = response.json()
        request_id = response.headers.get("x-request-id")
        if not isinstance(payload, dict):
            raise ContractError(f"Shopify answered {document.name} with no object", request_id=request_id)
        cost = _cost(payload)
        self._learn(cost)
        if cost.get("requestedQueryCost"):
            self._points[document.name] = float(cost["requestedQueryCost"])
        if payload.get("errors"):
            raise _failure(document, payload["errors"], request_id)
        data = payload.get("data")
        if not isinstance(data, dict):
            raise ContractError(f"Shopify answered {document.name} without data", request_id=request_id)
        return data


def _missing_seconds(cost: Mapping[str, Any]) -> float:
    """How long until the bucket holds what a refused call asked for."""
    status = cost.get("throttleStatus") or {}
    wanted = min(float(cost.get("requestedQueryCost") or 0.0), float(status.get("maximumAvailable") or 0.0))
    missing = wanted - float(status.get("currentlyAvailable") or 0.0)
    return max(0.0, missing / max(1.0, float(status.get("restoreRate") or 1.0)))


def _codes(response: HttpResponse) -> set[str]:
    payload = response.json()
    errors = payload.get("errors") if isinstance(payload, dict) else None
    return {_code(error) for error in errors} if isinstance(errors, list) else set()


def _code(error: Any) -> str:  # a wire document
    extensions = error.get("extensions") if isinstance(error, dict) else None
    return str(extensions.get("code", "")) if isinstance(extensions, dict) else ""


def _cost(payload: Any) -> dict[str, Any]:  # a wire document
    extensions = payload.get("extensions") if isinstance(payload, dict) else None
    cost = extensions.get("cost") if isinstance(extensions, dict) else None
    return cost if isinstance(cost, dict) else {}


def _failure(document: Document, errors: Any, request_id: str | None) -> Exception:  # a wire document
    first = errors[0] if isinstance(errors, list) and errors else errors
    code = _code(first)
    message = str(first.get("message", "")) if isinstance(first, dict) else str(first)
    what = f"Shopify refused {document.name}: {code or 'no code'}: {message[:160]}"
    match code:
        case "ACCESS_DENIED":
            return ScopeError(what, request_id=request_id)
        case "MAX_COST_EXCEEDED":
            return TooCostlyError(what, request_id=request_id)
        case "SHOP_INACTIVE":
            return FatalError(what, request_id=request_id)
        case "TIMEOUT" | "IDEMPOTENCY_CONCURRENT_REQUEST":
            return NoAnswerError(what, request_id=request_id)
        case _:
            return ContractError(what, request_id=request_id)
