"""What an emulated Shopify shop answers to queries."""

import re
from datetime import datetime
from typing import Any

from simulation.platforms.shopify_model import Order
from simulation.platforms.shopify_nodes import (
    LARGEST_WINDOW,
    Node,
    connection,
    fulfillment_node,
    fulfillment_order_node,
    item_node,
    location_node,
    number,
    order_node,
    refund_node,
    refuse,
    stamp,
    subscription_node,
    too_many,
    variant_node,
    window,
)
from simulation.platforms.shopify_shop import Shop
from simulation.platforms.shopify_webhooks import Webhooks

SCOPES = (
    "write_products",
    "read_locations",
    "write_inventory",
    "write_orders",
    "write_merchant_managed_fulfillment_orders",
)

_LONG_AGO = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


class Queries:
    """The fields of QueryRoot."""

    def __init__(self, shop: Shop, webhooks: Webhooks, domain: str) -> None:
        self._shop = shop
        self._webhooks = webhooks
        self._domain = domain
        self._variant_ids: list[int] = []

    def shop(self, _info: object) -> Node:
        return {"id": "gid://shopify/Shop/1", "name": "Emulated shop", "myshopifyDomain": self._domain}

    def currentAppInstallation(self, _info: object) -> Node:  # noqa: N802 - Shopify's own spelling
        return {"id": "gid://shopify/AppInstallation/1", "accessScopes": [{"handle": scope} for scope in SCOPES]}

    def locations(self, info: object, first: int | None = None, after: str | None = None, **_: Any) -> Node:
        answer: Node = connection(list(self._shop.places), lambda place: location_node(self._shop, place))(
            info, first, after
        )
        return answer

    def productVariants(  # noqa: N802 - Shopify's own spelling
        self,
        _info: object,
        first: int | None = None,
        after: str | None = None,
        query: str | None = None,
        **_: Any,
    ) -> Node:
        if len(self._variant_ids) != len(self._shop.variants):
            self._variant_ids = sorted(self._shop.variants)
        least = 0
        if query:
            match = re.fullmatch(r"id:>=(\d+)", query)
            if match is None:
                raise refuse(f"the emulated shop cannot search variants by {query!r}", "BAD_REQUEST")
            least = int(match[1])
        ids = [id_ for id_ in self._variant_ids if id_ >= least] if least else self._variant_ids
        keys = [(id_, id_) for id_ in ids]
        return window(ids, keys, lambda id_: variant_node(self._shop, self._shop.variants[id_]), first, after)

    def orders(
        self,
        _info: object,
        first: int | None = None,
        after: str | None = None,
        query: str | None = None,
        **_: Any,
    ) -> Node:
        since = _LONG_AGO
        if query:
            match = re.fullmatch(r"updated_at:>='([^']+)'", query)
            if match is None:
                raise refuse(f"the emulated shop cannot search orders by {query!r}", "BAD_REQUEST")
            since = datetime.fromisoformat(match[1])
        found = self._shop.changed_since(since)
        keys = [(stamp(order.updated_at), order.id) for order in found]
        return window(found, keys, self._order, first, after)

    def _order(self, order: Order) -> Node:
        return order_node(self._shop, order)

    def order(self, _info: object, id: str) -> Node | None:  # noqa: A002 - Shopify's own name
        found = self._shop.orders.get(number(id, "Order"))
        return None if found is None else order_node(self._shop, found)

    def inventoryItem(self, _info: object, id: str) -> Node | None:  # noqa: A002, N802 - Shopify's own
        found = self._shop.by_item.get(number(id, "InventoryItem"))
        return None if found is None else item_node(self._shop, found)

    def node(self, _info: object, id: str) -> Node | None:  # noqa: A002 - Shopify's own name
        return self._node(id)

    def nodes(self, _info: object, ids: list[str]) -> list[Node | None]:
        if len(ids) > LARGEST_WINDOW:
            raise too_many(len(ids))
        return [self._node(id_) for id_ in ids]

    def _node(self, id_: str) -> Node | None:
        shop = self._shop
        variant = shop.by_item.get(number(id_, "InventoryItem"))
        if variant is not None:
            return item_node(shop, variant)
        order = shop.orders.get(number(id_, "Order"))
        if order is not None:
            return order_node(shop, order)
        return self._part_of_an_order(id_)

    def _part_of_an_order(self, id_: str) -> Node | None:
        shop = self._shop
        for order in shop.orders.values():
            for made in order.fulfillments:
                if made.id == number(id_, "Fulfillment"):
                    return fulfillment_node(shop, order, made)
            for refund in order.refunds:
                if refund.id == number(id_, "Refund"):
                    return refund_node(shop, order, refund)
            for waiting in order.fulfillment_orders:
                if waiting.id == number(id_, "FulfillmentOrder"):
                    return fulfillment_order_node(shop, order, waiting)
        return None

    def job(self, _info: object, id: str) -> Node | None:  # noqa: A002 - Shopify's own name
        if id in self._shop.jobs or id in self._shop.done_jobs:
            return {"id": id, "done": id in self._shop.done_jobs}
        return None

    def webhookSubscriptions(  # noqa: N802 - Shopify's own spelling
        self, info: object, first: int | None = None, after: str | None = None, **_: Any
    ) -> Node:
        answer: Node = connection(list(self._webhooks.subscriptions.values()), subscription_node)(info, first, after)
        return answer
