"""Shopify's documents in the hub's words: published examples, captures, and hostile variations."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.errors import UnreadableDocumentError
from mappings.shopify import (
    IS_PAID,
    LEVEL_NODE,
    LOCATION_NODE,
    ORDER_NODE,
    VARIANT_NODE,
    translate,
)
from mappings.shopify_plain import PlainLine, PlainOrder, PlainRefund, PlainRefundLine
from mappings.shopify_refunds import settle
from schemas.base import Money
from schemas.documents import Fact, Heard, RawDocument, Translation
from schemas.locations import Address
from schemas.orders import Customer, Delivery, DeliveryMethod, Order, OrderLine, OrderState, Return, ReturnLine
from schemas.publications import ChannelListing, ChannelPlace
from schemas.stock import StockObservation
from tests.reference import shared

PLACE = "gid://shopify/Location/501"


def read(topic: str, body: Any) -> list[Fact]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return list(translate(RawDocument(topic, "7", "e", raw, Heard.WEBHOOK), Translation("shop")))


def order_in(topic: str, body: Any) -> Order:
    order = read(topic, body)[0]
    assert isinstance(order, Order)
    return order


def bag(amount: str) -> dict[str, Any]:
    money = {"amount": amount, "currency_code": "EUR"}
    return {"shop_money": money, "presentment_money": money}


def line(**other: Any) -> dict[str, Any]:
    plain = {"id": 71, "variant_id": 81, "sku": "SKU-1", "title": "Tea", "quantity": 3, "current_quantity": 3}
    return {**plain, "fulfillable_quantity": 3, "price": "10.00", "discount_allocations": [], "tax_lines": [], **other}


ROAD = {"name": "Ada L", "address1": "1 Road", "zip": "1010", "city": "Wien"}


def rest_order(**other: Any) -> dict[str, Any]:
    """Three of one thing at 10.00 and 4.90 shipping, paid, unsent."""
    plain = {
        "id": 7,
        "name": "#1007",
        "created_at": "2026-03-02T10:00:00+01:00",
        "updated_at": "2026-03-02T10:05:00+01:00",
        "financial_status": "paid",
        "fulfillment_status": None,
        "source_name": "web",
        "currency": "EUR",
        "taxes_included": True,
        "total_price": "34.90",
        "total_discounts": "0.00",
        "total_shipping_price_set": bag("4.90"),
        "total_tax": "5.82",
        "line_items": [line()],
        "shipping_address": {**ROAD, "country_code": "AT"},
        "email": "ada@example.com",
        "fulfillments": [],
        "refunds": [],
    }
    return {**plain, **other}


def refund(*items: dict[str, Any], **other: Any) -> dict[str, Any]:
    plain = {"id": 91, "order_id": 7, "processed_at": "2026-03-03T10:00:00Z", "refund_line_items": list(items)}
    return {**plain, "transactions": [], **other}


def refunded(units: int, restock_type: str, **other: Any) -> dict[str, Any]:
    plain = {"id": 95, "line_item_id": 71, "quantity": units, "restock_type": restock_type, "line_item": line()}
    return {**plain, "subtotal_set": bag("10.00"), **other}


def sent(units: int, status: str = "success") -> dict[str, Any]:
    return {"id": 61, "order_id": 7, "status": status, "line_items": [{"id": 71, "quantity": units}]}


# published examples


def example(topic: str) -> dict[str, Any]:
    path = shared("contracts", "shopify", "webhook-schemas", *f"{topic}.example.json".split("/"))
    body: dict[str, Any] = json.loads(path.read_text())["response"]
    return body


@pytest.mark.parametrize("topic", ["create", "updated", "paid", "cancelled", "fulfilled", "partially_fulfilled"])
def test_published_orders_are_read(topic: str) -> None:
    order = order_in(f"orders/{topic}", example(f"orders/{topic}"))
    assert (order.external_id, order.number, order.currency) == ("820982911946154500", "#9999", "USD")
    assert [item.units for item in order.lines] == [1, 1, 1, 1, 1]
    assert [item.unit_price for item in order.lines] == [
        Decimal(text) for text in ("89.99", "19.99", "24.99", "159.99", "119.99")
    ]
    assert order.total == Decimal("404.95")
    assert (order.shipping_amount, order.discount_amount) == (Decimal("10.00"), Decimal("20.00"))
    assert (order.difference, order.tax_included) == (Decimal(0), False)
    assert order.state is OrderState.CANCELED
    assert [item.units_canceled for item in order.lines] == [1, 1, 1, 1, 1]
    assert order.updated_at == datetime(2022, 1, 1, tzinfo=UTC)
    assert order.delivery.address == Address(
        country="US", postal_code="40003", city="Shippington", lines=("123 Shipping Street",)
    )


@pytest.mark.parametrize(
    ("topic", "facts"),
    [
        ("refunds/create", 0),  # nothing had been fulfilled: the units are canceled, and the order says so
        ("fulfillments/create", 0),
        ("fulfillments/update", 0),
        ("orders/edited", 0),
        ("products/create", 0),  # the examples name no inventory item to write stock under
        ("products/update", 0),
        ("products/delete", 0),
        ("inventory_levels/update", 1),
        ("inventory_levels/connect", 1),
        ("locations/create", 1),
        ("locations/update", 1),
        ("locations/activate", 1),
        ("locations/deactivate", 1),
        ("locations/delete", 1),
    ],
)
def test_other_published_examples_are_read(topic: str, facts: int) -> None:
    assert len(read(topic, example(topic))) == facts


def test_the_published_refund_of_sent_units_is_a_return() -> None:
    body = example("refunds/create")
    for item in body["refund_line_items"]:
        item["restock_type"] = "return"
        item["location_id"] = 501
    [back] = read("refunds/create", body)
    assert isinstance(back, Return)
    assert (back.external_id, back.order) == ("890088186047892400", "820982911946154500")
    assert len(back.lines) == 5
    assert {item.stock_point for item in back.lines} == {PLACE}
    assert back.refund == Money(amount=Decimal("85.00"), currency="USD")


def test_the_published_level_is_an_observation_by_stock_id() -> None:
    assert read("inventory_levels/update", example("inventory_levels/update")) == [
        StockObservation(
            channel="shop",
            listing_external_id="gid://shopify/InventoryItem/271878346596884000",
            stock_point="gid://shopify/Location/24826418",
            units=10,
            observed_at=datetime(2022, 1, 1, tzinfo=UTC),
        )
    ]


# captures


def test_a_captured_order_is_read() -> None:
    """The capture asked for less than the connector does: what it lacks is put in from the same order."""
    path = shared("contracts", "shopify", "recorded", "order-merchant-detail-read.json")
    node = json.loads(path.read_text())["response"]["data"]["order"]
    node |= {"legacyResourceId": "6832000000000", "currencyCode": "CAD", "totalPriceSet": node["totalReceivedSet"]}
    node["shippingAddress"]["name"] = "Ada Lovelace"
    for item, units in zip(node["lineItems"]["nodes"], (2, 0), strict=True):
        item["currentQuantity"] = units
    for item in node["refunds"]:
        item["processedAt"] = item["createdAt"]
    order = order_in(ORDER_NODE, node)
    assert (order.number, order.total, order.discount_amount) == ("#1401", Decimal("134.5"), Decimal("10.0"))
    assert (order.shipping_amount, order.tax_amount, order.tax_included) == (Decimal("12.0"), Decimal("12.5"), False)
    assert [(item.external_id, item.listing_external_id) for item in order.lines] == [
        ("7001", "8001"),
        ("7002", None),
    ]
    # The mug is refunded as returned, but no fulfillment holds it: it never left.
    assert [item.units_canceled for item in order.lines] == [0, 1]
    assert order.state is OrderState.COMPLETED
    assert len(read(ORDER_NODE, node)) == 1
    assert order.customer == Customer(name="Ada Lovelace", email="merchant-detail@example.com")


def test_a_captured_level_is_read() -> None:
    path = shared("contracts", "shopify", "recorded", "inventory-quantity-contracts-2026-04.json")
    item = json.loads(path.read_text())["downstreamRead"]["data"]["inventoryItem"]
    [level] = item["inventoryLevels"]["nodes"]
    available = [one for one in level["quantities"] if one["name"] == "available"]
    told = {
        "variant": item["variant"]["id"].rsplit("/", 1)[1],
        "location": level["location"]["id"],
        "updatedAt": "2026-06-25T01:33:50Z",
        "quantities": available,
    }
    assert read(LEVEL_NODE, told) == [
        StockObservation(
            channel="shop",
            listing_external_id="51364592877874",
            stock_point="gid://shopify/Location/106318430514",
            units=9,
            observed_at=datetime(2026, 6, 25, 1, 33, 56, tzinfo=UTC),
        )
    ]


def test_captured_locations_are_read() -> None:
    path = shared("contracts", "shopify", "recorded", "locations-catalog.json")
    edges = json.loads(path.read_text())["data"]["locations"]["edges"]
    found = [fact for edge in edges for fact in read(LOCATION_NODE, {**edge["node"], "isActive": True})]
    assert found == [
        ChannelPlace(channel="shop", stock_point="gid://shopify/Location/68509171945", name="103 ossington"),
        ChannelPlace(channel="shop", stock_point="gid://shopify/Location/89026920681", name="Hermes Conformance Annex"),
    ]


# orders


def test_an_order_is_read_exactly() -> None:
    assert read("orders/updated", rest_order()) == [
        Order(
            channel="shop",
            external_id="7",
            number="#1007",
            placed_at=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
            updated_at=datetime(2026, 3, 2, 9, 5, tzinfo=UTC),
            units_left_at=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
            state=OrderState.OPEN,
            currency="EUR",
            lines=(
                OrderLine(
                    external_id="71",
                    listing_external_id="81",
                    sku="SKU-1",
                    title="Tea",
                    units=3,
                    unit_price=Decimal("10.00"),
                    line_total=Decimal("30.00"),
                ),
            ),
            delivery=Delivery(
                method=DeliveryMethod.SHIP,
                address=Address(country="AT", postal_code="1010", city="Wien", lines=("1 Road",)),
            ),
            customer=Customer(name="Ada L", email="ada@example.com"),
            shipping_amount=Decimal("4.90"),
            tax_amount=Decimal("5.82"),
            total=Decimal("34.90"),
        )
    ]


def test_amounts_keep_their_digits() -> None:
    body = rest_order(total_price="12345678901234567.8900000001")
    body["line_items"][0] |= {"quantity": 1, "price": "12345678901234562.9900000001"}
    assert order_in("orders/create", body).total == Decimal("12345678901234567.8900000001")


@pytest.mark.parametrize("status", [*IS_PAID, None])
def test_the_state_follows_the_payment(status: str | None) -> None:
    expected = OrderState.OPEN if status is not None and IS_PAID[status] else OrderState.AWAITING_PAYMENT
    assert order_in("orders/create", rest_order(financial_status=status)).state is expected


@pytest.mark.parametrize(
    ("other", "value"),
    [
        ({"financial_status": "promised"}, "financial status 'promised'"),
        ({"fulfillments": [sent(1, "teleported")]}, "fulfillment status 'teleported'"),
        ({"refunds": [refund(refunded(1, "burned"))]}, "restock type 'burned'"),
    ],
)
def test_unknown_values_that_matter_are_named(other: dict[str, Any], value: str) -> None:
    with pytest.raises(UnreadableDocumentError, match=f"unknown {value}"):
        read("orders/updated", rest_order(**other))


def test_discounts_are_taken_off_lines_and_the_rest_stays_with_the_order() -> None:
    body = rest_order(total_price="28.90", total_discounts="6.00", tax_lines=[])
    body["line_items"][0] |= {"discount_allocations": [{"amount": "1.50"}, {"amount": "2.50"}]}
    order = order_in("orders/create", body)
    assert (order.lines[0].line_total, order.discount_amount) == (Decimal("26.00"), Decimal("2.00"))


def test_tax_beside_the_prices_is_added() -> None:
    body = rest_order(taxes_included=False, total_price="40.72")
    body["line_items"][0]["tax_lines"] = [{"price": "3.00"}, {"price": "2.82"}]
    order = order_in("orders/create", body)
    assert not order.tax_included
    assert (order.tax_amount, order.lines[0].tax_amount) == (Decimal("5.82"), Decimal("5.82"))


@pytest.mark.requirement("R40")
@pytest.mark.parametrize(
    ("total", "difference"),
    [("36.90", "2.00"), ("34.90", "0"), ("37.23", "2.33"), ("34.88", "-0.02"), ("36.88", "1.98"), ("35.23", "0.33")],
)
def test_only_amounts_that_shopify_states_apart_explain_a_difference(total: str, difference: str) -> None:
    stated = {
        "total_tip_received": "2.00",
        "original_total_additional_fees_set": bag("0.33"),
        "total_cash_rounding_payment_adjustment_set": bag("-0.02"),
    }
    assert order_in("orders/create", rest_order(total_price=total, **stated)).difference == Decimal(difference)


@pytest.mark.requirement("R44")
@pytest.mark.parametrize("total", ["34.91", "34.89", "0.00", "-34.90"])
def test_a_total_that_does_not_add_up_is_refused(total: str) -> None:
    with pytest.raises(UnreadableDocumentError, match="does not add up"):
        read("orders/create", rest_order(total_price=total))


@pytest.mark.requirement("R44")
def test_an_order_without_lines_is_refused() -> None:
    with pytest.raises(UnreadableDocumentError, match="has no lines"):
        read("orders/create", rest_order(line_items=[]))
    with pytest.raises(UnreadableDocumentError, match="line_items: Field required"):
        read("orders/create", rest_order(line_items=None))


def test_zero_fields_may_be_missing_or_null() -> None:
    body = rest_order(total_price="30.00")
    for name in ("total_discounts", "total_shipping_price_set", "total_tax", "email", "fulfillments", "source_name"):
        del body[name]
    body["refunds"] = None
    body["line_items"] = [{"id": 71, "quantity": 3, "price": "10.00", "sku": None, "tax_lines": None}]
    order = order_in("orders/create", body)
    assert (order.total, order.shipping_amount, order.tax_amount) == (Decimal("30.00"), Decimal(0), Decimal(0))
    assert order.lines[0].listing_external_id is None


def test_a_line_without_a_variant_names_no_listing_and_its_refund_neither() -> None:
    wrap = line(id=72, variant_id=None, sku=None, title="Gift wrap", quantity=1, current_quantity=1, price="5.00")
    back = refund(
        {"id": 96, "line_item_id": 72, "quantity": 1, "restock_type": "return", "line_item": wrap},
        {"id": 95, "line_item_id": 71, "quantity": 1, "restock_type": "return", "line_item": line()},
    )
    left = sent(3)
    left["line_items"].append({"id": 72, "quantity": 1})
    body = rest_order(line_items=[line(), wrap], total_price="39.90", fulfillments=[left], refunds=[back])
    order, goods = read("orders/updated", body)
    assert isinstance(order, Order)
    assert isinstance(goods, Return)
    assert [(one.external_id, one.listing_external_id, one.line_total) for one in order.lines] == [
        ("71", "81", Decimal("30.00")),
        ("72", None, Decimal("5.00")),
    ]
    assert sorted((one.order_line, one.listing_external_id) for one in goods.lines) == [("71", "81"), ("72", None)]
    [alone] = read("refunds/create", back)
    assert isinstance(alone, Return)
    assert [one.listing_external_id for one in alone.lines] == [None, "81"]


def test_a_line_of_no_units_is_none() -> None:
    body = rest_order()
    body["line_items"].append(line(id=72, quantity=0, current_quantity=0, fulfillable_quantity=0))
    assert [item.external_id for item in order_in("orders/updated", body).lines] == ["71"]


def test_a_line_named_twice_is_refused() -> None:
    body = rest_order(total_price="64.90", line_items=[line(), line()])
    with pytest.raises(UnreadableDocumentError, match="names a line twice"):
        read("orders/create", body)


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("2026-03-29T03:30:00+02:00", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # after the clocks went forward
        ("2026-10-25T02:30:00+02:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # the first 02:30 of that night
        ("2026-10-25T02:30:00+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),  # the second
        ("2026-01-01T13:45:00+13:45", datetime(2026, 1, 1, 0, 0, tzinfo=UTC)),
    ],
)
@pytest.mark.requirement("R25")
def test_times_are_utc(stamp: str, moment: datetime) -> None:
    assert order_in("orders/updated", rest_order(updated_at=stamp)).updated_at == moment


@pytest.mark.parametrize(
    ("topic", "body", "reason"),
    [
        ("orders/create", b'{"id": 7', "8 bytes are not JSON"),
        ("orders/create", b"\xff\xfe", "2 bytes are not JSON"),
        ("orders/create", b"", "0 bytes are not JSON"),
        ("orders/create", b"[" * 200_000, "200000 bytes are not JSON"),
        ("orders/create", b"[]", "document: Input should be"),
        ("orders/create", b"null", "document: Input should be"),
        ("orders/create", {**rest_order(), "total_price": "a lot"}, "total_price: Input should be a valid decimal"),
        ("orders/create", json.dumps(rest_order()).replace('"34.90"', "NaN").encode(), "are not JSON"),
        ("orders/create", {**rest_order(), "updated_at": "2026-03-02T10:00:00"}, "a time needs its zone"),
        ("orders/create", {**rest_order(), "updated_at": "yesterday"}, "updated_at: "),
        ("orders/create", {**rest_order(), "line_items": [line(quantity=1.5)]}, "line_items.0.quantity: "),
        ("orders/create", {**rest_order(), "currency": "euro"}, "currency: "),
        ("customers/create", {"id": 1}, "topic 'customers/create' is not known"),
        ("", {"id": 1}, "topic '' is not known"),
    ],
)
def test_malformed_documents_are_unreadable_with_their_reason(topic: str, body: Any, reason: str) -> None:
    with pytest.raises(UnreadableDocumentError) as caught:
        read(topic, body)
    assert reason in str(caught.value)


def test_errors_hold_no_personal_data() -> None:
    body = rest_order(email=["ada@example.com"], total_price="1.00")
    with pytest.raises(UnreadableDocumentError) as caught:
        read("orders/create", body)
    assert "ada" not in str(caught.value).lower()
    assert caught.value.__cause__ is None  # pydantic's own error would show the input
    assert caught.value.__suppress_context__


# delivery


def test_a_till_sale_is_handed_over_at_its_location() -> None:
    body = rest_order(source_name="pos", location_id=501, shipping_address=None, fulfillments=[sent(3)])
    order = order_in("orders/create", body)
    assert order.delivery == Delivery(method=DeliveryMethod.HANDED_OVER, stock_point=PLACE)
    assert order.state is OrderState.COMPLETED


def test_a_till_order_to_an_address_is_shipped() -> None:
    order = order_in("orders/create", rest_order(source_name="pos", location_id=501))
    assert order.delivery.method is DeliveryMethod.SHIP


def test_a_webhook_that_may_be_a_pickup_says_nothing() -> None:
    assert read("orders/create", rest_order(shipping_address=None)) == []


def node(**other: Any) -> dict[str, Any]:
    """The order of `rest_order` as a poll brings it."""
    plain: dict[str, Any] = {
        "id": "gid://shopify/Order/7",
        "legacyResourceId": "7",
        "name": "#1007",
        "createdAt": "2026-03-02T09:00:00Z",
        "updatedAt": "2026-03-02T09:05:00Z",
        "cancelledAt": None,
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
        "sourceName": "web",
        "retailLocation": None,
        "currencyCode": "EUR",
        "taxesIncluded": True,
        "totalPriceSet": {"shopMoney": {"amount": "34.9"}},
        "totalDiscountsSet": {"shopMoney": {"amount": "0.0"}},
        "totalShippingPriceSet": {"shopMoney": {"amount": "4.9"}},
        "totalTaxSet": {"shopMoney": {"amount": "5.82"}},
        "email": "ada@example.com",
        "phone": None,
        "shippingAddress": {**ROAD, "countryCodeV2": "AT"},
        "lineItems": {
            "nodes": [
                {
                    "id": "gid://shopify/LineItem/71",
                    "title": "Tea",
                    "sku": "SKU-1",
                    "variant": {"id": "gid://shopify/ProductVariant/81"},
                    "quantity": 3,
                    "currentQuantity": 3,
                    "fulfillableQuantity": 3,
                    "originalUnitPriceSet": {"shopMoney": {"amount": "10.0"}},
                }
            ]
        },
        "fulfillments": [],
        "fulfillmentOrders": {"nodes": []},
        "refunds": [],
    }
    return {**plain, **other}


def test_a_webhook_and_a_poll_say_the_same() -> None:
    assert read(ORDER_NODE, node()) == read("orders/updated", rest_order())


def waiting(method: str, place: str | None = PLACE) -> dict[str, Any]:
    location = None if place is None else {"id": place}
    return {"nodes": [{"deliveryMethod": {"methodType": method}, "assignedLocation": {"location": location}}]}


@pytest.mark.requirement("R45")
def test_a_poll_knows_where_an_order_is_picked_up() -> None:
    order = order_in(ORDER_NODE, node(shippingAddress=None, fulfillmentOrders=waiting("PICK_UP")))
    assert order.delivery == Delivery(method=DeliveryMethod.PICKUP, stock_point=PLACE)


@pytest.mark.parametrize("orders", [waiting("SHIPPING"), waiting("PICK_UP", None), {"nodes": []}])
def test_an_order_without_an_address_is_to_be_shipped_once_it_has_one(orders: dict[str, Any]) -> None:
    order = order_in(ORDER_NODE, node(shippingAddress=None, fulfillmentOrders=orders))
    assert order.delivery == Delivery(method=DeliveryMethod.SHIP)


def test_a_polled_till_sale_is_handed_over() -> None:
    order = order_in(ORDER_NODE, node(sourceName="pos", retailLocation={"id": PLACE}, shippingAddress=None))
    assert order.delivery == Delivery(method=DeliveryMethod.HANDED_OVER, stock_point=PLACE)


# what was refunded


def test_units_refunded_as_canceled_never_left() -> None:
    body = rest_order(refunds=[refund(refunded(2, "cancel"))])
    body["line_items"][0] |= {"current_quantity": 1, "fulfillable_quantity": 1}
    [order] = read("orders/updated", body)
    assert isinstance(order, Order)
    assert (order.lines[0].units_canceled, order.state) == (2, OrderState.OPEN)


def test_units_that_came_back_are_restocked_where_shopify_says() -> None:
    money = {"kind": "refund", "status": "success", "amount": "20.00", "currency": "EUR"}
    lost = {"kind": "refund", "status": "failure", "amount": "99.00", "currency": "EUR"}
    item = refunded(2, "return", location_id=501)
    body = rest_order(fulfillments=[sent(3)], refunds=[refund(item, transactions=[money, lost])])
    body["line_items"][0] |= {"current_quantity": 1, "fulfillable_quantity": 0}
    order, back = read("orders/updated", body)
    assert isinstance(order, Order)
    assert (order.lines[0].units_canceled, order.state) == (0, OrderState.COMPLETED)
    assert back == Return(
        channel="shop",
        external_id="91",
        order="7",
        occurred_at=datetime(2026, 3, 3, 10, 0, tzinfo=UTC),
        lines=(
            ReturnLine(
                external_id="95",
                order_line="71",
                listing_external_id="81",
                units=2,
                restocked=True,
                stock_point=PLACE,
            ),
        ),
        refund=Money(amount=Decimal("20.00"), currency="EUR"),
    )


@pytest.mark.requirement("R38")
@pytest.mark.parametrize(
    ("left", "refunds", "to_fulfill", "canceled", "came_back"),
    [
        (0, [("no_restock", 1)], 2, 1, []),
        (3, [("no_restock", 1)], 0, 0, [(1, False)]),
        (1, [("no_restock", 1)], 2, 0, [(1, False)]),  # Shopify still wants two sent: the sent one was refunded
        (1, [("no_restock", 1)], 1, 1, []),  # Shopify wants one sent: an unsent one was
        (1, [("no_restock", 2)], 1, 1, [(1, False)]),
        (1, [("no_restock", 3)], 0, 2, [(1, False)]),
        (2, [("return", 1), ("no_restock", 1)], 0, 1, [(1, True)]),
        (2, [("no_restock", 1), ("return", 2)], 0, 1, [(2, True)]),
        (1, [("cancel", 2), ("return", 1)], 0, 2, [(1, True)]),
        (0, [("return", 1)], 2, 1, []),  # a return of what never left is a cancellation
        (3, [("legacy_restock", 2)], 0, 0, [(2, True)]),
        (0, [("legacy_restock", 2)], 1, 2, []),
        (1, [("no_restock", 1)], None, 0, [(1, False)]),  # not said: what left is refunded first
        (1, [("cancel", 1)], 2, 1, []),  # what the restock type makes certain wins over a strange count
        (0, [], 0, 0, []),  # not fulfillable for another reason (a gift card): nothing is canceled
    ],
)
def test_what_became_of_refunded_units(
    left: int,
    refunds: list[tuple[str, int]],
    to_fulfill: int | None,
    canceled: int,
    came_back: list[tuple[int, bool]],
) -> None:
    told = [
        refund(refunded(units, kind, id=200 + n), id=100 + n, processed_at=f"2026-03-03T10:00:0{n}Z")
        for n, (kind, units) in enumerate(refunds)
    ]
    body = rest_order(fulfillments=[sent(left)] if left else [], refunds=told)
    body["line_items"][0] |= {
        "current_quantity": 3 - sum(units for _, units in refunds),
        "fulfillable_quantity": to_fulfill,
    }
    facts = read("orders/updated", body)
    assert isinstance(facts[0], Order)
    assert facts[0].lines[0].units_canceled == canceled
    returns = [fact for fact in facts[1:] if isinstance(fact, Return)]
    assert [(item.units, item.restocked) for back in returns for item in back.lines] == came_back


def test_units_that_an_edit_removed_are_canceled() -> None:
    body = rest_order()
    body["line_items"][0] |= {"current_quantity": 1, "fulfillable_quantity": 1}
    assert order_in("orders/updated", body).lines[0].units_canceled == 2


def test_a_canceled_order_cancels_every_unit() -> None:
    body = rest_order(cancelled_at="2026-03-04T10:00:00Z", refunds=[refund(refunded(3, "no_restock"))])
    body["line_items"][0] |= {"current_quantity": 0, "fulfillable_quantity": 0}
    [order] = read("orders/cancelled", body)
    assert isinstance(order, Order)
    assert (order.state, order.lines[0].units_canceled) == (OrderState.CANCELED, 3)


def test_an_order_canceled_after_a_part_of_it_left_is_done_not_canceled() -> None:
    body = rest_order(cancelled_at="2026-03-04T10:00:00Z", fulfillments=[sent(1), sent(1, "cancelled")])
    order = order_in("orders/cancelled", body)
    assert (order.state, order.lines[0].units_canceled) == (OrderState.COMPLETED, 2)


def test_money_back_without_goods_is_a_return_of_no_lines() -> None:
    money = {"kind": "refund", "status": "success", "amount": "5.00", "currency": "EUR"}
    _, back = read("orders/updated", rest_order(refunds=[refund(transactions=[money])]))
    assert isinstance(back, Return)
    assert (back.lines, back.refund) == ((), Money(amount=Decimal("5.00"), currency="EUR"))
    assert len(read("orders/updated", rest_order(refunds=[refund()]))) == 1


def test_money_in_another_currency_than_the_order_is_left_unsaid() -> None:
    money = {"kind": "refund", "status": "success", "amount": "5.00", "currency": "USD"}
    item = refunded(1, "return", location_id=501)
    body = rest_order(fulfillments=[sent(3)], refunds=[refund(item, transactions=[money])])
    back = read("orders/updated", body)[1]
    assert isinstance(back, Return)
    assert back.refund is None


@pytest.mark.parametrize(
    ("items", "lines"),
    [
        ([refunded(2, "return", location_id=501)], [(2, True, PLACE)]),
        ([refunded(2, "cancel")], None),
        ([refunded(2, "no_restock")], None),
        ([refunded(2, "return"), refunded(1, "cancel", id=96)], [(2, True, None)]),
        # Of a line that left in part nobody can say which units: the order's own document will.
        ([refunded(1, "no_restock", line_item=line(fulfillment_status="partial"))], None),
        ([refunded(1, "no_restock", line_item=line(fulfillment_status="fulfilled"))], None),
        ([refunded(2, "return"), refunded(1, "no_restock", line_item=line(fulfillment_status="partial"))], None),
        ([refunded(2, "return", line_item=None)], None),
    ],
)
def test_a_refund_alone_says_only_what_is_certain(
    items: list[dict[str, Any]], lines: list[tuple[int, bool, str | None]] | None
) -> None:
    facts = read("refunds/create", refund(*items))
    returns = [fact for fact in facts if isinstance(fact, Return)]
    found = [[(item.units, item.restocked, item.stock_point) for item in one.lines] for one in returns]
    assert found == ([] if lines is None else [lines])


RESTOCK_TYPES = st.sampled_from(["cancel", "return", "no_restock", "legacy_restock"])


@given(
    units=st.integers(1, 9),
    left=st.integers(0, 12),
    refunds=st.lists(st.tuples(RESTOCK_TYPES, st.integers(1, 4)), max_size=5),
    units_now=st.none() | st.integers(0, 9),
    to_fulfill=st.none() | st.integers(0, 9),
    is_cancelled=st.booleans(),
)
def test_settled_units_are_never_more_than_there_are(
    *,
    units: int,
    left: int,
    refunds: list[tuple[str, int]],
    units_now: int | None,
    to_fulfill: int | None,
    is_cancelled: bool,
) -> None:
    items = [PlainRefundLine(str(n), "71", count, kind, None) for n, (kind, count) in enumerate(refunds)]
    settled = settle(plain_order(units, left, items, units_now, to_fulfill, is_cancelled=is_cancelled))["71"]
    assert 0 <= settled.canceled <= max(0, units - left)
    assert sum(settled.came_back.values()) <= left
    for item in items:
        back = settled.came_back.get(item.id, 0)
        assert 0 <= back <= item.units
        assert item.restock_type != "cancel" or back == 0


@given(
    units=st.integers(1, 9),
    left=st.integers(0, 9),
    cancel=st.integers(0, 4),
    back=st.integers(0, 4),
    neither_of_left=st.integers(0, 4),
    neither_of_unsent=st.integers(0, 4),
    edited=st.integers(0, 4),
)
def test_every_unit_has_one_fate_where_shopify_counts_right(
    *, units: int, left: int, cancel: int, back: int, neither_of_left: int, neither_of_unsent: int, edited: int
) -> None:
    left = min(left, units)
    back = min(back, left)
    neither_of_left = min(neither_of_left, left - back)
    cancel = min(cancel, units - left)
    neither_of_unsent = min(neither_of_unsent, units - left - cancel)
    edited = min(edited, units - left - cancel - neither_of_unsent)
    kinds = [("cancel", cancel), ("return", back), ("no_restock", neither_of_left), ("no_restock", neither_of_unsent)]
    items = [PlainRefundLine(str(n), "71", count, kind, None) for n, (kind, count) in enumerate(kinds) if count]
    gone = cancel + neither_of_unsent + edited
    units_now = units - gone - back - neither_of_left
    settled = settle(plain_order(units, left, items, units_now, units - left - gone))["71"]
    assert settled.canceled == gone
    assert sum(settled.came_back.values()) == back + neither_of_left


def plain_order(
    units: int,
    left: int,
    items: list[PlainRefundLine],
    units_now: int | None,
    to_fulfill: int | None,
    *,
    is_cancelled: bool = False,
) -> PlainOrder:
    zero = Decimal(0)
    bought = PlainLine("71", "81", None, "", units, units_now, to_fulfill, Decimal(1), zero, zero)
    at = datetime(2026, 3, 2, tzinfo=UTC)
    refunds = tuple(PlainRefund(str(n), at, None, None, (item,)) for n, item in enumerate(items))
    return PlainOrder(
        id="7",
        name="#7",
        created_at=at,
        updated_at=at,
        is_cancelled=is_cancelled,
        financial_status="paid",
        fulfillment_status=None,
        currency="EUR",
        taxes_included=True,
        total=Decimal(units),
        discounts=zero,
        shipping=zero,
        tax=zero,
        extras=(),
        lines=(bought,),
        left={"71": left},
        refunds=refunds,
        email=None,
        phone=None,
        buyer=None,
        address=None,
        till_place=None,
        pickup_place=None,
        is_pickup_known=True,
    )


# catalogue, places, stock


def product(**variant: Any) -> dict[str, Any]:
    plain = {"id": 81, "inventory_item_id": 31, "sku": "SKU-1", "barcode": "4006381333931", "title": "S / Red"}
    one = {**plain, "option1": "S", "option2": "Red", "option3": None, **variant}
    options = [{"name": "Color", "position": 2}, {"name": "Size", "position": 1}]
    return {"id": 3, "title": "Shirt", "options": options, "variants": [one]}


def variant(**other: Any) -> dict[str, Any]:
    options = [{"name": "Size", "value": "S"}, {"name": "Color", "value": "Red"}]
    plain = {"legacyResourceId": "81", "title": "S / Red", "sku": "SKU-1", "barcode": "4006381333931"}
    item = {"id": "gid://shopify/InventoryItem/31"}
    return {**plain, "selectedOptions": options, "product": {"title": "Shirt"}, "inventoryItem": item, **other}


LISTING = ChannelListing(
    channel="shop",
    external_id="81",
    stock_id="gid://shopify/InventoryItem/31",
    sku="SKU-1",
    gtin="04006381333931",
    title="Shirt - S / Red",
    options={"Size": "S", "Color": "Red"},
)


def test_a_variant_is_a_listing_however_it_is_told() -> None:
    assert read("products/update", product()) == [LISTING]
    assert read(VARIANT_NODE, variant()) == [LISTING]


def test_a_product_without_options_has_its_own_title() -> None:
    single = variant(title="Default Title", selectedOptions=[{"name": "Title", "value": "Default Title"}])
    assert read(VARIANT_NODE, single) == [LISTING.model_copy(update={"title": "Shirt", "options": {}})]


@pytest.mark.requirement("R39")
@pytest.mark.parametrize(
    ("code", "sku"), [(" SKU-1 ", "SKU-1"), ("", None), (None, None), ("x" * 129, None), ("sku-1", "sku-1")]
)
def test_skus_are_for_people(code: str | None, sku: str | None) -> None:
    assert read(VARIANT_NODE, variant(sku=code)) == [LISTING.model_copy(update={"sku": sku})]


@pytest.mark.parametrize("code", ["", None, "4006381333932", "SHELF 7", "123", "400638133393100000"])
def test_barcodes_that_are_no_gtin_are_none(code: str | None) -> None:
    assert read(VARIANT_NODE, variant(barcode=code)) == [LISTING.model_copy(update={"gtin": None})]


def test_untracked_items_are_not_observed() -> None:
    level = {"inventory_item_id": 31, "location_id": 501, "available": None, "updated_at": "2026-03-02T10:00:00Z"}
    assert read("inventory_levels/update", level) == []


def test_negative_numbers_are_observed() -> None:
    level = {"inventory_item_id": 31, "location_id": 501, "available": -2, "updated_at": "2026-03-02T10:00:00Z"}
    [seen] = read("inventory_levels/update", level)
    assert isinstance(seen, StockObservation)
    assert seen.units == -2


def test_a_level_that_was_never_changed_is_as_old_as_the_level() -> None:
    quantities = [{"quantity": 4, "updatedAt": None}]
    told = {"variant": "81", "location": PLACE, "updatedAt": "2026-03-02T10:00:00Z", "quantities": quantities}
    [seen] = read(LEVEL_NODE, told)
    assert isinstance(seen, StockObservation)
    assert (seen.listing_external_id, seen.units) == ("81", 4)
    assert seen.observed_at == datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def test_places_come_and_go() -> None:
    closed = {"id": 501, "name": "Shop", "active": False}
    assert read("locations/deactivate", closed) == [
        ChannelPlace(channel="shop", stock_point=PLACE, name="Shop", is_active=False)
    ]
    assert read("locations/delete", {"id": 501}) == [ChannelPlace(channel="shop", stock_point=PLACE, is_active=False)]
