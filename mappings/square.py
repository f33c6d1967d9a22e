"""Square's documents in the hub's words. Pure: bytes in, facts out.

Wire: Square API 2025-08-20 (OpenAPI `square/connect-api-specification`, read 2026-11-22).

Each unit is booked once, by one document:
- a sale by its ticket (an order); the adjustment to SOLD that belongs to a ticket gives no fact;
- goods that come back by the adjustment into IN_STOCK, because only that says whether and when they were put back on
  sale. The return inside an order says what was handed back and refunded, so its lines are `restocked=False`;
- a physical count that the hub wrote itself (`reference_id` starts with `nervure`) gives no fact.

Square takes the units of an order off its own count when the order is fully paid, not when it is opened.
"""

from collections.abc import Callable, Sequence

from pydantic import TypeAdapter, ValidationError

from mappings.errors import UnreadableDocumentError
from mappings.square_orders import WireOrder, facts_of
from mappings.square_stock import change_facts, count_facts, counts_updated_facts
from mappings.square_wire import Many, Wire
from schemas.base import Gtin
from schemas.documents import Fact, RawDocument, Translation
from schemas.publications import ChannelListing, ChannelPlace

LOCATION = "location"
ITEM = "catalog.item"
COUNT = "inventory.count"
CHANGE = "inventory.change"
ORDER = "order"
COUNTS_UPDATED = "inventory.count.updated"
ORDER_HINT = "order.hint"
"""A webhook that only names an order: it gives no fact; fetch the order, or pull the orders, when one comes in."""

_GOODS = {"REGULAR", "FOOD_AND_BEV"}
_NOT_GOODS = {
    "APPOINTMENTS_SERVICE",
    "DIGITAL",
    "DONATION",
    "EVENT",
    "GIFT_CARD",
    "LEGACY_SQUARE_ONLINE_MEMBERSHIP",
    "LEGACY_SQUARE_ONLINE_SERVICE",
}


class _Location(Wire):
    id: str
    name: str | None = None
    status: str | None = None


class _VariationData(Wire):
    name: str | None = None
    sku: str | None = None
    upc: str | None = None


class _Variation(Wire):
    id: str
    is_deleted: bool | None = None
    item_variation_data: _VariationData = _VariationData()


class _ItemData(Wire):
    name: str | None = None
    product_type: str | None = None
    variations: Many[_Variation] = ()


class _Item(Wire):
    id: str
    is_deleted: bool | None = None
    item_data: _ItemData = _ItemData()


def translate(document: RawDocument, context: Translation) -> Sequence[Fact]:
    """Turns one document into facts; a hint and the echo of our own count give none.

    Raises:
        UnreadableDocumentError: the document is not what the contract says, or names a state nobody knows here.
    """
    reader = _READERS.get(document.topic)
    if reader is None:
        raise UnreadableDocumentError(f"Square: no document of topic {document.topic!r} is known")
    try:
        return reader(document.body, context.channel)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        # Not chained: the text of a ValidationError quotes the document, which may hold personal data.
        raise UnreadableDocumentError(
            f"{document.topic} {document.document_id!r}: {where + ': ' if where else ''}{problem['msg']}"
        ) from None


def _order(body: bytes, channel: str) -> Sequence[Fact]:
    return facts_of(WireOrder.model_validate_json(body), channel)


def _hint(_body: bytes, _channel: str) -> Sequence[Fact]:
    return []


def _place(body: bytes, channel: str) -> Sequence[Fact]:
    location = _Location.model_validate_json(body)
    if location.status not in ("ACTIVE", "INACTIVE"):
        raise UnreadableDocumentError(f"location {location.id!r}: unknown status {location.status!r}")
    return [
        ChannelPlace(
            channel=channel,
            stock_point=location.id,
            name=location.name or "",
            is_active=location.status == "ACTIVE",
        )
    ]


def _listings(body: bytes, channel: str) -> Sequence[Fact]:
    item = _Item.model_validate_json(body)
    kind = item.item_data.product_type or "REGULAR"
    if kind not in _GOODS | _NOT_GOODS:
        raise UnreadableDocumentError(f"item {item.id!r}: unknown product type {kind!r}")
    if item.is_deleted:
        return []
    variations = [variation for variation in item.item_data.variations if not variation.is_deleted]
    return [
        ChannelListing(
            channel=channel,
            external_id=variation.id,
            stock_id=variation.id,
            sku=(variation.item_variation_data.sku or "").strip() or None,
            gtin=_gtin(variation.item_variation_data.upc),
            title=_title(item.item_data.name, variation.item_variation_data.name if len(variations) > 1 else None),
            is_goods=kind in _GOODS,
        )
        for variation in variations
    ]


def _gtin(upc: str | None) -> str | None:
    """The code as a GTIN; merchants type anything there, so what is none is left out."""
    try:
        return TypeAdapter(Gtin).validate_python((upc or "").strip())
    except ValidationError:
        return None


def _title(*parts: str | None) -> str:
    return " - ".join(part for part in parts if part)


_READERS: dict[str, Callable[[bytes, str], Sequence[Fact]]] = {
    LOCATION: _place,
    ITEM: _listings,
    COUNT: count_facts,
    COUNTS_UPDATED: counts_updated_facts,
    CHANGE: change_facts,
    ORDER: _order,
    ORDER_HINT: _hint,
}
