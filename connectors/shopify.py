"""Shopify, by its Admin GraphQL API 2026-10.

Facts: the published schema of 2026-10, webhook schemas of 2026-07 and captures of 2026-04; read 2026-11-22.

Limits: 250 (item, location) pairs in one write; 250 objects in one list; 1,000 points for one document; 2,000 points in
the bucket, restored at 100 to 2,000 a second by plan; a cursor ends after 25,000 objects; a webhook wants its answer in
5 s and comes again 8 times in 4 h, after which its subscription is deleted.

The number of a location is `available`. An order takes its units off it at once and counts them as committed; shipping
them changes it no more. Numbers are written with compare-and-set and an idempotency key; a write is all or nothing.

`orders` reaches back 60 days only, unless the app was granted read_all_orders.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from connectors import shopify_documents as documents
from connectors.errors import ContractError, NoAnswerError, RefusedError, ScopeError
from connectors.records import Channel, ChannelSettings, Page
from connectors.shopify_graphql import API_VERSION, GraphqlClient, is_reading
from connectors.shopify_orders import (
    SMALL_WINDOWS,
    WINDOW,
    Cancellation,
    complete,
    push_cancellation,
    push_ready,
    push_shipment,
    run_in_windows,
)
from connectors.shopify_webhooks import level_id, receive
from connectors.transport import Runtime
from mappings.shopify import LEVEL_NODE, LOCATION_NODE, ORDER_NODE, VARIANT_NODE, translate
from schemas.capabilities import Capabilities, Confirmation, DecrementMoment, StockMeaning, WriteMode
from schemas.documents import Heard, RawDocument
from schemas.fulfillment import ReadyNotice, Shipment
from schemas.levels import LevelAnswer, LevelKey, LevelReading, LevelWrite, WriteOutcome

WRITE_BATCH = 250
ORDERS_IN_A_PAGE = 50
ROWS_OF_ONE_CURSOR = 20_000
"""A cursor ends after 25,000 objects: a new one is begun before that."""

SCOPES = (
    "read_products",
    "read_locations",
    "read_inventory",
    "write_inventory",
    "read_orders",
    "write_orders",
    "read_merchant_managed_fulfillment_orders",
    "write_merchant_managed_fulfillment_orders",
)

TOPICS = {
    "ORDERS_CREATE": "orders/create",
    "ORDERS_UPDATED": "orders/updated",
    "ORDERS_PAID": "orders/paid",
    "ORDERS_CANCELLED": "orders/cancelled",
    "REFUNDS_CREATE": "refunds/create",
    "INVENTORY_LEVELS_UPDATE": "inventory_levels/update",
    "PRODUCTS_CREATE": "products/create",
    "PRODUCTS_UPDATE": "products/update",
    "LOCATIONS_CREATE": "locations/create",
    "LOCATIONS_UPDATE": "locations/update",
    "LOCATIONS_ACTIVATE": "locations/activate",
    "LOCATIONS_DEACTIVATE": "locations/deactivate",
    "LOCATIONS_DELETE": "locations/delete",
}
"""What is subscribed to. An order's edits and shipments come as orders/updated too."""

_ABOUT_ROWS = frozenset(
    {
        "INVALID_INVENTORY_ITEM",
        "INVALID_LOCATION",
        "INVALID_QUANTITY_NEGATIVE",
        "INVALID_QUANTITY_TOO_HIGH",
        "INVALID_QUANTITY_TOO_LOW",
        "NON_MUTABLE_INVENTORY_ITEM",
        "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
    }
)
"""Codes whose cause is a row, also where the error's path names none."""

_STALE = ("CHANGE_FROM_QUANTITY_STALE", "COMPARE_QUANTITY_STALE")


class ShopifySettings(ChannelSettings):
    """A shop: `url` is https://{shop}.myshopify.com.

    `webhook_secrets` are the app's client secrets; after a rotation the old one signs for up to an hour, so two may be
    given. `notify_customers`: Shopify mails the customer about shipments and cancellations. `refund_canceled_units`:
    canceling units pays them back the way the money came.
    """

    access_token: SecretStr
    notify_customers: bool = True
    refund_canceled_units: bool = True


class ShopifyConnection:
    """One shop."""

    def __init__(self, settings: ShopifySettings, runtime: Runtime) -> None:
        self._settings = settings
        self._runtime = runtime
        self._client = GraphqlClient(runtime, settings.access_token.get_secret_value())

    def check(self) -> str:
        data = self._client.run(documents.SHOP)
        granted = {scope["handle"] for scope in data["currentAppInstallation"]["accessScopes"]}
        # A right to write holds the right to read, and is then listed alone.
        granted |= {f"read_{scope.removeprefix('write_')}" for scope in granted if scope.startswith("write_")}
        missing = [scope for scope in SCOPES if scope not in granted]
        if missing:
            raise ScopeError(f"the Shopify app lacks the scopes {', '.join(missing)}")
        served = self._client.served_version
        if served not in (None, API_VERSION):
            raise ContractError(f"Shopify serves API version {served!r} in place of {API_VERSION}")
        return f"Shopify shop {data['shop']['name']} ({data['shop']['myshopifyDomain']}), API {API_VERSION}"

    def pull_places(self) -> Iterator[Page]:
        after = None
        while True:
            data = self._client.run(documents.LOCATIONS, {"first": WINDOW, "after": after})
            connection = data["locations"]
            yield Page(
                tuple(_polled(LOCATION_NODE, node["id"], node["updatedAt"], node) for node in connection["nodes"])
            )
            if not connection["pageInfo"]["hasNextPage"]:
                return
            after = connection["pageInfo"]["endCursor"]

    def pull_catalogue(self) -> Iterator[Page]:
        for nodes in self._variants(documents.VARIANTS, {}):
            yield Page(
                tuple(_polled(VARIANT_NODE, node["legacyResourceId"], node["updatedAt"], node) for node in nodes)
            )

    def pull_stock(self, stock_points: Sequence[str]) -> Iterator[Page]:
        for stock_point in stock_points:
            for nodes in self._variants(documents.LEVELS, {"locationId": stock_point}):
                yield Page(tuple(_polled_levels(nodes, stock_point)))

    def _variants(self, document: documents.Document, extra: Mapping[str, str]) -> Iterator[list[dict[str, Any]]]:
        query, after, rows = None, None, 0
        while True:
            data = self._client.run(document, {"first": WINDOW, "after": after, "query": query, **extra})
            connection = data["productVariants"]
            nodes = connection["nodes"]
            yield nodes
            rows += len(nodes)
            if not connection["pageInfo"]["hasNextPage"] or not nodes:
                return
            after = connection["pageInfo"]["endCursor"]
            if rows >= ROWS_OF_ONE_CURSOR:
                query, after, rows = f"id:>={int(nodes[-1]['legacyResourceId']) + 1}", None, 0

    def pull_orders(self, since: datetime) -> Iterator[Page]:
        start, after, rows = since, None, 0
        windows = {"first": ORDERS_IN_A_PAGE, **SMALL_WINDOWS}
        while True:
            query = f"updated_at:>='{start.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'"
            asked = {"after": after, "query": query}
            data, windows = run_in_windows(self._client, documents.ORDERS, asked, windows)
            connection = data["orders"]
            nodes = [
                complete(self._client, node, windows["parts"], asked=windows["parts"]) for node in connection["nodes"]
            ]
            yield Page(
                tuple(_polled(ORDER_NODE, node["legacyResourceId"], node["updatedAt"], node) for node in nodes),
                # Oldest change first: whatever is still to come is not older than the last row read.
                watermark=_moment(nodes[-1]["updatedAt"]) if nodes else None,
            )
            rows += len(nodes)
            if not connection["pageInfo"]["hasNextPage"] or not nodes:
                return
            after = connection["pageInfo"]["endCursor"]
            last = _moment(nodes[-1]["updatedAt"])
            if rows >= ROWS_OF_ONE_CURSOR and last > start:
                start, after, rows = last, None, 0

    def write_levels(self, writes: Sequence[LevelWrite], *, idempotency_key: str) -> list[LevelAnswer]:
        if len(writes) > WRITE_BATCH:
            raise ValueError(f"{len(writes)} writes in one call: Shopify takes {WRITE_BATCH}")
        sent = [write for write in writes if _is_shopify(write.key)]
        answers = iter(self._send_levels(sent, idempotency_key) if sent else [])
        return [
            next(answers)
            if _is_shopify(write.key)
            else LevelAnswer(
                write.key, WriteOutcome.REFUSED, reason="not the id of a Shopify inventory item and location"
            )
            for write in writes
        ]

    def _send_levels(self, writes: Sequence[LevelWrite], key: str) -> list[LevelAnswer]:
        variables = {
            "key": key,
            "input": {
                "name": "available",
                "reason": "correction",
                "referenceDocumentUri": f"gid://nervure/Publication/{quote(key, safe='')}",
                "quantities": [
                    {
                        "inventoryItemId": write.key.stock_id,
                        "locationId": write.key.stock_point,
                        "quantity": write.units,
                        # An absent field is an error, an explicit null opts out of compare-and-set.
                        "changeFromQuantity": write.expected_units,
                    }
                    for write in writes
                ],
            },
        }
        try:
            data = self._client.run(documents.SET_LEVELS, variables)
        except NoAnswerError as error:
            return [LevelAnswer(write.key, WriteOutcome.UNKNOWN, reason=str(error)) for write in writes]
        payload = data.get("inventorySetQuantities")
        if payload is None:
            raise ContractError("Shopify answered inventorySetQuantities with nothing")
        return _level_answers(writes, payload["userErrors"])

    def read_levels(self, keys: Sequence[LevelKey]) -> list[LevelReading]:
        found: dict[LevelKey, int] = {}
        for place in dict.fromkeys(key.stock_point for key in keys if _is_shopify(key)):
            here = [key for key in keys if key.stock_point == place and _is_shopify(key)]
            items = list(dict.fromkeys(key.stock_id for key in here))
            for start in range(0, len(items), WINDOW):
                ids = items[start : start + WINDOW]
                data = self._client.run(documents.READ_LEVELS, {"ids": ids, "locationId": place})
                for node in data["nodes"]:
                    for quantity in ((node or {}).get("inventoryLevel") or {}).get("quantities", ()):
                        found[LevelKey(node["id"], place)] = quantity["quantity"]
        return [LevelReading(key, found.get(key)) for key in keys]

    def read_receipt(self, receipt: str, writes: Sequence[LevelWrite]) -> list[LevelAnswer]:
        raise RefusedError(f"Shopify answers writes at once: it knows no receipt {receipt!r}")

    def accept_order(self, order_external_id: str, accepted_lines: Mapping[str, bool]) -> None:
        raise RefusedError(f"Shopify orders wait for no acceptance: {order_external_id!r}")

    def push_shipment(self, shipment: Shipment) -> None:
        push_shipment(self._client, shipment, notify=self._settings.notify_customers)

    def push_ready(self, notice: ReadyNotice) -> bool:
        """Shopify then writes to the customer by itself, whatever `notify_customers` says."""
        return push_ready(self._client, notice)

    def push_cancellation(self, order_external_id: str, lines: Mapping[str, int]) -> None:
        how = Cancellation(
            notifies=self._settings.notify_customers,
            refunds=self._settings.refund_canceled_units,
            sleep=self._runtime.sleep,
        )
        push_cancellation(self._client, order_external_id, lines, how)

    def ensure_webhooks(self, callback_url: str) -> list[str]:
        there: set[str] = set()
        after = None
        while True:
            data = self._client.run(documents.SUBSCRIPTIONS, {"first": WINDOW, "after": after})
            connection = data["webhookSubscriptions"]
            there |= {
                node["topic"]
                for node in connection["nodes"]
                if node["uri"] == callback_url and node["format"] == "JSON"
            }
            if not connection["pageInfo"]["hasNextPage"]:
                break
            after = connection["pageInfo"]["endCursor"]
        missing = [topic for topic in TOPICS if topic not in there]
        for topic in missing:
            self._subscribe(topic, callback_url)
        return [TOPICS[topic] for topic in missing]

    def _subscribe(self, topic: str, callback_url: str) -> None:
        wanted = {"uri": callback_url, "format": "JSON"}
        data = self._client.run(documents.SUBSCRIBE, {"topic": topic, "webhookSubscription": wanted})
        errors = (data.get("webhookSubscriptionCreate") or {}).get("userErrors") or []
        # Another process may have made it between the reading and now.
        if errors and "already been taken" not in str(errors[0].get("message", "")):
            raise RefusedError(
                f"Shopify refused a subscription to {TOPICS[topic]}: {errors[0].get('message', '')[:160]}"
            )


def _level_answers(writes: Sequence[LevelWrite], errors: Sequence[Mapping[str, Any]]) -> list[LevelAnswer]:
    """One answer for each write. Shopify applies all or none, so one bad row leaves the others unwritten."""
    if not errors:  # also without an adjustment group: then every number stood there already
        return [LevelAnswer(write.key, WriteOutcome.CONFIRMED) for write in writes]
    outcomes: dict[int, tuple[WriteOutcome, str]] = {}
    for error in errors:
        code, reason = str(error.get("code") or ""), str(error.get("message") or "")
        row = _row(error.get("field"), len(writes))
        if row is not None:
            is_stale = code in _STALE
            if row not in outcomes or not is_stale:
                outcomes[row] = (WriteOutcome.STALE if is_stale else WriteOutcome.REFUSED, f"{code}: {reason}")
        elif code == "IDEMPOTENCY_CONCURRENT_REQUEST":
            return [LevelAnswer(write.key, WriteOutcome.UNKNOWN, reason=f"{code}: {reason}") for write in writes]
        elif code == "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED":
            return [LevelAnswer(write.key, WriteOutcome.NOT_APPLIED, reason=f"{code}: {reason}") for write in writes]
        elif code in _ABOUT_ROWS:
            raise RefusedError(f"Shopify refused a whole write for a row that it does not name: {code}: {reason[:160]}")
        else:
            raise ContractError(f"Shopify refused a whole write: {code}: {reason[:160]}")
    other = (WriteOutcome.NOT_APPLIED, "another row of the same write was not accepted")
    return [LevelAnswer(write.key, *outcomes.get(row, other)) for row, write in enumerate(writes)]


def _row(field: Sequence[str] | None, rows: int) -> int | None:
    """The row that an error's path names: input, quantities, row, and the field."""
    path = list(field or ())
    index = path.index("quantities") + 1 if "quantities" in path else len(path)
    if index < len(path) and path[index].isdecimal() and int(path[index]) < rows:
        return int(path[index])
    return None


def _is_shopify(key: LevelKey) -> bool:
    prefixes = ((key.stock_id, "gid://shopify/InventoryItem/"), (key.stock_point, "gid://shopify/Location/"))
    return all(text.startswith(prefix) and text.removeprefix(prefix).isdecimal() for text, prefix in prefixes)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _polled(topic: str, document_id: str, version: str, node: Mapping[str, Any]) -> RawDocument:
    body = json.dumps(node, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    # Shopify's stamps have whole seconds: the content tells two versions of one second apart.
    content = hashlib.sha256(body).hexdigest()[:12]
    return RawDocument(
        topic=topic,
        document_id=document_id,
        event_id=f"{topic}:{document_id}:{version}:{content}",
        body=body,
        heard=Heard.POLL,
        happened_at=_moment(version),
    )


def _polled_levels(nodes: Sequence[Mapping[str, Any]], stock_point: str) -> Iterator[RawDocument]:
    for node in nodes:
        item = node["inventoryItem"]
        level = item["inventoryLevel"]
        if level is not None and item["tracked"]:  # Shopify keeps no number of an item that it does not track
            told = {**level, "variant": node["legacyResourceId"], "location": stock_point}
            yield _polled(LEVEL_NODE, level_id(item["id"], stock_point), level["updatedAt"], told)


def connect(settings: ShopifySettings, runtime: Runtime) -> ShopifyConnection:
    return ShopifyConnection(settings, runtime)


CHANNEL = Channel(
    platform="shopify",
    is_reading=is_reading,
    capabilities=Capabilities(
        stock_meaning=StockMeaning.AVAILABLE,
        committed_included=False,
        decrements_at=DecrementMoment.ORDER,
        restocks_on_cancel=True,
        withdraws_units=True,
        write_mode=WriteMode.COMPARE_AND_SET,
        confirmation=Confirmation.ANSWER,
        has_webhooks=True,
        dates_levels=True,
        can_push_ready=True,
        write_batch=WRITE_BATCH,
        read_batch=WINDOW,
        calls_per_minute=8.0,  # 100 points a second, the smallest plan, at 750 points a call
        order_poll_seconds=60,
        stock_poll_seconds=900,
        order_overlap_seconds=300,
    ),
    settings=ShopifySettings,
    connect=connect,
    translate=translate,
    receive=receive,
)
