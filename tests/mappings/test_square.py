"""Square's documents become facts: exact values, hostile inputs, and one booking for each unit."""

import copy
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.errors import UnreadableDocumentError
from mappings.square import CHANGE, COUNT, COUNTS_UPDATED, ITEM, LOCATION, ORDER, ORDER_HINT, translate
from mappings.square_wire import whole_units
from schemas.base import Money
from schemas.documents import Fact, Heard, RawDocument, Translation
from schemas.locations import Address
from schemas.orders import Customer, Delivery, DeliveryMethod, Order, OrderLine, OrderState, Return, ReturnLine
from schemas.publications import ChannelListing, ChannelPlace
from schemas.stock import AdjustmentReason, ChannelMovement, MovementKind, StockObservation

Wire = dict[str, Any]
CREATED, UPDATED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC), datetime(2026, 3, 2, 9, 0, 5, 250_000, UTC)


def eur(amount: int) -> Wire:
    return {"amount": amount, "currency": "EUR"}


def read(topic: str, body: object) -> list[Fact]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return list(translate(RawDocument(topic, "doc", "event", raw, Heard.POLL), Translation("till", "Europe/Paris")))


def refused(topic: str, body: object) -> str:
    with pytest.raises(UnreadableDocumentError) as caught:
        read(topic, body)
    return str(caught.value)


def line(uid: str | None = "L1", quantity: str = "2", total: int = 1500, **more: Any) -> Wire:
    return {
        "uid": uid,
        "catalog_object_id": "VAR1",
        "name": "Mug",
        "variation_name": "Blue",
        "item_type": "ITEM",
        "quantity": quantity,
        "base_price_money": eur(750),
        "total_tax_money": eur(250),
        "total_money": eur(total),
        **more,
    }


def order(**more: Any) -> Wire:
    return {
        "id": "O1",
        "location_id": "LMAIN",
        "state": "COMPLETED",
        "created_at": "2026-03-02T10:00:00+01:00",
        "updated_at": "2026-03-02T09:00:05.250Z",
        "line_items": [line()],
        "total_money": eur(1500),
        "total_tax_money": eur(250),
        **more,
    }


def sale(**more: Any) -> Order:
    [fact] = read(ORDER, order(**more))
    assert isinstance(fact, Order)
    return fact


def test_a_ticket_is_goods_handed_over_at_its_location() -> None:
    assert sale() == Order(
        channel="till",
        external_id="O1",
        number="O1",
        placed_at=CREATED,
        updated_at=UPDATED,
        state=OrderState.COMPLETED,
        currency="EUR",
        lines=(
            OrderLine(
                external_id="L1",
                listing_external_id="VAR1",
                title="Mug - Blue",
                units=2,
                unit_price=Decimal("7.50"),
                line_total=Decimal("15.00"),
                tax_amount=Decimal("2.50"),
            ),
        ),
        delivery=Delivery(method=DeliveryMethod.HANDED_OVER, stock_point="LMAIN"),
        tax_amount=Decimal("2.50"),
        total=Decimal("15.00"),
    )


def test_a_reference_is_the_number_and_a_ticket_name_is_not() -> None:
    assert sale(reference_id="2026-0007", ticket_name="Ada").number == "2026-0007"
    assert sale(ticket_name="Ada").number == "O1"


@pytest.mark.parametrize(
    ("wire", "state", "canceled"),
    [
        ({"state": "OPEN"}, OrderState.AWAITING_PAYMENT, 0),
        ({"state": "OPEN", "net_amount_due_money": eur(1500)}, OrderState.AWAITING_PAYMENT, 0),
        ({"state": "OPEN", "net_amount_due_money": eur(0)}, OrderState.AWAITING_PAYMENT, 0),
        ({"state": "OPEN", "tenders": [{"amount_money": eur(1500)}]}, OrderState.OPEN, 0),
        ({"state": "OPEN", "tenders": [{"amount_money": eur(1499)}]}, OrderState.AWAITING_PAYMENT, 0),
        (
            {"state": "OPEN", "tenders": [{"amount_money": eur(500)}], "net_amount_due_money": eur(1000)},
            OrderState.AWAITING_PAYMENT,
            0,
        ),
        (
            {"state": "OPEN", "tenders": [{"amount_money": eur(2000)}], "net_amount_due_money": eur(0)},
            OrderState.OPEN,
            0,
        ),
        ({"state": "CANCELED"}, OrderState.CANCELED, 2),
    ],
)
def test_an_order_counts_as_open_once_it_is_paid(wire: Wire, state: OrderState, canceled: int) -> None:
    fact = sale(**wire)
    assert (fact.state, fact.lines[0].units_canceled) == (state, canceled)


def test_a_draft_is_no_order() -> None:
    assert read(ORDER, order(state="DRAFT")) == []


@pytest.mark.parametrize("state", ["REOPENED", None, ""])
def test_an_unknown_state_is_named(state: str | None) -> None:
    assert refused(ORDER, order(state=state)) == f"order 'O1': unknown state {state!r}"


def test_money_beside_the_goods_is_an_explicit_difference() -> None:
    fact = sale(
        line_items=[
            line(),
            line("L2", "1", 400, item_type="CUSTOM_AMOUNT", catalog_object_id=None),
            line("L3", "1", 2500, item_type="GIFT_CARD", catalog_object_id=None),
            line("L4", "1.5", 120, catalog_object_id=None),
            line("L5", "0", 0),
        ],
        service_charges=[
            {"total_money": eur(130), "treatment_type": "LINE_ITEM_TREATMENT"},
            {"total_money": eur(99), "treatment_type": "APPORTIONED_TREATMENT"},
        ],
        total_tip_money=eur(200),
        rounding_adjustment={"amount_money": eur(-2)},
        total_money=eur(1500 + 400 + 2500 + 120 + 130 + 200 - 2),
    )
    assert [(row.external_id, row.units) for row in fact.lines] == [("L1", 2)]
    assert (fact.difference, fact.total) == (Decimal("33.48"), Decimal("48.48"))


def test_only_typed_in_amounts_are_no_sale_of_goods() -> None:
    assert read(ORDER, order(line_items=[line(item_type="CUSTOM_AMOUNT", catalog_object_id=None)])) == []


def test_a_total_that_does_not_add_up_is_refused() -> None:
    assert "does not add up" in refused(ORDER, order(total_money=eur(1501)))


def test_yen_have_no_digits_after_the_point() -> None:
    def yen(amount: int) -> Wire:
        return {"amount": amount, "currency": "JPY"}

    money = {"base_price_money": yen(750), "total_money": yen(1500), "total_tax_money": yen(136)}
    fact = sale(line_items=[line() | money], total_money=yen(1500), total_tax_money=yen(136))
    assert (fact.total, fact.lines[0].unit_price, fact.currency) == (Decimal(1500), Decimal(750), "JPY")


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        ({"total_money": {"amount": 1500, "currency": "BTC"}}, "currency 'BTC' is not one of Square's"),
        ({"total_money": {"amount": 1500}}, "currency None is not one of Square's"),
        ({"total_money": None}, "currency None is not one of Square's"),
        ({"total_tax_money": {"amount": 1, "currency": "USD"}}, "amounts in EUR and in 'USD'"),
        ({"line_items": [line(uid=None)]}, "a line has no uid"),
        ({"line_items": [line(item_type="SUBSCRIPTION")]}, "unknown item type 'SUBSCRIPTION'"),
        ({"line_items": [line(quantity="2.25")]}, "2.25 is not a whole number of units"),
        ({"line_items": [line(quantity="-2")]}, "a line of -2 units"),
        ({"line_items": [line(quantity="NaN")]}, "'NaN' is not a quantity"),
        ({"line_items": [line(), line()], "total_money": eur(3000)}, "names a line twice"),
        ({"created_at": "2026-03-02T09:00:00"}, "a time needs its zone"),
        ({"created_at": 1772442000}, "RFC 3339 text"),
        ({"updated_at": "yesterday"}, "updated_at"),
        ({"fulfillments": [{"type": "CARRIER_PIGEON", "state": "PROPOSED"}]}, "type 'CARRIER_PIGEON'"),
        ({"fulfillments": [{"type": "PICKUP", "state": "LOST"}]}, "unknown fulfillment state 'LOST'"),
        (
            {"fulfillments": [{"type": "PICKUP", "state": "PROPOSED"}, {"type": "SHIPMENT", "state": "PROPOSED"}]},
            "type 'PICKUP', 'SHIPMENT' are not known together",
        ),
        ({"location_id": None}, "location_id"),
        ({"total_money": {"amount": 15.5, "currency": "EUR"}}, "total_money.amount"),
    ],
)
def test_what_an_order_may_not_be(wire: Wire, message: str) -> None:
    assert message in refused(ORDER, order(**wire))


def test_an_error_holds_no_personal_data() -> None:
    recipient = {"display_name": "Ada Invented", "email_address": ["ada@example.org"]}
    wire = order(fulfillments=[{"type": "PICKUP", "state": "PROPOSED", "pickup_details": {"recipient": recipient}}])
    with pytest.raises(UnreadableDocumentError) as caught:
        read(ORDER, wire)
    assert "Ada" not in str(caught.value)
    assert "ada@" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_fields_that_are_zero_may_be_missing() -> None:
    wire = order(line_items=[{"uid": "L1", "catalog_object_id": "VAR1", "quantity": "1"}], total_tax_money=None)
    wire["total_money"] = eur(0)
    [fact] = read(ORDER, wire)
    assert isinstance(fact, Order)
    assert {fact.total, fact.lines[0].unit_price, fact.lines[0].tax_amount} == {Decimal(0)}


def shipped_to(state: str, **more: Any) -> Wire:
    address = {"address_line_1": "1 rue", "address_line_3": "bât. B", "locality": "Paris", "postal_code": "75011"}
    recipient = {"display_name": "Ada", "email_address": "a@x.org", "address": {**address, "country": "FR"}}
    return {"uid": "F", "type": "SHIPMENT", "state": state, "shipment_details": {"recipient": recipient}, **more}


@pytest.mark.parametrize(
    ("said", "left_at"),
    [
        ({"tenders": [{"amount_money": eur(1500), "created_at": "2026-03-02T08:00:00Z"}]}, "08:00:00"),
        (
            {
                "closed_at": "2026-03-02T09:00:05Z",
                "tenders": [
                    {"amount_money": eur(500), "created_at": "2026-03-02T08:30:00Z"},
                    {"amount_money": eur(1000), "created_at": "2026-03-02T08:00:00Z"},
                ],
            },
            "08:30:00",
        ),
        ({"closed_at": "2026-03-02T09:00:03Z"}, "09:00:03"),
        ({"closed_at": "2026-03-02T09:00:03Z", "tenders": [{"amount_money": eur(1500)}]}, "09:00:03"),
        ({"state": "OPEN"}, None),
        ({"state": "OPEN", "tenders": [{"amount_money": eur(500), "created_at": "2026-03-02T08:00:00Z"}]}, None),
        ({}, None),
    ],
)
def test_units_leave_when_the_last_payment_is_taken_however_late_the_ticket_is_written(
    said: Wire, left_at: str | None
) -> None:
    stamp = sale(**said).units_left_at
    assert (stamp and f"{stamp:%H:%M:%S}") == left_at


PAID: Wire = {"state": "OPEN", "tenders": [{"amount_money": eur(1500)}], "net_amount_due_money": eur(0)}


def test_a_shop_order_ships_to_its_recipient() -> None:
    fact = sale(**PAID, fulfillments=[shipped_to("PROPOSED")])
    assert fact.delivery == Delivery(
        method=DeliveryMethod.SHIP,
        address=Address(country="FR", postal_code="75011", city="Paris", lines=("1 rue", "bât. B")),
    )
    assert fact.customer == Customer(name="Ada", email="a@x.org")


def test_a_pickup_is_at_the_orders_location() -> None:
    fact = sale(**PAID, fulfillments=[{"type": "PICKUP", "state": "PREPARED", "pickup_details": None}])
    assert fact.delivery == Delivery(method=DeliveryMethod.PICKUP, stock_point="LMAIN")
    assert fact.customer is None


def test_a_shipment_without_address_waits_for_it() -> None:
    fact = sale(**PAID, fulfillments=[{"type": "DELIVERY", "state": "PROPOSED"}])
    assert fact.delivery == Delivery(method=DeliveryMethod.SHIP)


@pytest.mark.parametrize(
    ("fulfillments", "canceled"),
    [
        ([shipped_to("CANCELED")], 2),
        ([shipped_to("FAILED")], 0),
        ([shipped_to("CANCELED", entries=[{"line_item_uid": "L1", "quantity": "1"}]), shipped_to("PROPOSED")], 0),
        (
            [
                shipped_to("CANCELED", entries=[{"line_item_uid": "L1", "quantity": "1"}]),
                shipped_to("COMPLETED", entries=[{"line_item_uid": "L1", "quantity": "1"}]),
            ],
            1,
        ),
        ([shipped_to("CANCELED"), shipped_to("PROPOSED")], 0),
        ([shipped_to("CANCELED"), shipped_to("COMPLETED", entries=[{"line_item_uid": "L1", "quantity": "1"}])], 1),
    ],
)
def test_units_of_a_canceled_fulfillment_that_no_other_serves(fulfillments: Sequence[Wire], canceled: int) -> None:
    assert sale(**PAID, fulfillments=list(fulfillments)).lines[0].units_canceled == canceled


def back(**more: Any) -> Wire:
    returned = {"uid": "RL1", "source_line_item_uid": "L1", "catalog_object_id": "VAR1", "quantity": "1"}
    amounts = {"total_money": eur(750)}
    return {"uid": "R1", "source_order_id": "O0", "return_line_items": [returned], "return_amounts": amounts, **more}


def test_a_return_says_what_came_back_and_not_that_it_is_on_sale_again() -> None:
    assert read(ORDER, order(line_items=None, returns=[back()], total_money=eur(0))) == [
        Return(
            channel="till",
            external_id="O1:R1",
            order="O0",
            occurred_at=CREATED,
            lines=(
                ReturnLine(
                    external_id="RL1",
                    order_line="L1",
                    listing_external_id="VAR1",
                    units=1,
                    restocked=False,
                    stock_point="LMAIN",
                ),
            ),
            refund=Money(amount=Decimal("7.50"), currency="EUR"),
        )
    ]


def test_an_exchange_is_a_sale_and_a_return() -> None:
    sold, returned = read(ORDER, order(returns=[back()]))
    assert isinstance(sold, Order)
    assert isinstance(returned, Return)
    assert (sold.external_id, returned.order) == ("O1", "O0")


def test_returns_without_ticket_and_of_money_only() -> None:
    custom = {"uid": "RL2", "quantity": "1", "item_type": "CUSTOM_AMOUNT"}
    parts = [back(uid=None, source_order_id=None), back(uid="R2", return_line_items=[custom]), back(uid=None)]
    found = read(ORDER, order(line_items=[], returns=parts))
    assert all(isinstance(fact, Return) for fact in found)
    assert [(f.external_id, f.order, len(f.lines)) for f in found if isinstance(f, Return)] == [
        ("O1:unlinked", None, 1),
        ("O1:R2", "O0", 0),
        ("O1:O0", "O0", 1),
    ]


def test_a_return_is_final_when_its_order_is_completed() -> None:
    assert read(ORDER, order(line_items=[], returns=[back()], state="OPEN")) == []
    assert "currency 'XXX'" in refused(
        ORDER, order(returns=[back(return_amounts={"total_money": {"amount": 1, "currency": "XXX"}})])
    )
    missing = [{"quantity": "1", "catalog_object_id": "VAR1"}]
    assert "a returned line has no uid" in refused(ORDER, order(returns=[back(return_line_items=missing)]))


def adjustment(origin: str, goal: str, **more: Any) -> Wire:
    content = {
        "id": "A1",
        "from_state": origin,
        "to_state": goal,
        "location_id": "LMAIN",
        "catalog_object_id": "VAR1",
        "quantity": "3.00000",
        "occurred_at": "2026-03-02T09:00:00Z",
        **more,
    }
    return {"type": "ADJUSTMENT", "adjustment": content}


K, R = MovementKind, AdjustmentReason


@pytest.mark.parametrize(
    ("states", "kind", "units", "reason"),
    [
        (("NONE", "IN_STOCK"), K.RECEIVED, 3, None),
        (("RECEIVED_FROM_VENDOR", "IN_STOCK"), K.RECEIVED, 3, None),
        (("ORDERED_FROM_VENDOR", "IN_STOCK"), K.RECEIVED, 3, None),
        (("UNLINKED_RETURN", "IN_STOCK"), K.RETURNED, 3, None),
        (("RETURNED_BY_CUSTOMER", "IN_STOCK"), K.RETURNED, 3, None),
        (("SOLD", "IN_STOCK"), K.RETURNED, 3, None),
        (("IN_TRANSIT", "IN_STOCK"), K.TRANSFERRED_IN, 3, None),
        (("WASTE", "IN_STOCK"), K.ADJUSTED, 3, R.FOUND),
        (("IN_STOCK", "WASTE"), K.ADJUSTED, -3, R.DAMAGED),
        (("IN_STOCK", "NONE"), K.ADJUSTED, -3, R.CORRECTION),
        (("IN_STOCK", "IN_TRANSIT"), K.TRANSFERRED_OUT, -3, None),
        (("IN_STOCK", "SOLD"), K.SOLD, -3, None),
    ],
)
def test_what_an_adjustment_does_to_the_shelf(
    states: tuple[str, str], kind: MovementKind, units: int, reason: AdjustmentReason | None
) -> None:
    assert read(CHANGE, adjustment(*states)) == [
        ChannelMovement(
            channel="till",
            external_id="A1",
            listing_external_id="VAR1",
            stock_point="LMAIN",
            kind=kind,
            units=units,
            occurred_at=CREATED,
            reason=reason,
        )
    ]


@pytest.mark.parametrize(
    "wire",
    [
        adjustment("IN_STOCK", "SOLD", transaction_id="O1"),
        adjustment("IN_STOCK", "SOLD_ONLINE", transaction_id="O1"),
        adjustment("IN_STOCK", "COMPOSED", transaction_id="O1", adjustment_group={"to_state": "SOLD"}),
        adjustment("SOLD", "RETURNED_BY_CUSTOMER", transaction_id="O1", refund_id="R"),
        adjustment("ORDERED_FROM_VENDOR", "RECEIVED_FROM_VENDOR"),
        adjustment("IN_STOCK", "WASTE", reference_id="nervure:abc"),
        adjustment("IN_STOCK", "WASTE", quantity="0"),
    ],
)
def test_what_is_booked_elsewhere_or_moves_nothing_gives_no_fact(wire: Wire) -> None:
    assert read(CHANGE, wire) == []


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (adjustment("IN_STOCK", "RESERVED_FOR_SALE"), "what IN_STOCK to RESERVED_FOR_SALE does to stock is not known"),
        (adjustment("CUSTOM", "IN_STOCK"), "what CUSTOM to IN_STOCK does to stock is not known"),
        (adjustment("IN_STOCK", "COMPOSED"), "what IN_STOCK to COMPOSED does to stock is not known"),
        (adjustment("IN_STOCK", "LENT"), "adjustment 'A1': unknown inventory state 'LENT'"),
        (adjustment("SUPPORTED_BY_NEWER_VERSION", "IN_STOCK"), "unknown inventory state"),
        (adjustment("IN_STOCK", "WASTE", quantity="0.5"), "adjustment 'A1': 0.5 is not a whole number of units"),
        (adjustment("IN_STOCK", "WASTE", quantity="1.000001"), "is not a quantity"),
        ({"type": "ADJUSTMENT"}, "type 'ADJUSTMENT' is unknown or has no content"),
        ({"type": "MERGER"}, "type 'MERGER' is unknown or has no content"),
    ],
)
def test_what_a_change_may_not_be(wire: Wire, message: str) -> None:
    assert message in refused(CHANGE, wire)


def physical(**more: Any) -> Wire:
    content = {
        "id": "C1",
        "catalog_object_id": "VAR1",
        "location_id": "LMAIN",
        "state": "IN_STOCK",
        "quantity": "7",
        "occurred_at": "2026-03-02T09:00:00Z",
        "source": {"product": "SQUARE_POS"},
        **more,
    }
    return {"type": "PHYSICAL_COUNT", "physical_count": content}


def observation(units: int, *, counted: bool) -> StockObservation:
    return StockObservation(
        channel="till",
        listing_external_id="VAR1",
        stock_point="LMAIN",
        units=units,
        observed_at=CREATED,
        is_physical_count=counted,
    )


def test_staff_count_and_applications_do_not() -> None:
    assert read(CHANGE, physical()) == [observation(7, counted=True)]
    assert read(CHANGE, physical(source=None)) == [observation(7, counted=True)]
    assert read(CHANGE, physical(source={"product": "DASHBOARD"})) == [observation(7, counted=True)]
    assert read(CHANGE, physical(source={"product": "EXTERNAL_API"}, reference_id="erp-1")) == [
        observation(7, counted=False)
    ]


def test_our_own_count_and_other_states_give_no_fact() -> None:
    assert read(CHANGE, physical(reference_id="nervure:0123", source={"product": "EXTERNAL_API"})) == []
    assert read(CHANGE, physical(state="WASTE")) == []
    assert "unknown inventory state 'SHELF'" in refused(CHANGE, physical(state="SHELF"))


def test_a_transfer_leaves_one_place_and_reaches_another() -> None:
    content = {
        "id": "T1",
        "state": "IN_STOCK",
        "from_location_id": "LMAIN",
        "to_location_id": "LSECOND",
        "catalog_object_id": "VAR1",
        "quantity": "2",
        "occurred_at": "2026-03-02T09:00:00Z",
    }
    found = read(CHANGE, {"type": "TRANSFER", "transfer": content})
    assert [(f.external_id, f.stock_point, f.kind, f.units) for f in found if isinstance(f, ChannelMovement)] == [
        ("T1:out", "LMAIN", K.TRANSFERRED_OUT, -2),
        ("T1:in", "LSECOND", K.TRANSFERRED_IN, 2),
    ]
    assert read(CHANGE, {"type": "TRANSFER", "transfer": {**content, "state": "WASTE"}}) == []


def count(**more: Any) -> Wire:
    return {
        "catalog_object_id": "VAR1",
        "location_id": "LMAIN",
        "state": "IN_STOCK",
        "quantity": "12",
        "calculated_at": "2026-03-02T01:00:00-08:00",
        **more,
    }


@pytest.mark.parametrize(("text", "units"), [("12", 12), ("12.00000", 12), ("-3", -3), ("0", 0), ("0007.0", 7)])
def test_a_running_count_is_an_observation(text: str, units: int) -> None:
    assert read(COUNT, count(quantity=text)) == [observation(units, counted=False)]


@pytest.mark.parametrize(
    "text", ["1.5", "0.00001", "1e3", "", " 5", "5 ", "\u0665", "1.000000", "+5", "Infinity", "1,5"]
)
def test_a_fraction_or_no_number_is_refused(text: str) -> None:
    assert "'VAR1'" in refused(COUNT, count(quantity=text))


def test_a_webhook_tells_several_counts() -> None:
    counts = [count(), count(state="WASTE", quantity="0.5"), count(location_id="LSECOND", quantity="4")]
    event = {"type": "inventory.count.updated", "data": {"object": {"inventory_counts": counts}}}
    found = read(COUNTS_UPDATED, event)
    assert [(f.stock_point, f.units) for f in found if isinstance(f, StockObservation)] == [
        ("LMAIN", 12),
        ("LSECOND", 4),
    ]
    assert read(COUNTS_UPDATED, {"data": {"object": None}}) == []
    assert "data" in refused(COUNTS_UPDATED, {})


def variation(code: str, name: str, **more: Any) -> Wire:
    return {"type": "ITEM_VARIATION", "id": code, "item_variation_data": {"name": name, **more}}


def item(*variations: Wire, **more: Any) -> Wire:
    return {"type": "ITEM", "id": "ITEM1", "item_data": {"name": "Mug", "variations": list(variations), **more}}


def test_a_variation_is_a_listing() -> None:
    blue = variation("V1", "Blue", sku=" MUG-B ", upc="4006381333931")
    red = variation("V2", "Red", sku="", upc="not a code")
    gone = {**variation("V3", "Green"), "is_deleted": True}
    assert read(ITEM, item(blue, red, gone)) == [
        ChannelListing(
            channel="till",
            external_id="V1",
            stock_id="V1",
            sku="MUG-B",
            gtin="04006381333931",
            title="Mug - Blue",
        ),
        ChannelListing(channel="till", external_id="V2", stock_id="V2", title="Mug - Red"),
    ]
    [single] = read(ITEM, item(variation("V1", "Regular")))
    assert isinstance(single, ChannelListing)
    assert single.title == "Mug"


def test_only_goods_are_listed_as_goods() -> None:
    [service] = read(ITEM, item(variation("V1", "1 h"), product_type="APPOINTMENTS_SERVICE"))
    assert isinstance(service, ChannelListing)
    assert not service.is_goods
    assert read(ITEM, {**item(variation("V1", "x")), "is_deleted": True}) == []
    assert read(ITEM, item(product_type="FOOD_AND_BEV")) == []
    assert refused(ITEM, item(product_type="HOLOGRAM")) == "item 'ITEM1': unknown product type 'HOLOGRAM'"


def test_a_location_is_a_place() -> None:
    assert read(LOCATION, {"id": "L", "name": "Lyon", "status": "INACTIVE"}) == [
        ChannelPlace(channel="till", stock_point="L", name="Lyon", is_active=False)
    ]
    assert refused(LOCATION, {"id": "L", "status": "BURNT"}) == "location 'L': unknown status 'BURNT'"


def test_a_hint_is_no_fact_and_an_unknown_topic_is_an_error() -> None:
    assert read(ORDER_HINT, b"{}") == []
    assert refused("invoice", b"{}") == "Square: no document of topic 'invoice' is known"


def test_times_across_a_change_of_clocks_stay_in_order() -> None:
    before = sale(created_at="2026-10-25T02:30:00+02:00", updated_at="2026-10-25T02:59:59.999999999+02:00")
    after = sale(created_at="2026-10-25T02:30:00+01:00", updated_at="2026-10-25T02:00:00+01:00")
    assert (after.placed_at - before.placed_at).total_seconds() == 3600
    assert before.updated_at < after.updated_at


BODIES: dict[str, Wire] = {
    ORDER: order(
        returns=[back()],
        fulfillments=[shipped_to("PROPOSED")],
        service_charges=[{"total_money": eur(0)}],
        tenders=[{"amount_money": eur(1500)}],
        net_amount_due_money=eur(0),
    ),
    CHANGE: adjustment("IN_STOCK", "WASTE", transaction_id="O1"),
    COUNT: count(),
    COUNTS_UPDATED: {"data": {"object": {"inventory_counts": [count()]}}},
    ITEM: item(variation("V1", "Blue", sku="MUG-B", upc="4006381333931")),
    LOCATION: {"id": "L", "name": "Lyon", "status": "ACTIVE"},
}


@pytest.mark.parametrize("topic", sorted(BODIES))
def test_a_truncated_document_is_refused_at_every_length(topic: str) -> None:
    assert len(read(topic, BODIES[topic])) >= 1
    raw = json.dumps(BODIES[topic]).encode()
    for length in range(len(raw)):
        with pytest.raises(UnreadableDocumentError):
            read(topic, raw[:length])


def _places(node: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, child in children:
        found += _places(child, (*path, name))
    return found


@pytest.mark.parametrize("topic", sorted(BODIES))
@pytest.mark.parametrize("hostile", [None, "", "x" * 300, -1, 10**30, [], {}, [[]], True, "2026-13-45T99:00:00Z"])
def test_a_hostile_value_in_any_place_is_read_or_refused_and_nothing_else(topic: str, hostile: object) -> None:
    for path in _places(BODIES[topic]):
        body: Any = copy.deepcopy(BODIES[topic])
        node = body
        for name in path[:-1]:
            node = node[name]
        node[path[-1]] = hostile
        with suppress(UnreadableDocumentError):
            read(topic, body)


@given(st.integers(-(10**12), 10**12), st.integers(0, 5))
def test_zeros_after_the_point_change_nothing(units: int, zeros: int) -> None:
    assert whole_units(f"{units}.{'0' * zeros}" if zeros else str(units), "here") == units


@given(st.integers(-(10**9), 10**9), st.integers(1, 99999))
def test_every_fraction_is_refused(units: int, fraction: int) -> None:
    with pytest.raises(UnreadableDocumentError):
        whole_units(f"{units}.{fraction:05}", "here")


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 100_000)), min_size=1, max_size=8),
    st.integers(0, 5_000),
    st.integers(-4, 4),
    st.integers(-3, 3),
)
def test_the_lines_and_what_is_stated_beside_them_are_the_total_to_the_cent(
    rows: list[tuple[int, int]], tip: int, rounding: int, error: int
) -> None:
    lines = [line(f"L{n}", str(units), total) for n, (units, total) in enumerate(rows)]
    total = sum(total for _, total in rows) + tip + rounding
    wire = {
        "line_items": lines,
        "total_tip_money": eur(tip),
        "rounding_adjustment": {"amount_money": eur(rounding)},
        "total_money": eur(total + error),
    }
    if error:
        assert "does not add up" in refused(ORDER, order(**wire))
    else:
        fact = sale(**wire)
        assert fact.total == sum((row.line_total for row in fact.lines), fact.difference)
        assert fact.difference == Decimal(tip + rounding) / 100
