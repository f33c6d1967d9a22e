"""Mirakl documents into facts. Wire facts: the seller contract (OpenAPI 3.1, snapshot 2026-08, read 2026-11-22).

A listing is an offer. Order lines carry both `offer_id` and `offer_sku`, and the offer keeps its id while a seller may
name a deleted offer's sku again, so the listing's id is `offer_id`; stock imports know only the sku, so that is the
listing's `stock_id`. There is one number per account: the stock point is `account`.

Canceled units are those of refused and canceled lines, those of `cancelations`, and those refunded at full price
before the line left (OR28 with `excluded_from_shipment`, which orders do not repeat). Every other refund moved money
only. Goods come back when a return line has its inspection (`compliance`); before that nobody has said what came.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from mappings.errors import UnreadableDocumentError
from mappings.mirakl_countries import ALPHA_2
from mappings.mirakl_wire import (
    WireAccount,
    WireLine,
    WireOffer,
    WireOfferQuantities,
    WireOfferQuantity,
    WireOrder,
    WireRefund,
    WireReturn,
    WireReturnLine,
    WireReturnWithOffers,
    WireTax,
    read,
)
from schemas.base import Gtin, Money, Sku
from schemas.documents import Fact, RawDocument, Translation
from schemas.locations import Address
from schemas.orders import Customer, Delivery, DeliveryMethod, Order, OrderLine, OrderState, Return, ReturnLine
from schemas.publications import ChannelListing, ChannelPlace
from schemas.stock import Condition, StockObservation

STOCK_POINT = "account"
"""The one stock point of a Mirakl account."""

ORDER_STATES = {
    "STAGING": OrderState.AWAITING_PAYMENT,
    "WAITING_ACCEPTANCE": OrderState.AWAITING_ACCEPTANCE,
    "WAITING_DEBIT": OrderState.AWAITING_PAYMENT,
    "WAITING_DEBIT_PAYMENT": OrderState.AWAITING_PAYMENT,
    "SHIPPING": OrderState.OPEN,
    "SHIPPED": OrderState.COMPLETED,
    "TO_COLLECT": OrderState.COMPLETED,
    "RECEIVED": OrderState.COMPLETED,
    "CLOSED": OrderState.COMPLETED,
    "REFUSED": OrderState.CANCELED,
    "CANCELED": OrderState.CANCELED,
}
DEAD = frozenset({"REFUSED", "CANCELED"})
LEFT = frozenset({"SHIPPED", "TO_COLLECT", "RECEIVED"})
LINE_STATES = frozenset(ORDER_STATES) | {"INCIDENT_OPEN", "REFUNDED", "WAITING_REFUND", "WAITING_REFUND_PAYMENT"}
RETURN_STATES = frozenset(
    {"WAITING_ACCEPTANCE", "IN_PROGRESS", "REFUSED", "RECEIVED", "NO_RECEPTION", "CLOSED", "CANCELED"}
)
CAME_BACK = frozenset({"RECEIVED", "CLOSED"})
MISSING_ITEM = "RETURN_NON_COMPLIANT_MISSING_ITEM"
GTIN_TYPES = frozenset({"EAN", "GTIN", "UPC", "ISBN"})

_GTIN: TypeAdapter[str] = TypeAdapter(Gtin)
_SKU: TypeAdapter[str] = TypeAdapter(Sku)


def translate(document: RawDocument, translation: Translation) -> Sequence[Fact]:
    """Reads one document of a Mirakl account.

    Raises:
        UnreadableDocumentError: it is malformed, does not add up, or holds a state that nobody knows.
    """
    try:
        match document.topic:
            case "account":
                account = read(WireAccount, document)
                is_open = account.shop_state == "OPEN"
                return [_place(account.shop_name, translation.channel, is_open=is_open)]
            case "offer":
                return [_listing(read(WireOffer, document), translation.channel)]
            case "offer_quantity":
                return [_observation(read(WireOfferQuantity, document), document, translation.channel)]
            case "offer_quantities":
                offers = read(WireOfferQuantities, document).offers
                return [_observation(offer, document, translation.channel) for offer in offers]
            case "order":
                return _order_facts(read(WireOrder, document), translation)
            case "return":
                return _goods_back(read(WireReturnWithOffers, document), translation)
            case topic:
                raise UnreadableDocumentError(f"Mirakl has no documents of kind {topic!r}")
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise UnreadableDocumentError(
            f"Mirakl {document.topic} {document.document_id!r}: {place or 'as a whole'}: {first['msg']}"
        ) from None


def _moment(text: str, translation: Translation) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UnreadableDocumentError(f"Mirakl writes a time that is none: {text[:40]!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(translation.time_zone))


def _place(name: str, channel: str, *, is_open: bool) -> ChannelPlace:
    return ChannelPlace(channel=channel, stock_point=STOCK_POINT, name=name, is_active=is_open)


def _listing(offer: WireOffer, channel: str) -> ChannelListing:
    gtins = [
        gtin
        for reference in offer.product_references
        if reference.reference_type.upper() in GTIN_TYPES
        if (gtin := _valid(_GTIN, reference.reference)) is not None
    ]
    return ChannelListing(
        channel=channel,
        external_id=str(offer.offer_id),
        stock_id=offer.shop_sku,
        sku=_valid(_SKU, offer.shop_sku),
        gtin=gtins[0] if gtins else None,
        title=offer.product_title,
    )


def _valid(kind: TypeAdapter[str], text: str) -> str | None:
    try:
        return kind.validate_python(text)
    except ValidationError:
        return None


def _observation(offer: WireOfferQuantity, document: RawDocument, channel: str) -> StockObservation:
    if document.happened_at is None:
        raise UnreadableDocumentError(f"Mirakl offer {offer.offer_id}: nobody says when its quantity was read")
    return StockObservation(
        channel=channel,
        listing_external_id=str(offer.offer_id),
        stock_point=STOCK_POINT,
        units=offer.quantity,
        observed_at=document.happened_at,
    )


def _order_facts(wire: WireOrder, translation: Translation) -> list[Fact]:
    state = ORDER_STATES.get(wire.order_state)
    if state is None:
        raise UnreadableDocumentError(f"Mirakl order {wire.order_id!r} is in the unknown state {wire.order_state!r}")
    for line in wire.order_lines:
        if line.order_line_state not in LINE_STATES:
            raise UnreadableDocumentError(
                f"Mirakl order line {line.order_line_id!r} is in the unknown state {line.order_line_state!r}"
            )
        if state is OrderState.CANCELED and line.order_line_state in LEFT:
            raise UnreadableDocumentError(f"Mirakl order {wire.order_id!r} is canceled but has a line that left")
    is_tax_included = _is_tax_included(wire)
    tax_by_lines = sum((_tax(line.taxes) + _tax(line.shipping_taxes) for line in wire.order_lines), Decimal(0))
    tax_amount = tax_by_lines or sum((tax.total_amount for tax in wire.order_taxes), Decimal(0))
    charged = _charged_lines(wire)
    lines = tuple(_line(line, wire, translation, is_charged=line in charged) for line in wire.order_lines)
    # An order that lost its last unit by refunds before it left is closed, not canceled, in Mirakl's words.
    if all(line.units_canceled == line.units for line in lines):
        state = OrderState.CANCELED
    order = Order(
        channel=translation.channel,
        external_id=wire.order_id,
        number=wire.order_id,
        placed_at=_moment(wire.created_date, translation),
        updated_at=_moment(wire.last_updated_date, translation),
        state=state,
        currency=wire.currency_iso_code,
        lines=lines,
        delivery=Delivery(method=DeliveryMethod.SHIP, address=_address(wire)),
        customer=_customer(wire),
        shipping_amount=wire.shipping_price,
        tax_amount=tax_amount,
        tax_included=is_tax_included,
        difference=_fees(wire, charged),
        total=wire.total_price if is_tax_included else wire.total_price + tax_amount,
    )
    return [order, *_money_back(wire, translation, is_tax_included=is_tax_included)]


def _is_tax_included(wire: WireOrder) -> bool:
    match wire.order_tax_mode:
        case "TAX_INCLUDED":
            return True
        case "TAX_EXCLUDED":
            return False
        case mode:
            raise UnreadableDocumentError(f"Mirakl order {wire.order_id!r} has the unknown tax mode {mode!r}")


def _charged_lines(wire: WireOrder) -> tuple[WireLine, ...]:
    """The lines whose prices make the order's price.

    A canceled line's price is taken off the line itself; whether a refused line still counts differs, so the order's
    own sum decides.
    """
    live = tuple(line for line in wire.order_lines if line.order_line_state not in DEAD)
    for lines in (wire.order_lines, live):
        if sum((line.price for line in lines), Decimal(0)) == wire.price:
            return lines
    raise UnreadableDocumentError(f"Mirakl order {wire.order_id!r}: its lines do not give its price {wire.price}")


def _fees(wire: WireOrder, charged: Sequence[WireLine]) -> Decimal:
    """What the total holds beyond prices and shipping: the stated fees (some operators leave them out), or nothing."""
    beyond = wire.total_price - wire.price - wire.shipping_price
    fees = sum((_tax(line.fees) for line in charged), Decimal(0))
    if beyond not in (Decimal(0), fees):
        raise UnreadableDocumentError(
            f"Mirakl order {wire.order_id!r} does not add up: price, shipping and fees leave {beyond - fees}"
            f" of the total {wire.total_price} unexplained"
        )
    return beyond


def _line(line: WireLine, wire: WireOrder, translation: Translation, *, is_charged: bool) -> OrderLine:
    canceled = withdrawn = sum(cancelation.quantity for cancelation in line.cancelations)
    is_dead = line.order_line_state in DEAD or wire.order_state in DEAD
    units = line.quantity or (canceled if is_dead else 0)
    if is_dead or (line.order_line_state == "REFUNDED" and line.shipped_date is None):
        canceled = units
    else:
        canceled += sum(refund.quantity for refund in line.refunds if _is_withdrawal(refund, line, translation))
    return OrderLine(
        external_id=line.order_line_id,
        listing_external_id=str(line.offer_id),
        sku=_valid(_SKU, line.offer_sku),
        title=line.product_title,
        units=units,
        units_canceled=canceled,
        unit_price=line.price_unit,
        line_total=line.price if is_charged else Decimal(0),
        # The price loses what is canceled and keeps what is refunded; the quantity keeps both.
        units_charged=max(units - withdrawn, 0) if is_charged else 0,
        tax_amount=_tax(line.taxes),
    )


def _is_withdrawal(refund: WireRefund, line: WireLine, translation: Translation) -> bool:
    """Whether the refunded units never left: refunded at full price before the line was shipped."""
    if refund.quantity == 0 or refund.amount < line.price_unit * refund.quantity:
        return False
    if line.shipped_date is None:
        return line.order_line_state not in LEFT
    return _moment(refund.created_date, translation) < _moment(line.shipped_date, translation)


def _money_back(wire: WireOrder, translation: Translation, *, is_tax_included: bool) -> list[Return]:
    return [
        Return(
            channel=translation.channel,
            external_id=f"refund:{refund.id}",
            order=wire.order_id,
            occurred_at=_moment(refund.created_date, translation),
            lines=_unmoved_goods(refund, line),
            refund=Money(amount=_refunded(refund, is_tax_included=is_tax_included), currency=wire.currency_iso_code),
        )
        for line in wire.order_lines
        for refund in line.refunds
        if not _is_withdrawal(refund, line, translation)
    ]


def _unmoved_goods(refund: WireRefund, line: WireLine) -> tuple[ReturnLine, ...]:
    if refund.quantity == 0:
        return ()
    return (
        ReturnLine(
            external_id=refund.id,
            order_line=line.order_line_id,
            listing_external_id=str(line.offer_id),
            units=refund.quantity,
            restocked=False,
        ),
    )


def _refunded(refund: WireRefund, *, is_tax_included: bool) -> Decimal:
    net = refund.amount + refund.shipping_amount + _tax(refund.fees)
    return net if is_tax_included else net + _tax(refund.taxes) + _tax(refund.shipping_taxes)


def _tax(taxes: Sequence[WireTax]) -> Decimal:
    return sum((tax.amount for tax in taxes), Decimal(0))


def _address(wire: WireOrder) -> Address | None:
    stated = wire.customer.shipping_address if wire.customer else None
    if stated is None or not stated.country_iso_code:
        return None
    country = ALPHA_2.get(stated.country_iso_code)
    if country is None:
        raise UnreadableDocumentError(
            f"Mirakl order {wire.order_id!r} ships to the unknown country {stated.country_iso_code[:8]!r}"
        )
    lines = (stated.company, stated.company_2, stated.street_1, stated.street_2, stated.additional_info)
    return Address(
        country=country,
        postal_code=stated.zip_code,
        city=stated.city,
        lines=tuple(line for line in lines if line),
    )


def _customer(wire: WireOrder) -> Customer | None:
    if wire.customer is None:
        return None
    names = (wire.customer.firstname, wire.customer.lastname)
    return Customer(
        name=" ".join(name for name in names if name) or None,
        email=wire.customer_notification_email,
        phone=wire.customer.shipping_address.phone if wire.customer.shipping_address else None,
    )


def _goods_back(wire: WireReturnWithOffers, translation: Translation) -> list[Fact]:
    stated = wire.stated
    if stated.state not in RETURN_STATES:
        raise UnreadableDocumentError(f"Mirakl return {stated.id!r} is in the unknown state {stated.state!r}")
    lines = tuple(
        _goods_line(line, stated, wire.offers)
        for line in stated.return_lines
        if line.compliance and not any(told.non_compliance_reason_code == MISSING_ITEM for told in line.compliance)
    )
    if stated.state not in CAME_BACK or not lines:
        return []
    return [
        Return(
            channel=translation.channel,
            external_id=f"return:{stated.id}",
            order=stated.order_id,
            occurred_at=_moment(stated.last_updated, translation),
            lines=lines,
        )
    ]


def _goods_line(line: WireReturnLine, stated: WireReturn, offers: dict[str, int]) -> ReturnLine:
    offer = offers.get(line.order_line_id)
    if offer is None:
        raise UnreadableDocumentError(
            f"Mirakl return {stated.id!r}: the offer of line {line.order_line_id!r} is unknown"
        )
    is_good = all(told.compliant for told in line.compliance)
    return ReturnLine(
        external_id=f"{stated.id}:{line.order_line_id}",
        order_line=line.order_line_id,
        listing_external_id=str(offer),
        units=line.quantity,
        restocked=True,
        condition=Condition.SELLABLE if is_good else Condition.QUALITY_CONTROL,
        stock_point=STOCK_POINT,
    )
