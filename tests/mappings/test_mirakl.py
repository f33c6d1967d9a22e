"""Mirakl's documents into facts: exact values, hostile documents, and the contract's own example."""

import gzip
import json
import re
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.errors import UnreadableDocumentError
from mappings.mirakl import LINE_STATES, ORDER_STATES, translate
from mappings.mirakl_countries import ALPHA_2
from schemas.base import Money
from schemas.documents import Fact, Heard, RawDocument, Translation
from schemas.locations import Address
from schemas.orders import Customer, Order, OrderState, Return, ReturnLine
from schemas.publications import ChannelListing, ChannelPlace
from schemas.stock import Condition, StockObservation
from tests.reference import shared

ABOUT = Translation("mirakl-fr", "Europe/Paris")
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

LINE: dict[str, Any] = {
    "order_line_id": "MK1-A-1",
    "order_line_state": "SHIPPING",
    "offer_id": 2003,
    "offer_sku": "SKU-1",
    "product_title": "Théière",
    "quantity": 3,
    "price": 30.0,
    "price_unit": 10.0,
    "shipping_price": 4.9,
    "taxes": [{"code": "FR20", "amount": 5.0}],
    "shipping_taxes": [{"code": "FR20", "amount": 0.82}],
    "cancelations": [],
    "refunds": [],
}
ORDER: dict[str, Any] = {
    "order_id": "MK1-A",
    "commercial_id": "MK1",
    "order_state": "SHIPPING",
    "created_date": "2026-03-02T08:00:00Z",
    "last_updated_date": "2026-03-02T08:30:00Z",
    "currency_iso_code": "EUR",
    "order_tax_mode": "TAX_INCLUDED",
    "price": 30.0,
    "shipping_price": 4.9,
    "total_price": 34.9,
    "customer_notification_email": "x@notification.example.com",
    "customer": {
        "firstname": "Ada",
        "lastname": "Lovelace",
        "shipping_address": {
            "country_iso_code": "FRA",
            "city": "Lyon",
            "zip_code": "69002",
            "street_1": "12 quai Saint-Antoine",
            "street_2": None,
            "company": "",
            "additional_info": "2e étage",
            "phone": "+33 4 00 00 00 00",
        },
    },
    "order_lines": [LINE],
}
REFUND: dict[str, Any] = {
    "id": "77",
    "created_date": "2026-03-05T10:00:00Z",
    "quantity": 1,
    "amount": 10.0,
    "shipping_amount": 1.5,
    "refund_state": "REFUNDED",
    "taxes": [{"code": "FR20", "amount": 1.67}],
    "shipping_taxes": [{"code": "FR20", "amount": 0.25}],
}


def document(topic: str, wire: object, happened_at: datetime | None = None) -> RawDocument:
    body = wire if isinstance(wire, bytes) else json.dumps(wire).encode()
    return RawDocument(topic, "doc-1", f"{topic}:doc-1:1", body, Heard.POLL, happened_at)


def changed(**fields: Any) -> dict[str, Any]:
    """The order with other fields; those of its one line are prefixed `line_`."""
    wire = deepcopy(ORDER)
    for name, value in fields.items():
        target, field = (wire["order_lines"][0], name[5:]) if name.startswith("line_") else (wire, name)
        target[field] = value
    return wire


def facts(wire: object, topic: str = "order") -> list[Fact]:
    return list(translate(document(topic, wire), ABOUT))


def order(wire: object) -> Order:
    first = facts(wire)[0]
    assert isinstance(first, Order)
    return first


def unreadable(wire: object, why: str, topic: str = "order") -> None:
    with pytest.raises(UnreadableDocumentError, match=why) as raised:
        facts(wire, topic)
    assert "Lovelace" not in str(raised.value)


def test_an_order_as_it_is_stated() -> None:
    wire = order(ORDER)
    assert (wire.external_id, wire.number, wire.state) == ("MK1-A", "MK1-A", OrderState.OPEN)
    assert (wire.placed_at, wire.updated_at) == (
        datetime(2026, 3, 2, 8, 0, tzinfo=UTC),
        datetime(2026, 3, 2, 8, 30, tzinfo=UTC),
    )
    assert wire.customer == Customer(name="Ada Lovelace", email="x@notification.example.com", phone="+33 4 00 00 00 00")
    assert wire.delivery.address == Address(
        country="FR", postal_code="69002", city="Lyon", lines=("12 quai Saint-Antoine", "2e étage")
    )
    assert (wire.total, wire.shipping_amount, wire.tax_amount, wire.difference) == (
        Decimal("34.9"),
        Decimal("4.9"),
        Decimal("5.82"),
        Decimal(0),
    )
    [line] = wire.lines
    assert (line.external_id, line.listing_external_id, line.sku, line.title) == ("MK1-A-1", "2003", "SKU-1", "Théière")
    assert (line.units, line.units_canceled, line.unit_price, line.line_total, line.tax_amount) == (
        3,
        0,
        Decimal("10.0"),
        Decimal("30.0"),
        Decimal("5.0"),
    )


@pytest.mark.parametrize(
    ("states", "ours"),
    [
        (("STAGING",), OrderState.AWAITING_PAYMENT),
        (("WAITING_ACCEPTANCE",), OrderState.AWAITING_ACCEPTANCE),
        (("WAITING_DEBIT", "WAITING_DEBIT_PAYMENT"), OrderState.AWAITING_PAYMENT),
        (("SHIPPING",), OrderState.OPEN),
        (("SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED"), OrderState.COMPLETED),
        (("REFUSED", "CANCELED"), OrderState.CANCELED),
    ],
)
def test_states(states: tuple[str, ...], ours: OrderState) -> None:
    for state in states:
        assert order(changed(order_state=state, line_order_line_state=state)).state is ours


def test_every_state_of_the_contract_is_known() -> None:
    schemas = contract()["components"]["schemas"]
    for schema, field, known in (
        ("OR11_Response_200_Orders", "order_state", set(ORDER_STATES)),
        ("OR11_Response_200_Orders_OrderLines", "order_line_state", set(LINE_STATES)),
    ):
        text = schemas[schema]["properties"][field]["description"].partition("<details>")[0]
        stated = set(re.findall(r'`"([A-Z_]+)"`', text))
        assert stated <= known
        assert len(stated) >= 11


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"order_state": "ON_HOLD"}, "unknown state 'ON_HOLD'"),
        ({"order_state": "WAITING_REFUND"}, "unknown state 'WAITING_REFUND'"),
        ({"line_order_line_state": "LOST"}, "line 'MK1-A-1' is in the unknown state 'LOST'"),
        ({"order_tax_mode": "TAX_SOMETIMES"}, "unknown tax mode"),
        ({"order_state": "CANCELED", "line_order_line_state": "SHIPPED"}, "canceled but has a line that left"),
        ({"last_updated_date": "yesterday"}, "a time that is none"),
        ({"created_date": None}, "created_date: Input should be a valid string"),
        ({"price": 29.0}, "lines do not give its price 29.0"),
        ({"total_price": 35.0}, "leave 0.1 of the total 35.0 unexplained"),
        ({"line_quantity": 0}, "greater than 0"),
        ({"line_quantity": 1.5}, "quantity"),
        ({"line_cancelations": [{"quantity": 4}]}, "cancels 4 of 3"),
        ({"line_offer_id": None}, "offer_id"),
        ({"currency_iso_code": "euro"}, "currency"),
        ({"order_lines": []}, "lines"),
        ({"order_lines": [LINE, LINE], "price": 60.0, "total_price": 64.9}, "names a line twice"),
    ],
)
def test_what_cannot_be_read_is_named(fields: dict[str, Any], why: str) -> None:
    unreadable(changed(**fields), why)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b'"x"', b"\xff\xfe", b"[" * 100_000, json.dumps(ORDER).encode()[:-9]]
)
def test_malformed_documents(body: bytes) -> None:
    for topic in ("order", "return", "offer", "offer_quantity", "offer_quantities", "account"):
        unreadable(body, "Mirakl", topic)


def test_infinite_amounts_are_no_amounts() -> None:
    unreadable(json.dumps(ORDER).replace("34.9", "Infinity").encode(), "is not JSON")
    unreadable(json.dumps(ORDER).replace("34.9", '"NaN"').encode(), "total_price")


def test_an_unknown_kind_of_document() -> None:
    unreadable({}, "no documents of kind 'invoice'", "invoice")


def test_amounts_keep_their_digits() -> None:
    text = json.dumps(changed(price=0, total_price=0, line_price=0))
    text = text.replace('"price": 0', '"price": 0.10').replace(
        '"total_price": 0', '"total_price": 5.000000000000000001'
    )
    text = text.replace('"shipping_price": 4.9, "total_price"', '"shipping_price": 4.900000000000000001, "total_price"')
    assert str(order(text.encode()).total) == "5.000000000000000001"


def test_missing_lists_and_nulls_are_nothing() -> None:
    wire = changed(line_taxes=None, line_shipping_taxes=None, line_cancelations=None, line_refunds=None, customer=None)
    del wire["customer_notification_email"]
    bare = order(wire)
    assert (bare.tax_amount, bare.customer, bare.delivery.address) == (Decimal(0), None, None)


def test_the_address_is_unknown_before_the_debit() -> None:
    hidden = order(changed(customer={"firstname": "Ada", "lastname": "Lovelace", "shipping_address": None}))
    assert hidden.delivery.address is None
    assert hidden.customer is not None
    assert (hidden.customer.name, hidden.customer.phone) == ("Ada Lovelace", None)
    no_country = deepcopy(ORDER)
    no_country["customer"]["shipping_address"]["country_iso_code"] = None
    assert order(no_country).delivery.address is None


def test_an_unknown_country_is_named() -> None:
    wire = deepcopy(ORDER)
    wire["customer"]["shipping_address"]["country_iso_code"] = "ZZZ"
    unreadable(wire, "unknown country 'ZZZ'")


def test_every_country_of_the_contract_is_known() -> None:
    address = contract()["components"]["schemas"]["OR11_Response_200_Orders_Customer_ShippingAddress"]
    codes = re.findall(r'`"([A-Z]{3})"`', address["properties"]["country_iso_code"]["description"])
    assert len(codes) == 244
    assert set(codes) <= set(ALPHA_2)
    assert len(set(ALPHA_2.values())) == len(ALPHA_2) == 249
    assert (ALPHA_2["FRA"], ALPHA_2["DEU"], ALPHA_2["ESP"], ALPHA_2["POL"]) == ("FR", "DE", "ES", "PL")


def test_a_time_without_zone_is_in_the_shops_zone_and_daylight_saving_is_kept() -> None:
    assert order(changed(created_date="2026-07-01T10:00:00")).placed_at == datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
    assert order(changed(created_date="2026-10-25T02:30:00")).placed_at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert order(changed(created_date="2026-10-25T02:30:00+01:00")).placed_at == datetime(
        2026, 10, 25, 1, 30, tzinfo=UTC
    )


def test_tax_on_top_is_part_of_the_total() -> None:
    wire = order(changed(order_tax_mode="TAX_EXCLUDED"))
    assert (wire.tax_included, wire.tax_amount, wire.total) == (False, Decimal("5.82"), Decimal("40.72"))


def test_tax_may_be_told_for_the_whole_order_only() -> None:
    fields = {"order_tax_mode": "TAX_EXCLUDED", "line_taxes": [], "line_shipping_taxes": []}
    wire = order(changed(order_taxes=[{"code": "a", "total_amount": 1.1}, {"code": "b", "total_amount": 2}], **fields))
    assert (wire.tax_amount, wire.total) == (Decimal("3.1"), Decimal("38.0"))


def test_stated_fees_are_the_difference_whether_or_not_the_total_holds_them() -> None:
    fees = [{"code": "eco", "amount": 0.65}]
    assert order(changed(line_fees=fees, total_price=35.55)).difference == Decimal("0.65")
    assert order(changed(line_fees=fees)).difference == Decimal(0)
    unreadable(changed(line_fees=fees, total_price=35.2), "does not add up")


def test_canceled_units_of_a_line() -> None:
    wire = order(
        changed(line_cancelations=[{"quantity": 1}, {"quantity": None}], line_price=20.0, price=20.0, total_price=24.9)
    )
    assert [(line.units, line.units_canceled, line.line_total) for line in wire.lines] == [(3, 1, Decimal("20.0"))]
    assert wire.lines[0].units_charged == 2


def test_a_canceled_line_whose_quantity_is_gone_had_what_was_canceled() -> None:
    fields = {"order_state": "CANCELED", "line_order_line_state": "CANCELED", "line_quantity": 0, "line_price": 0.0}
    wire = order(changed(line_cancelations=[{"quantity": 3}], price=0.0, total_price=4.9, **fields))
    assert [(line.units, line.units_canceled) for line in wire.lines] == [(3, 3)]


@pytest.mark.parametrize(("price", "total"), [(30.0, 34.9), (50.0, 54.9)])
def test_a_refused_line_is_canceled_whether_or_not_the_order_still_counts_it(price: float, total: float) -> None:
    refused = {**LINE, "order_line_id": "MK1-A-2", "order_line_state": "REFUSED", "quantity": 2, "price": 20.0}
    wire = order(changed(order_lines=[LINE, refused], price=price, total_price=total))
    assert wire.state is OrderState.OPEN
    assert [(line.units, line.units_canceled) for line in wire.lines] == [(3, 0), (2, 2)]
    assert wire.total == Decimal(str(total))
    assert wire.lines[1].line_total == (Decimal("20.0") if price == 50.0 else 0)
    assert [line.units_charged for line in wire.lines] == [3, 2 if price == 50.0 else 0]


def test_a_refund_after_the_goods_left_moves_money_only() -> None:
    wire = changed(
        order_state="RECEIVED",
        line_order_line_state="RECEIVED",
        line_shipped_date="2026-03-03T10:00:00Z",
        line_refunds=[REFUND, {**REFUND, "id": "78", "quantity": 0, "taxes": None}],
    )
    first, goods, gesture = facts(wire)
    assert isinstance(first, Order)
    assert first.lines[0].units_canceled == 0
    assert goods == Return(
        channel="mirakl-fr",
        external_id="refund:77",
        order="MK1-A",
        occurred_at=datetime(2026, 3, 5, 10, 0, tzinfo=UTC),
        lines=(
            ReturnLine(external_id="77", order_line="MK1-A-1", listing_external_id="2003", units=1, restocked=False),
        ),
        refund=Money(amount=Decimal("11.5"), currency="EUR"),
    )
    assert isinstance(gesture, Return)
    assert (gesture.external_id, gesture.lines) == ("refund:78", ())
    taxed = facts({**wire, "order_tax_mode": "TAX_EXCLUDED"})[1]
    assert isinstance(taxed, Return)
    assert taxed.refund == Money(amount=Decimal("13.42"), currency="EUR")


def test_units_refunded_at_full_price_before_the_line_left_will_not_be_delivered() -> None:
    before = {**REFUND, "created_date": "2026-03-02T09:00:00Z"}
    waiting = facts(changed(line_refunds=[before]))
    shipped = facts(
        changed(
            order_state="SHIPPED",
            line_order_line_state="SHIPPED",
            line_shipped_date="2026-03-02T12:00:00Z",
            line_refunds=[before],
        )
    )
    for told in (waiting, shipped):
        assert [type(fact) for fact in told] == [Order]
        assert isinstance(told[0], Order)
        assert told[0].lines[0].units_canceled == 1


def test_a_gesture_before_the_line_left_cancels_nothing() -> None:
    first, money = facts(changed(line_refunds=[{**REFUND, "amount": 2.0}]))
    assert isinstance(first, Order)
    assert first.lines[0].units_canceled == 0
    assert isinstance(money, Return)
    assert money.refund == Money(amount=Decimal("3.5"), currency="EUR")


def test_an_order_whose_every_unit_was_refunded_before_it_left_is_canceled() -> None:
    refund = {**REFUND, "quantity": 3, "amount": 30.0}
    wire = order(changed(order_state="CLOSED", line_order_line_state="REFUNDED", line_refunds=[refund]))
    assert (wire.state, wire.lines[0].units_canceled) == (OrderState.CANCELED, 3)


def test_the_contracts_own_example() -> None:
    answer = contract()["paths"]["/api/orders"]["get"]["responses"]["200"]["content"]["application/json"]
    [wire] = answer["examples"]["application/json-0"]["value"]["orders"]
    first, money = facts(wire)
    assert isinstance(first, Order)
    assert (first.state, first.currency, first.tax_included) == (OrderState.COMPLETED, "USD", False)
    assert (first.total, first.tax_amount, first.lines[0].units) == (Decimal(213), Decimal(40), 3)
    assert first.delivery.address is not None
    assert first.delivery.address.country == "US"
    assert isinstance(money, Return)
    assert money.refund == Money(amount=Decimal("14.21"), currency="USD")
    assert money.lines == ()


def contract() -> dict[str, Any]:
    packed = shared("contracts", "mirakl", "mirakl-mmp-seller-openapi.json.gz").read_bytes()
    document: dict[str, Any] = json.loads(gzip.decompress(packed))
    return document


# Returns

RETURN: dict[str, Any] = {
    "stated": {
        "id": "f61b5db8",
        "order_id": "MK1-A",
        "state": "RECEIVED",
        "last_updated": "2026-03-09T10:00:00Z",
        "return_lines": [{"order_line_id": "MK1-A-1", "quantity": 2, "compliance": [{"compliant": True}]}],
    },
    "offers": {"MK1-A-1": 2003},
}


def returned(state: str = "RECEIVED", **line: Any) -> list[Fact]:
    wire = deepcopy(RETURN)
    wire["stated"]["state"] = state
    wire["stated"]["return_lines"][0] |= line
    return facts(wire, "return")


def test_inspected_goods_are_back() -> None:
    for state in ("RECEIVED", "CLOSED"):
        assert returned(state) == [
            Return(
                channel="mirakl-fr",
                external_id="return:f61b5db8",
                order="MK1-A",
                occurred_at=datetime(2026, 3, 9, 10, 0, tzinfo=UTC),
                lines=(
                    ReturnLine(
                        external_id="f61b5db8:MK1-A-1",
                        order_line="MK1-A-1",
                        listing_external_id="2003",
                        units=2,
                        restocked=True,
                        stock_point="account",
                    ),
                ),
            )
        ]


@pytest.mark.parametrize("state", ["WAITING_ACCEPTANCE", "IN_PROGRESS", "REFUSED", "NO_RECEPTION", "CANCELED"])
def test_goods_that_did_not_come_are_not_told(state: str) -> None:
    assert returned(state) == []


def test_goods_nobody_looked_at_and_goods_that_were_not_in_the_parcel_are_not_told() -> None:
    missing = {"compliant": False, "non_compliance_reason_code": "RETURN_NON_COMPLIANT_MISSING_ITEM"}
    assert returned(compliance=None) == []
    assert returned(compliance=[missing]) == []


def test_goods_that_are_not_as_they_should_be_are_looked_at() -> None:
    damaged = {"compliant": False, "non_compliance_reason_code": "RETURN_NON_COMPLIANT_DAMAGED_PRODUCT"}
    [fact] = returned(compliance=[damaged])
    assert isinstance(fact, Return)
    assert fact.lines[0].condition is Condition.QUALITY_CONTROL


def test_returns_that_cannot_be_read() -> None:
    with pytest.raises(UnreadableDocumentError, match="unknown state 'LOST'"):
        returned("LOST")
    with pytest.raises(UnreadableDocumentError, match="offer of line 'MK1-A-9' is unknown"):
        returned(order_line_id="MK1-A-9")
    with pytest.raises(UnreadableDocumentError, match="greater than 0"):
        returned(quantity=0)


# Offers


def offer(**fields: Any) -> Fact:
    references = [{"reference": "4006381333931", "reference_type": "EAN"}]
    wire = {
        "offer_id": 2003,
        "shop_sku": "SKU-1",
        "product_title": "Théière",
        "product_references": references,
        **fields,
    }
    [fact] = facts(wire, "offer")
    return fact


def test_an_offer_is_a_listing() -> None:
    assert offer() == ChannelListing(
        channel="mirakl-fr",
        external_id="2003",
        stock_id="SKU-1",
        sku="SKU-1",
        gtin="04006381333931",
        title="Théière",
    )


@pytest.mark.parametrize(
    ("references", "gtin"),
    [
        (None, None),
        ([{"reference": "4006381333932", "reference_type": "EAN"}], None),
        (
            [{"reference": "X", "reference_type": "MPN"}, {"reference": "96385074", "reference_type": "ean"}],
            "00000096385074",
        ),
    ],
)
def test_only_a_valid_ean_is_a_gtin(references: object, gtin: str | None) -> None:
    listing = offer(product_references=references)
    assert isinstance(listing, ChannelListing)
    assert listing.gtin == gtin


def test_a_sku_with_blanks_around_it_keeps_them_where_stock_is_written() -> None:
    listing = offer(shop_sku=" SKU-1 ", product_title=None)
    assert isinstance(listing, ChannelListing)
    assert (listing.stock_id, listing.sku, listing.title) == (" SKU-1 ", None, "")


def test_a_quantity_is_observed_when_it_was_read() -> None:
    [fact] = translate(document("offer_quantity", {"offer_id": 2003, "quantity": 7}, AT), ABOUT)
    assert fact == StockObservation(
        channel="mirakl-fr", listing_external_id="2003", stock_point="account", units=7, observed_at=AT
    )
    unreadable({"offer_id": 2003, "quantity": 7}, "nobody says when", "offer_quantity")
    unreadable({"offer_id": 2003}, "quantity: Field required", "offer_quantity")


def test_a_suspended_shop_is_not_active() -> None:
    assert facts({"shop_name": "Shop", "shop_state": "SUSPENDED"}, "account") == [
        ChannelPlace(channel="mirakl-fr", stock_point="account", name="Shop", is_active=False)
    ]


# Laws

CENTS = st.integers(0, 100_000).map(lambda cents: Decimal(cents) / 100)
LIVE = ["WAITING_DEBIT", "SHIPPING", "SHIPPED", "REFUSED", "CANCELED"]
LINES = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), CENTS, st.sampled_from(LIVE)), min_size=1, max_size=5)


@given(LINES, CENTS, CENTS, st.booleans(), st.booleans())
def test_whatever_adds_up_is_read_and_never_cancels_more_than_was_ordered(
    lines: list[tuple[int, int, Decimal, str]], shipping: Decimal, tax: Decimal, is_excluded: bool, counts_refused: bool
) -> None:
    wires = [
        {
            **LINE,
            "order_line_id": f"MK1-A-{index}",
            "order_line_state": state,
            "quantity": units,
            "price": float(price),
            "taxes": [{"code": "t", "amount": float(tax)}],
            "shipping_taxes": [],
            "cancelations": [{"quantity": min(canceled, units)}],
        }
        for index, (units, canceled, price, state) in enumerate(lines)
    ]
    counted = [price for _, _, price, state in lines if counts_refused or state not in ("REFUSED", "CANCELED")]
    price = sum(counted, Decimal(0))
    fields = {"order_tax_mode": "TAX_EXCLUDED" if is_excluded else "TAX_INCLUDED", "shipping_price": float(shipping)}
    wire = order(changed(order_lines=wires, price=float(price), total_price=float(price + shipping), **fields))
    assert wire.total == price + shipping + (tax * len(lines) if is_excluded else 0)
    for line, (units, canceled, _, state) in zip(wire.lines, lines, strict=True):
        gone = units if state in ("REFUSED", "CANCELED") else min(canceled, units)
        assert (line.units, line.units_canceled) == (units, gone)
    is_gone = all(line.units == line.units_canceled for line in wire.lines)
    assert wire.state is (OrderState.CANCELED if is_gone else OrderState.OPEN)


@given(st.binary(max_size=60))
def test_no_bytes_are_read_as_anything_but_a_fact_or_refused(body: bytes) -> None:
    try:
        translate(document("order", body), ABOUT)
    except UnreadableDocumentError:
        return
    pytest.fail("random bytes are no order")
