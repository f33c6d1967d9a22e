"""Shopify's documents in the hub's words.

Orders come twice: REST-shaped in webhooks, as GraphQL nodes from polls. Both are read into one plain form first, so
that both give the same order.

What became of refunded units is decided in `shopify_refunds`.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Any, TypeVar

from pydantic import ValidationError

from mappings import shopify_catalogue as catalogue
from mappings import shopify_nodes as nodes
from mappings import shopify_rest as rest
from mappings.errors import UnreadableDocumentError
from mappings.shopify_plain import PlainAddress, PlainLine, PlainOrder, PlainRefund, PlainRefundLine, Wire
from mappings.shopify_refunds import RESTOCK_TYPES, settle
from schemas.base import Money
from schemas.documents import Fact, RawDocument, Translation
from schemas.locations import Address
from schemas.orders import Customer, Delivery, DeliveryMethod, Order, OrderLine, OrderState, Return, ReturnLine

ORDER_NODE = "graphql/order"
VARIANT_NODE = "graphql/variant"
LEVEL_NODE = "graphql/level"
LOCATION_NODE = "graphql/location"
"""Topics of what polls bring; webhooks keep Shopify's own topics."""

IS_PAID = {
    "paid": True,
    "authorized": True,
    "partially_paid": True,
    "partially_refunded": True,
    "refunded": True,
    "pending": False,
    "expired": False,
    "voided": False,
}
"""Whether an order in this financial status may be worked on. Partly paid may: an edit of a paid order leads there."""

W = TypeVar("W", bound=Wire)


def translate(document: RawDocument, translation: Translation) -> Sequence[Fact]:
    """The facts in a document; none where its topic says nothing that the hub keeps.

    Raises:
        UnreadableDocumentError: the topic, the form or a value is not known.
    """
    reader = _READERS.get(document.topic)
    if reader is None:
        raise UnreadableDocumentError(f"Shopify topic {document.topic!r} is not known")
    try:
        return reader(_parse(document.body), translation.channel)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "document"
        raise UnreadableDocumentError(f"{_about(document)}: {place}: {first['msg']}") from None
    except ValueError as error:
        raise UnreadableDocumentError(f"{_about(document)}: {error}") from None


def order_of(node: Any, channel: str) -> Order:  # a wire document
    """The order in a GraphQL node.

    Raises:
        ValueError: the node cannot be read.
    """
    return _order(nodes.Order.model_validate(node).plain(), channel)


def _about(document: RawDocument) -> str:
    return f"Shopify {document.topic} {document.document_id!r}"


def _parse(body: bytes) -> Any:  # a wire document
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ValueError(f"{len(body)} bytes are not JSON") from None


def _refuse_constant(name: str) -> Any:  # never returns
    raise ValueError(f"{name} is not JSON")


def _webhook_order(body: Any, channel: str) -> Sequence[Fact]:
    plain = rest.RestOrder.model_validate(body).plain()
    # A webhook does not say where a pickup happens, nor that it is one: the poll of the same minute does.
    return _order_facts(plain, channel) if plain.is_pickup_known else ()


def _polled_order(body: Any, channel: str) -> Sequence[Fact]:
    return _order_facts(nodes.Order.model_validate(body).plain(), channel)


def _order_facts(plain: PlainOrder, channel: str) -> Sequence[Fact]:
    return [_order(plain, channel), *_returns(plain, channel)]


def _order(plain: PlainOrder, channel: str) -> Order:
    settlements = settle(plain)
    lines = tuple(_order_line(line, settlements[line.id].canceled) for line in plain.lines if line.units)
    discount = plain.discounts - sum((line.discount for line in plain.lines), Decimal(0))
    goods = sum((line.line_total for line in lines), Decimal(0))
    tax = Decimal(0) if plain.taxes_included else plain.tax
    return Order(
        channel=channel,
        external_id=plain.id,
        number=plain.name,
        placed_at=plain.created_at,
        updated_at=plain.updated_at,
        # An order that waits for its payment has left Shopify's number already, and may stand at the till for long.
        units_left_at=plain.created_at,
        state=_state(plain, lines),
        currency=plain.currency,
        lines=lines,
        delivery=_delivery(plain),
        customer=_customer(plain),
        shipping_amount=plain.shipping,
        tax_amount=plain.tax,
        tax_included=plain.taxes_included,
        discount_amount=discount,
        difference=_difference(plain, goods + plain.shipping + tax - discount),
        total=plain.total,
    )


def _order_line(line: PlainLine, canceled: int) -> OrderLine:
    return OrderLine(
        external_id=line.id,
        # A typed-in line has no variant, and a deleted one is named no more.
        listing_external_id=line.variant,
        sku=catalogue.sku(line.sku),
        title=line.title,
        units=line.units,
        units_canceled=canceled,
        unit_price=line.unit_price,
        line_total=line.unit_price * line.units - line.discount,
        tax_amount=line.tax,
    )


def _difference(plain: PlainOrder, stated: Decimal) -> Decimal:
    """What the total holds beyond its parts, where the amounts that Shopify states apart explain it exactly.

    Shopify does not say which of tips, duties, fees and rounding its total holds; 0 lets a wrong total be refused.
    """
    extras = [amount for amount in plain.extras if amount]
    for size in range(len(extras), -1, -1):
        for chosen in combinations(extras, size):
            if stated + sum(chosen, Decimal(0)) == plain.total:
                return sum(chosen, Decimal(0))
    return Decimal(0)


def _state(plain: PlainOrder, lines: tuple[OrderLine, ...]) -> OrderState:
    if plain.financial_status is not None and plain.financial_status not in IS_PAID:
        raise ValueError(f"unknown financial status {plain.financial_status!r}")
    if plain.is_cancelled and not any(plain.left.values()):
        return OrderState.CANCELED
    waiting = sum(line.units - line.units_canceled - plain.left.get(line.external_id, 0) for line in lines)
    if plain.is_cancelled or plain.fulfillment_status == "fulfilled" or waiting <= 0:
        return OrderState.COMPLETED
    is_paid = plain.financial_status is not None and IS_PAID[plain.financial_status]
    return OrderState.OPEN if is_paid else OrderState.AWAITING_PAYMENT


def _delivery(plain: PlainOrder) -> Delivery:
    if plain.till_place is not None:
        return Delivery(method=DeliveryMethod.HANDED_OVER, stock_point=plain.till_place)
    if plain.pickup_place is not None:
        return Delivery(method=DeliveryMethod.PICKUP, stock_point=plain.pickup_place)
    return Delivery(method=DeliveryMethod.SHIP, address=_address(plain.address))


def _address(plain: PlainAddress | None) -> Address | None:
    if plain is None or plain.country is None:
        return None
    return Address(country=plain.country, postal_code=plain.postal_code, city=plain.city, lines=plain.lines)


def _customer(plain: PlainOrder) -> Customer | None:
    if plain.buyer is None and plain.email is None and plain.phone is None:
        return None
    return Customer(name=plain.buyer, email=plain.email, phone=plain.phone)


def _returns(plain: PlainOrder, channel: str) -> Iterator[Return]:
    settlements = settle(plain)
    listings = {line.id: line.variant for line in plain.lines}
    for refund in plain.refunds:
        back = tuple(
            _return_line(item, listings[item.line], settlements[item.line].came_back[item.id])
            for item in refund.lines
            if item.line in settlements and item.id in settlements[item.line].came_back
        )
        if back or (not refund.lines and refund.refunded):
            yield _return(refund, plain.id, back, channel)


def _return_line(item: PlainRefundLine, listing: str | None, units: int) -> ReturnLine:
    return ReturnLine(
        external_id=item.id,
        order_line=item.line,
        listing_external_id=listing,
        units=units,
        restocked=item.restock_type in ("return", "legacy_restock"),
        stock_point=item.place,
    )


def _return(refund: PlainRefund, order: str, lines: tuple[ReturnLine, ...], channel: str) -> Return:
    is_stated = refund.refunded is not None and refund.currency is not None
    return Return(
        channel=channel,
        external_id=refund.id,
        order=order,
        occurred_at=refund.processed_at,
        lines=lines,
        refund=Money(amount=refund.refunded, currency=refund.currency) if is_stated else None,
    )


def _webhook_refund(body: Any, channel: str) -> Sequence[Fact]:
    """A refund alone: a return only where it is certain, whole or not at all; the order's own document tells the rest.

    `return` units had left. `no_restock` units of a line of which nothing was fulfilled are canceled; of any other line
    they may be either.
    """
    wire = rest.RestRefund.model_validate(body)
    plain = wire.plain()
    back: list[ReturnLine] = []
    for item, source in zip(plain.lines, wire.refund_line_items, strict=True):
        if item.restock_type not in RESTOCK_TYPES:
            raise ValueError(f"unknown restock type {item.restock_type!r}")
        if source.line_item is None:
            return ()
        if item.restock_type == "return":
            variant = source.line_item.variant_id
            back.append(_return_line(item, None if variant is None else str(variant), item.units))
        elif item.restock_type != "cancel" and source.line_item.fulfillment_status is not None:
            return ()
    if not back and (plain.lines or not plain.refunded):
        return ()
    return [_return(plain, str(wire.order_id), tuple(back), channel)]


def _checked(wire: type[W]) -> Callable[[Any, str], Sequence[Fact]]:
    """A reader for documents that are checked, and say nothing that the hub keeps."""

    def read(body: Any, channel: str) -> Sequence[Fact]:
        wire.model_validate(body)
        return ()

    return read


_READERS: dict[str, Callable[[Any, str], Sequence[Fact]]] = {
    ORDER_NODE: _polled_order,
    VARIANT_NODE: catalogue.polled_variant,
    LEVEL_NODE: catalogue.polled_level,
    LOCATION_NODE: catalogue.polled_place,
    "orders/create": _webhook_order,
    "orders/updated": _webhook_order,
    "orders/paid": _webhook_order,
    "orders/cancelled": _webhook_order,
    "orders/fulfilled": _webhook_order,
    "orders/partially_fulfilled": _webhook_order,
    # An edit and a shipment are told again, in full, by the orders/updated that comes with them.
    "orders/edited": _checked(rest.RestOrderEdited),
    "fulfillments/create": _checked(rest.RestFulfillment),
    "fulfillments/update": _checked(rest.RestFulfillment),
    "refunds/create": _webhook_refund,
    "inventory_levels/connect": catalogue.webhook_level,
    "inventory_levels/update": catalogue.webhook_level,
    "products/create": catalogue.webhook_product,
    "products/update": catalogue.webhook_product,
    "products/delete": _checked(rest.RestProduct),
    "locations/create": catalogue.webhook_place,
    "locations/update": catalogue.webhook_place,
    "locations/activate": catalogue.webhook_place,
    "locations/deactivate": catalogue.webhook_place,
    "locations/delete": catalogue.webhook_place_gone,
}
