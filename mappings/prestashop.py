"""PrestaShop's documents in the hub's words. Pure: bytes in, facts out.

Wire: web service of 8.0.4 (recorded answers) and the vendor's resource list for 8.x, read 2026-11-22.

- A listing is a stock row that is a sku's own number: `<id_product>:<id_product_attribute>`.
- An order's standing is read from the flags of its state, because the ids of states differ between shops; only
  canceled, failed payment and refunded have no flag of their own and are named by settings. A failed payment holds no
  units on the shop's own number, so it is told as canceled; paid later, the order opens again.
- Units refunded or returned before the order was first shipped never left: they are canceled units. A credit slip
  dated later is a `Return`.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from mappings.errors import UnreadableDocumentError
from mappings.prestashop_wire import (
    OrderDocument,
    PlaceDocument,
    ProductDocument,
    StockDocument,
    WireAddress,
    WireCombination,
    WireDetail,
    WireOrderRow,
    WireProduct,
    WireSlip,
    first_text,
    leaves,
    listing_id,
    read,
    to_utc,
    unreadable,
)
from schemas.base import Gtin, Money, Sku
from schemas.documents import Fact, RawDocument, Translation
from schemas.locations import Address
from schemas.orders import Customer, Delivery, DeliveryMethod, Order, OrderLine, OrderState, Return, ReturnLine
from schemas.publications import ChannelListing, ChannelPlace
from schemas.stock import StockObservation

ORDER = "order"
PRODUCT = "product"
STOCK = "stock"
PLACE = "place"

CENT = Decimal("0.01")
STEP = Decimal("0.000001")
"""What amounts of rows are written in."""

_SKU: TypeAdapter[str] = TypeAdapter(Sku)
_GTIN: TypeAdapter[str] = TypeAdapter(Gtin)


def translate(document: RawDocument, translation: Translation) -> Sequence[Fact]:
    """Answers the facts of one document.

    Raises:
        UnreadableDocumentError: the document is malformed, names a state that the shop does not list, or does not
            add up.
    """
    reader = _READERS.get(document.topic)
    if reader is None:
        raise UnreadableDocumentError(f"PrestaShop sends no documents of the kind {document.topic!r}")
    what = f"PrestaShop {document.topic} {document.document_id}"
    try:
        return reader(document.body, translation, what)
    except ValidationError as error:
        raise unreadable(what, error) from None


def _place(body: bytes, translation: Translation, what: str) -> list[Fact]:
    wire = read(PlaceDocument, body, what)
    return [
        ChannelPlace(channel=translation.channel, stock_point=wire.stock_point, name=wire.name, is_active=wire.active)
    ]


def _stock(body: bytes, translation: Translation, what: str) -> list[Fact]:
    wire = read(StockDocument, body, what)
    return [
        StockObservation(
            channel=translation.channel,
            listing_external_id=listing_id(row.id_product, row.id_product_attribute),
            stock_point=wire.stock_point,
            units=row.quantity,
            observed_at=wire.read_at,
        )
        for row in leaves(wire.rows)
    ]


def _product(body: bytes, translation: Translation, what: str) -> list[Fact]:
    """A combination without a stock row, and a stock row left over from a deleted combination, give no listing."""
    wire = read(ProductDocument, body, what)
    combinations = {combination.id: combination for combination in wire.combinations}
    options = {option.id: (first_text(option.group), first_text(option.name)) for option in wire.options}
    listings: list[Fact] = []
    for row in leaves(wire.stock):
        combination = combinations.get(row.id_product_attribute)
        if (combination is None) == bool(row.id_product_attribute or combinations):
            continue
        sold: WireProduct | WireCombination = combination or wire.product
        named = [options.get(value, ("", "")) for value in combination.option_values] if combination else []
        listings.append(
            ChannelListing(
                channel=translation.channel,
                external_id=listing_id(row.id_product, row.id_product_attribute),
                stock_id=str(row.id),
                sku=_sku(sold.reference),
                gtin=_gtin(sold.ean13) or _gtin(sold.upc),
                title=first_text(wire.product.name),
                options={group: name for group, name in named if group and name},
            )
        )
    return listings


def _sku(text: str) -> str | None:
    try:
        return _SKU.validate_python(text.strip())
    except ValidationError:
        return None


def _gtin(text: str) -> str | None:
    try:
        return _GTIN.validate_python(text.strip()) if text.strip() else None
    except ValidationError:
        return None


def _order(body: bytes, translation: Translation, what: str) -> list[Fact]:
    wire = read(OrderDocument, body, what)
    zone = ZoneInfo(translation.time_zone)
    stamps = [wire.order.date_upd, *(slip.date_upd for slip in wire.slips)]
    updated_at = max(to_utc(stamp, zone, wire.read_at) for stamp in stamps)
    shipped_at, state = _standing(wire, what)
    late_slips = [slip for slip in wire.slips if shipped_at is not None and slip.date_add >= shipped_at]
    returned = _units_by_row(late_slips)
    lines = _less_discount(
        [
            _line(row, _detail(wire, row.id), state, returned.get(row.id, 0))
            for row in wire.order.rows
            if row.product_quantity
        ],
        wire.order.total_discounts_tax_incl,
    )
    order = Order(
        channel=translation.channel,
        external_id=str(wire.order.id),
        number=wire.order.reference or str(wire.order.id),
        placed_at=min(updated_at, to_utc(wire.order.date_add, zone, updated_at)),
        updated_at=updated_at,
        state=state,
        currency=wire.currency,
        lines=lines,
        delivery=_delivery(wire),
        customer=_customer(wire),
        shipping_amount=wire.order.total_shipping_tax_incl,
        tax_amount=wire.order.total_paid_tax_incl - wire.order.total_paid_tax_excl,
        discount_amount=wire.order.total_discounts_tax_incl,
        difference=_difference(wire, lines, what),
        total=wire.order.total_paid,
    )
    return [order, *_returns(wire, late_slips, translation.channel, zone, what)]


def _delivery(wire: OrderDocument) -> Delivery:
    if wire.is_pickup:
        return Delivery(method=DeliveryMethod.PICKUP, stock_point=wire.stock_point)
    return Delivery(method=DeliveryMethod.SHIP, address=_address(wire.address, wire.country))


def _standing(wire: OrderDocument, what: str) -> tuple[datetime | None, OrderState]:
    """When the order first left (shop time), and where it stands.

    Shipped once is shipped: a state set afterwards (payment collected on delivery, return received) has no such flag.
    """
    states = {state.id: state for state in wire.states}
    current = states.get(wire.order.current_state)
    if current is None:
        raise UnreadableDocumentError(f"{what}: state {wire.order.current_state} is not among the shop's order states")
    shipping = {state.id for state in wire.states if state.shipped}
    shipped_at = min(
        (entry.date_add for entry in wire.histories if entry.id_order_state in shipping),
        default=wire.order.date_add if current.shipped else None,
    )
    if current.id in {wire.roles.canceled, wire.roles.payment_error}:
        return shipped_at, OrderState.CANCELED
    if shipped_at is not None:
        return shipped_at, OrderState.COMPLETED
    if current.id == wire.roles.refunded:
        return None, OrderState.CANCELED
    return None, OrderState.OPEN if current.paid or current.logable else OrderState.AWAITING_PAYMENT


def _detail(wire: OrderDocument, row: int) -> WireDetail | None:
    return next((detail for detail in wire.details if detail.id == row), None)


def _units_by_row(slips: Sequence[WireSlip]) -> dict[int, int]:
    units: dict[int, int] = {}
    for slip in slips:
        for line in slip.lines:
            units[line.id_order_detail] = units.get(line.id_order_detail, 0) + line.product_quantity
    return units


def _never_left(detail: WireDetail | None, returned: int) -> int:
    if detail is None:
        return 0
    return max(0, detail.product_quantity_refunded + detail.product_quantity_return - returned)


def _line(row: WireOrderRow, detail: WireDetail | None, state: OrderState, returned: int) -> OrderLine:
    """Totals come from order_details, which rounds as the shop does; without it, price times units."""
    units = row.product_quantity
    total = detail.total_price_tax_incl if detail else row.unit_price_tax_incl * units
    net = detail.total_price_tax_excl if detail else row.unit_price_tax_excl * units
    canceled = units if state is OrderState.CANCELED else min(units, _never_left(detail, returned))
    return OrderLine(
        external_id=str(row.id),
        listing_external_id=listing_id(row.product_id, row.product_attribute_id),
        sku=_sku(row.product_reference),
        title=row.product_name,
        units=units,
        units_canceled=canceled,
        unit_price=row.unit_price_tax_incl,
        line_total=total,
        tax_amount=total - net,
    )


def _less_discount(lines: Sequence[OrderLine], discount: Decimal) -> tuple[OrderLine, ...]:
    """Spreads the order's vouchers over its lines by what they cost: they sum to the whole, none is beyond its line.

    An order does not say what its vouchers are for. What goes beyond the goods was for something else.
    """
    goods = sum((line.line_total for line in lines), Decimal(0))
    discount = min(discount, goods)
    if discount <= 0:
        return tuple(lines)
    spread: list[OrderLine] = []
    passed = given = Decimal(0)
    for line in lines:
        passed += line.line_total
        # In the steps of the rows' own amounts, downwards: in cents a part could be more than its line costs.
        until = (discount * passed / goods).quantize(STEP, ROUND_DOWN)
        spread.append(line.model_copy(update={"discount_amount": until - given}))
        given = until
    return tuple(spread)


def _difference(wire: OrderDocument, lines: Sequence[OrderLine], what: str) -> Decimal:
    """Gift wrapping, and the rounding that the shop itself did: it rounds totals to cents, rows keep six decimals.

    Raises:
        UnreadableDocumentError: more is missing than a cent a line.
    """
    order = wire.order
    allowed = CENT * len(lines)
    rows = sum((line.line_total for line in lines), Decimal(0))
    if abs(order.total_products_wt - rows) > allowed:
        raise UnreadableDocumentError(
            f"{what} does not add up: its rows give {rows}, the shop states products for {order.total_products_wt}"
        )
    difference = order.total_paid - (rows + order.total_shipping_tax_incl - order.total_discounts_tax_incl)
    if abs(difference - order.total_wrapping_tax_incl) > allowed:
        raise UnreadableDocumentError(
            f"{what} does not add up: rows, shipping, wrapping and discounts leave"
            f" {difference - order.total_wrapping_tax_incl} of {order.total_paid} unexplained"
        )
    return difference


def _returns(wire: OrderDocument, slips: Sequence[WireSlip], channel: str, zone: ZoneInfo, what: str) -> list[Return]:
    """Credit slips after shipping. A slip does not say whether its goods went back on the shelf: only the row's sum of
    reinjected units does. They are given to the slips in the order these were written; what never left took its part
    first.
    """
    rows = {row.id: row for row in wire.order.rows}
    late = _units_by_row(slips)
    reinjected = {
        detail.id: detail.product_quantity_reinjected - _never_left(detail, late.get(detail.id, 0))
        for detail in wire.details
    }
    returns: list[Return] = []
    for slip in sorted(slips, key=lambda slip: slip.id):
        lines: list[ReturnLine] = []
        for line in slip.lines:
            if not line.product_quantity:
                continue
            row = rows.get(line.id_order_detail)
            if row is None:
                raise UnreadableDocumentError(f"{what}: credit slip {slip.id} names a row that the order has not")
            restocked = reinjected.get(row.id, 0) >= line.product_quantity
            if restocked:
                reinjected[row.id] -= line.product_quantity
            lines.append(
                ReturnLine(
                    external_id=str(row.id),
                    order_line=str(row.id),
                    listing_external_id=listing_id(row.product_id, row.product_attribute_id),
                    units=line.product_quantity,
                    restocked=restocked,
                    stock_point=wire.stock_point,
                )
            )
        returns.append(
            Return(
                channel=channel,
                external_id=str(slip.id),
                order=str(wire.order.id),
                occurred_at=to_utc(slip.date_add, zone, wire.read_at),
                lines=tuple(lines),
                refund=Money(
                    amount=slip.total_products_tax_incl + slip.total_shipping_tax_incl, currency=wire.currency
                ),
            )
        )
    return returns


def _customer(wire: OrderDocument) -> Customer | None:
    if wire.customer is None:
        return None
    phone = (wire.address.phone or wire.address.phone_mobile) if wire.address else ""
    name = f"{wire.customer.firstname} {wire.customer.lastname}".strip()
    return Customer(name=name or None, email=wire.customer.email or None, phone=phone or None)


def _address(address: WireAddress | None, country: str | None) -> Address | None:
    if address is None or country is None or not re.fullmatch(r"[A-Z]{2}", country):
        return None
    return Address(
        country=country,
        postal_code=address.postcode or None,
        city=address.city or None,
        lines=tuple(line for line in (address.company, address.address1, address.address2) if line),
    )


_READERS: dict[str, Callable[[bytes, Translation, str], list[Fact]]] = {
    ORDER: _order,
    PRODUCT: _product,
    STOCK: _stock,
    PLACE: _place,
}
