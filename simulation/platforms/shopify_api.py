"""The emulated Shopify Admin API: signs in, counts the cost, and runs GraphQL documents by graphql-core.

Cost: a mutation is 10 points, an object 1, a window of n about 1 + 1.55 ln n times its node: fitted to captures of
2026-04. Answers are charged in full, where Shopify gives back what a window did not hold.
"""

import json
import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    execute_sync,
    parse,
    validate,
)

from connectors.transport import HttpRequest, HttpResponse
from simulation.platforms.shopify_mutations import Mutations
from simulation.platforms.shopify_queries import Queries
from simulation.platforms.shopify_schema import SCHEMA
from simulation.platforms.shopify_shop import Shop
from simulation.platforms.shopify_webhooks import Webhooks

API_VERSION = "2026-10"
PATH = f"/admin/api/{API_VERSION}/graphql.json"
MOST_POINTS_OF_ONE_DOCUMENT = 1000
MUTATION_POINTS = 10

_FREE = {"userErrors", "orderCancelUserErrors", "shopMoney", "presentmentMoney", "changes", "job", "edges", "nodes"}


@dataclass(frozen=True, slots=True)
class Rate:
    """The bucket: points it holds, and points restored a second."""

    maximum_points: float = 2000.0
    restored_per_second: float = 100.0


@dataclass(frozen=True, slots=True)
class _Known:
    """A document that was sent before."""

    document: DocumentNode | None
    problems: tuple[GraphQLError, ...]


class AdminApi:
    """HTTP in, HTTP out."""

    def __init__(self, shop: Shop, webhooks: Webhooks, *, domain: str, access_token: str, rate: Rate) -> None:
        self._queries = Queries(shop, webhooks, domain)
        self._mutations = Mutations(shop, webhooks)
        self._access_token = access_token
        self._rate = rate
        self._points = rate.maximum_points
        self._filled_at: datetime | None = None
        self._known: dict[str, _Known] = {}
        self._last_request = 0
        self.calls: Counter[str] = Counter()

    def handle(self, request: HttpRequest, now: datetime) -> HttpResponse:
        self._last_request += 1
        if request.headers.get("x-shopify-access-token") != self._access_token:
            message = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return self._answer(401, {"errors": message})
        if request.path.partition("?")[0] != PATH or request.method != "POST":
            return self._answer(404, {"errors": "Not Found"})
        try:
            wanted = json.loads(request.body)
        except ValueError:
            return self._answer(400, {"errors": {"query": "Required parameter missing or invalid"}})
        if not isinstance(wanted, dict) or not isinstance(wanted.get("query"), str):
            return self._answer(400, {"errors": {"query": "Required parameter missing or invalid"}})
        return self._answer(200, self._run(wanted, now))

    def _answer(self, status: int, body: Mapping[str, Any]) -> HttpResponse:
        headers = {
            "content-type": "application/json; charset=utf-8",
            "x-request-id": f"request-{self._last_request}",
            "x-shopify-api-version": API_VERSION,
        }
        return HttpResponse(status, headers, json.dumps(body, separators=(",", ":")).encode())

    def _run(self, wanted: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        known = self._read(wanted["query"])
        if known.document is None or known.problems:
            return {"errors": [_told(problem, "undefinedField") for problem in known.problems]}
        variables = wanted.get("variables") or {}
        operation = _operation(known.document, wanted.get("operationName"))
        if operation is None:
            return {"errors": [{"message": "An operation name is required"}]}
        cost = _cost(known.document, operation, variables)
        refusal = self._spend(cost, now)
        if refusal is not None:
            return refusal
        roots = [one.name.value for one in operation.selection_set.selections if isinstance(one, FieldNode)]
        self.calls.update(roots)
        self._mutations.now = now
        result = execute_sync(
            SCHEMA,
            known.document,
            root_value=self._mutations if operation.operation is OperationType.MUTATION else self._queries,
            context_value={"variables": variables},
            variable_values=variables,
            operation_name=wanted.get("operationName"),
        )
        answer: dict[str, Any] = {}
        if result.errors:
            answer["errors"] = [_told(error, "INVALID_VARIABLE") for error in result.errors]
        if result.data is not None:
            answer["data"] = result.data
        # What the answer did not use of what was asked for flows back into the bucket.
        actual = min(cost, _cost(known.document, operation, variables, result.data or {}))
        self._points += cost - actual
        return {**answer, "extensions": {"cost": self._status(cost, actual)}}

    def _read(self, text: str) -> _Known:
        known = self._known.get(text)
        if known is None:
            try:
                document = parse(text)
                known = _Known(document, tuple(validate(SCHEMA, document)))
            except GraphQLError as error:
                known = _Known(None, (error,))
            self._known[text] = known
        return known

    def _spend(self, cost: int, now: datetime) -> dict[str, Any] | None:
        """Takes the points out of the bucket, or answers why not."""
        passed = 0.0 if self._filled_at is None else max(0.0, (now - self._filled_at).total_seconds())
        self._points = min(self._rate.maximum_points, self._points + passed * self._rate.restored_per_second)
        self._filled_at = now
        if cost > MOST_POINTS_OF_ONE_DOCUMENT:
            message = f"Query cost is {cost}, which exceeds the single query max cost limit (1000)."
            told = {"code": "MAX_COST_EXCEEDED", "cost": cost, "maxCost": MOST_POINTS_OF_ONE_DOCUMENT}
            return {"errors": [{"message": message, "extensions": told}]}
        if cost > self._points:
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return {"errors": [error], "extensions": {"cost": self._status(cost, None)}}
        self._points -= cost
        return None

    def _status(self, requested: int, actual: int | None) -> dict[str, Any]:
        return {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": self._rate.maximum_points,
                "currentlyAvailable": int(self._points),
                "restoreRate": self._rate.restored_per_second,
            },
        }


def _told(error: GraphQLError, code: str) -> dict[str, Any]:
    """An error as Shopify writes it; `code` where it has none of its own."""
    formatted: dict[str, Any] = dict(error.formatted)
    return {**formatted, "extensions": formatted.get("extensions") or {"code": code}}


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    found = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if name is None:
        return found[0] if len(found) == 1 else None
    return next((one for one in found if one.name is not None and one.name.value == name), None)


def _cost(
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    data: Mapping[str, Any] | None = None,
) -> int:
    """The points that a document asks for; with `data`, what the answer really holds."""
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    counter = _CostCounter(fragments, variables)
    points = 0.0
    for root in counter.fields(operation.selection_set):
        value = _ASKED if data is None else data.get(_said(root))
        if operation.operation is OperationType.MUTATION:
            points += MUTATION_POINTS + counter.inside(root, value)
        else:
            points += counter.field(root, value)
    return max(1, round(points))


_ASKED: Any = object()
"""Stands for an answer that is not there yet: everything that was asked for is counted."""


def _said(field: FieldNode) -> str:
    return field.alias.value if field.alias is not None else field.name.value


def _rows_of(value: Any) -> int:  # a wire document
    if isinstance(value, list):
        return len(value)
    return len(next((rows for rows in value.values() if isinstance(rows, list)), ()))


@dataclass(frozen=True, slots=True)
class _CostCounter:
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]

    def fields(self, selections: SelectionSetNode | None) -> Iterator[FieldNode]:
        for one in selections.selections if selections is not None else ():
            if isinstance(one, FieldNode):
                yield one
            elif isinstance(one, FragmentSpreadNode):
                yield from self.fields(self.fragments[one.name.value].selection_set)
            elif isinstance(one, InlineFragmentNode):
                yield from self.fields(one.selection_set)

    def inside(self, field: FieldNode, value: Any = _ASKED) -> float:
        if isinstance(value, list):
            return statistics.fmean(self.inside(field, one) for one in value) if value else 0.0
        if value is None:
            return 0.0
        return sum(
            self.field(one, value if value is _ASKED else value.get(_said(one)))
            for one in self.fields(field.selection_set)
        )

    def field(self, field: FieldNode, value: Any = _ASKED) -> float:
        if field.selection_set is None or value is None:
            return 0.0
        ids = self._argument(field, "ids")
        if isinstance(ids, list):
            return len(ids) * (1 + self.inside(field, value))
        name = field.name.value
        if name in _FREE or name.endswith("Set"):
            return self.inside(field, value)
        first = self._argument(field, "first")
        if isinstance(first, int):
            is_paged = any(one.name.value == "pageInfo" for one in self.fields(field.selection_set))
            rows = first if value is _ASKED else _rows_of(value)
            if rows == 0:
                return 1.0 + is_paged
            node = 1 + self.inside(field, value) - is_paged
            return 1 + round(1 + 1.55 * math.log(rows)) * node + is_paged
        return 1 + self.inside(field, value)

    def _argument(self, field: FieldNode, name: str) -> object:
        for argument in field.arguments or ():
            if argument.name.value == name:
                if isinstance(argument.value, VariableNode):
                    return self.variables.get(argument.value.name.value)
                if isinstance(argument.value, IntValueNode):
                    return int(argument.value.value)
        return None
