"""Square's tickets, shop orders and returns in the hub's words."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from mappings.errors import UnreadableDocumentError
from mappings.square_wire import Many, Stamp, Wire, whole_units
from schemas.base import Money
from schemas.documents import Fact
from schemas.locations import Address
from schemas.orders import Customer, Delivery, DeliveryMethod, Order, OrderLine, OrderState, Return, ReturnLine

_MINOR_DIGITS = {"AUD": 2, "CAD": 2, "EUR": 2, "GBP": 2, "JPY": 0, "USD": 2}
"""Digits after the point of the currencies that Square settles in: amounts come in the smallest unit."""


class _Money(Wire):
    amount: int | None = None
    currency: str | None = None


class _Line(Wire):
    uid: str | None = None
    name: str | None = None
    variation_name: str | None = None
    quantity: str
    item_type: str | None = None
    catalog_object_id: str | None = None
    base_price_money: _Money | None = None
    total_tax_money: _Money | None = None
    total_money: _Money | None = None


class _Charge(Wire):
    total_money: _Money | None = None
    treatment_type: str | None = None


class _Amount(Wire):
    amount_money: _Money | None = None


class _Tender(_Amount):
    created_at: Stamp | None = None


class _Entry(Wire):
    line_item_uid: str
    quantity: str


class _Address(Wire):
    address_line_1: str | None = None
    address_line_2: str | None = None
    address_line_3: str | None = None
    locality: str | None = None
    postal_code: str | None = None
    country: str | None = None


class _Recipient(Wire):
    display_name: str | None = None
    email_address: str | None = None
    phone_number: str | None = None
    address: _Address | None = None


class _Details(Wire):
    recipient: _Recipient | None = None


class _Fulfillment(Wire):
    type: str | None = None
    state: str | None = None
    entries: Many[_Entry] = ()
    pickup_details: _Details | None = None
    shipment_details: _Details | None = None
    delivery_details: _Details | None = None

    @property
    def recipient(self) -> _Recipient | None:
        details = self.shipment_details or self.delivery_details or self.pickup_details
        return details.recipient if details else None


class _ReturnLine(Wire):
    uid: str | None = None
    source_line_item_uid: str | None = None
    quantity: str
    item_type: str | None = None
    catalog_object_id: str | None = None


class _Total(Wire):
    total_money: _Money | None = None


class _Return(Wire):
    uid: str | None = None
    source_order_id: str | None = None
    return_line_items: Many[_ReturnLine] = ()
    return_amounts: _Total | None = None


class WireOrder(Wire):
    """An order: a ticket, a shop order, a return, or an exchange, which is a ticket and a return in one."""

    id: str
    location_id: str
    reference_id: str | None = None
    state: str | None = None
    created_at: Stamp
    updated_at: Stamp
    closed_at: Stamp | None = None
    line_items: Many[_Line] = ()
    service_charges: Many[_Charge] = ()
    fulfillments: Many[_Fulfillment] = ()
    returns: Many[_Return] = ()
    tenders: Many[_Tender] = ()
    rounding_adjustment: _Amount | None = None
    total_money: _Money | None = None
    total_tax_money: _Money | None = None
    total_tip_money: _Money | None = None
    net_amount_due_money: _Money | None = None

    @property
    def where(self) -> str:
        return f"order {self.id!r}"


def facts_of(order: WireOrder, channel: str) -> list[Fact]:
    """The sale that an order holds, if any, then its returns."""
    return [*_sale(order, channel), *_returns(order, channel)]


def _sale(order: WireOrder, channel: str) -> list[Order]:
    state = _state(order)
    goods = _goods(order)
    if state is None or not goods:
        return []
    canceled = _canceled(order)
    return [
        Order(
            channel=channel,
            external_id=order.id,
            # A ticket's name may be the buyer's, and starts again every day: it names no order.
            number=order.reference_id or order.id,
            placed_at=order.created_at,
            updated_at=order.updated_at,
            units_left_at=_left_at(order, state),
            state=state,
            currency=_currency(order),
            lines=tuple(_line(line, order, units_canceled=canceled.get(line.uid or "", 0)) for line in goods),
            delivery=_delivery(order),
            customer=_customer(order),
            tax_amount=_amount(order.total_tax_money, order),
            difference=sum((_amount(money, order) for money in _extras(order)), Decimal(0)),
            total=_amount(order.total_money, order),
        )
    ]


def _goods(order: WireOrder) -> list[_Line]:
    return [
        line
        for line in order.line_items
        if _is_goods(line.item_type, line.catalog_object_id, order) and _units(line.quantity, order)
    ]


def _state(order: WireOrder) -> OrderState | None:
    """None for a draft, which nobody can pay."""
    match order.state:
        case "COMPLETED":
            return OrderState.COMPLETED
        case "CANCELED":
            return OrderState.CANCELED
        case "OPEN":
            return OrderState.OPEN if _is_paid(order) else OrderState.AWAITING_PAYMENT
        case "DRAFT":
            return None
        case unknown:
            raise UnreadableDocumentError(f"{order.where}: unknown state {unknown!r}")


def _is_paid(order: WireOrder) -> bool:
    """Paid in full, which is when Square takes the units off its count; a fulfillment may keep the order open."""
    if not order.tenders:
        return False
    if order.net_amount_due_money is not None:
        return _amount(order.net_amount_due_money, order) <= 0
    paid = sum((_amount(tender.amount_money, order) for tender in order.tenders), Decimal(0))
    return paid >= _amount(order.total_money, order)


def _left_at(order: WireOrder, state: OrderState) -> datetime | None:
    """When the last payment was taken, however late a till without a line sent the ticket; else when it closed."""
    if state is OrderState.AWAITING_PAYMENT:
        return None
    paid = [tender.created_at for tender in order.tenders if tender.created_at is not None]
    return max(paid, default=order.closed_at)


def _is_goods(item_type: str | None, listing: str | None, order: WireOrder) -> bool:
    """Whether a line sells a variation of the catalogue; typed-in amounts and gift cards move money only."""
    if item_type not in (None, "ITEM", "CUSTOM_AMOUNT", "GIFT_CARD"):
        raise UnreadableDocumentError(f"{order.where}: unknown item type {item_type!r}")
    return item_type in (None, "ITEM") and bool(listing)


def _units(quantity: str, order: WireOrder) -> int:
    units = whole_units(quantity, order.where)
    if units < 0:
        raise UnreadableDocumentError(f"{order.where}: a line of {units} units")
    return units


def _line(line: _Line, order: WireOrder, *, units_canceled: int) -> OrderLine:
    if not line.uid:
        raise UnreadableDocumentError(f"{order.where}: a line has no uid")
    units = _units(line.quantity, order)
    return OrderLine(
        external_id=line.uid,
        listing_external_id=line.catalog_object_id or "",
        title=" - ".join(name for name in (line.name, line.variation_name) if name),
        units=units,
        units_canceled=min(units, units_canceled),
        unit_price=_amount(line.base_price_money, order),
        line_total=_amount(line.total_money, order),
        tax_amount=_amount(line.total_tax_money, order),
    )


def _extras(order: WireOrder) -> list[_Money | None]:
    """Amounts inside the total that belong to no goods: tips, service charges, cash rounding, typed-in amounts.

    An apportioned charge is left out: Square has spread it over the lines already.
    """
    goods = {line.uid for line in _goods(order)}
    others = [line.total_money for line in order.line_items if line.uid not in goods]
    charges = [charge for charge in order.service_charges if charge.treatment_type != "APPORTIONED_TREATMENT"]
    rounding = order.rounding_adjustment.amount_money if order.rounding_adjustment else None
    return [order.total_tip_money, rounding, *others, *(charge.total_money for charge in charges)]


def _currency(order: WireOrder) -> str:
    currency = order.total_money.currency if order.total_money else None
    if currency not in _MINOR_DIGITS:
        raise UnreadableDocumentError(f"{order.where}: the total's currency {currency!r} is not one of Square's")
    return currency


def _amount(money: _Money | None, order: WireOrder) -> Decimal:
    """An amount of the order's currency; what is left out is zero."""
    if money is None or money.amount is None:
        return Decimal(0)
    currency = _currency(order)
    if money.currency != currency:
        raise UnreadableDocumentError(f"{order.where}: amounts in {currency} and in {money.currency!r}")
    return _decimal(money.amount, currency)


def _decimal(amount: int, currency: str) -> Decimal:
    return Decimal(amount).scaleb(-_MINOR_DIGITS[currency])


def _canceled(order: WireOrder) -> Mapping[str, int]:
    """Units of each line that will not be delivered, by the line's uid."""
    ordered = Counter({line.uid or "": _units(line.quantity, order) for line in _goods(order)})
    if order.state == "CANCELED":
        return ordered
    canceled, live = Counter[str](), Counter[str]()
    for fulfillment in order.fulfillments:
        served = Counter[str]()
        for entry in fulfillment.entries:
            served[entry.line_item_uid] += _units(entry.quantity, order)
        target = canceled if _fulfillment_state(fulfillment, order) == "CANCELED" else live
        target.update(served if fulfillment.entries else ordered)
    return {uid: min(units, ordered[uid] - live[uid]) for uid, units in canceled.items() if ordered[uid] > live[uid]}


def _fulfillment_state(fulfillment: _Fulfillment, order: WireOrder) -> str:
    if fulfillment.state not in ("PROPOSED", "RESERVED", "PREPARED", "COMPLETED", "CANCELED", "FAILED"):
        raise UnreadableDocumentError(f"{order.where}: unknown fulfillment state {fulfillment.state!r}")
    return fulfillment.state


def _delivery(order: WireOrder) -> Delivery:
    """Handed over where it was rung up, unless a fulfillment says otherwise; canceled ones speak last."""
    asked = [part for part in order.fulfillments if part.state != "CANCELED"] or list(order.fulfillments)
    kinds = {part.type for part in asked}
    if not kinds:
        return Delivery(method=DeliveryMethod.HANDED_OVER, stock_point=order.location_id)
    if kinds == {"PICKUP"}:
        return Delivery(method=DeliveryMethod.PICKUP, stock_point=order.location_id)
    if kinds <= {"SHIPMENT", "DELIVERY"}:
        return Delivery(method=DeliveryMethod.SHIP, address=_address(asked[0].recipient))
    names = ", ".join(sorted(repr(kind) for kind in kinds))
    raise UnreadableDocumentError(f"{order.where}: fulfillments of type {names} are not known together")


def _address(recipient: _Recipient | None) -> Address | None:
    place = recipient.address if recipient else None
    if place is None or not place.country:
        return None
    lines = (place.address_line_1, place.address_line_2, place.address_line_3)
    return Address(
        country=place.country,
        postal_code=place.postal_code,
        city=place.locality,
        lines=tuple(line for line in lines if line),
    )


def _customer(order: WireOrder) -> Customer | None:
    """Who receives a fulfillment; a till ticket names nobody."""
    for part in order.fulfillments:
        if part.recipient:
            person = part.recipient
            return Customer(name=person.display_name, email=person.email_address, phone=person.phone_number)
    return None


def _returns(order: WireOrder, channel: str) -> list[Return]:
    """What came back; final only when the order is completed.

    No line is `restocked`: the inventory adjustment into IN_STOCK says that, and books the units.
    """
    if order.state != "COMPLETED":
        return []
    return [
        Return(
            channel=channel,
            external_id=f"{order.id}:{part.uid or part.source_order_id or 'unlinked'}",
            order=part.source_order_id or None,
            occurred_at=order.created_at,
            lines=tuple(
                _return_line(line, order)
                for line in part.return_line_items
                if _is_goods(line.item_type, line.catalog_object_id, order) and _units(line.quantity, order)
            ),
            refund=_refund(part, order),
        )
        for part in order.returns
    ]


def _return_line(line: _ReturnLine, order: WireOrder) -> ReturnLine:
    if not line.uid:
        raise UnreadableDocumentError(f"{order.where}: a returned line has no uid")
    return ReturnLine(
        external_id=line.uid,
        order_line=line.source_line_item_uid or None,
        listing_external_id=line.catalog_object_id or "",
        units=_units(line.quantity, order),
        restocked=False,
        stock_point=order.location_id,
    )


def _refund(part: _Return, order: WireOrder) -> Money | None:
    money = part.return_amounts.total_money if part.return_amounts else None
    if money is None or money.amount is None:
        return None
    if money.currency not in _MINOR_DIGITS:
        raise UnreadableDocumentError(f"{order.where}: the refund's currency {money.currency!r} is not one of Square's")
    return Money(amount=_decimal(money.amount, money.currency), currency=money.currency)
