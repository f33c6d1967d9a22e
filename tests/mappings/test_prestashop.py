"""PrestaShop's documents as facts: recorded ones, and those that are wrong."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.errors import UnreadableDocumentError
from mappings.prestashop import _less_discount, translate
from mappings.prestashop_wire import StockRow, leaves, to_utc
from schemas.base import Money
from schemas.documents import Fact, Heard, RawDocument, Translation
from schemas.locations import Address
from schemas.orders import Customer, Order, OrderLine, OrderState, Return, ReturnLine
from schemas.publications import ChannelListing, ChannelPlace
from schemas.stock import StockObservation
from tests.reference import shared

PARIS = Translation("shop", "Europe/Paris")
READ_AT = "2026-11-22T15:10:00+00:00"
STATES = [
    {"id": 2, "paid": 1, "logable": 1, "shipped": 0},
    {"id": 3, "paid": 1, "logable": 1, "shipped": 0},
    {"id": 4, "paid": 1, "logable": 1, "shipped": 1},
    {"id": 6, "paid": 0, "logable": 0, "shipped": 0},
    {"id": 7, "paid": 0, "logable": 0, "shipped": 0},
    {"id": 8, "paid": 0, "logable": 0, "shipped": 0},
    {"id": 9, "paid": 1, "logable": 0, "shipped": 0},
    {"id": 10, "paid": 0, "logable": 0, "shipped": 0},
    {"id": 11, "paid": 1, "logable": 1, "shipped": 0},
]


def recorded(name: str) -> Any:
    path = next(shared("recordings", "prestashop").glob(f"{name}-*.json"))
    return json.loads(json.loads(path.read_text())["response"]["body"])


def document(topic: str, parts: object, number: str = "16") -> RawDocument:
    body = parts if isinstance(parts, bytes) else json.dumps(parts).encode()
    return RawDocument(topic, number, f"{topic}:{number}", body, Heard.POLL)


def facts(topic: str, parts: object) -> list[Fact]:
    return list(translate(document(topic, parts), PARIS))


def compose(order: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """The document of a recorded order: its rows lie under associations there."""
    rows = order["associations"]["order_rows"]
    return {
        "read_at": READ_AT,
        "stock_point": "1",
        "currency": "EUR",
        "country": None,
        "roles": {"canceled": 6, "payment_error": 8, "refunded": 7},
        "order": {**{name: order[name] for name in order if name != "associations"}, "rows": rows},
        "states": STATES,
        **parts,
    }


def invented(**parts: Any) -> dict[str, Any]:
    """An order of two rows: 3 of 10.00 and 1 of 5.00, shipping 4.90."""
    amounts = {
        "total_paid": "39.900000",
        "total_paid_tax_incl": "39.900000",
        "total_paid_tax_excl": "33.250000",
        "total_products_wt": "35.000000",
        "total_shipping_tax_incl": "4.900000",
        "total_discounts_tax_incl": "0.000000",
        "total_wrapping_tax_incl": "0.000000",
    }
    rows = [
        {
            "id": 1,
            "product_id": 21,
            "product_attribute_id": 0,
            "product_quantity": 3,
            "product_name": "Thing",
            "product_reference": "A",
            "unit_price_tax_incl": "10.000000",
            "unit_price_tax_excl": "8.333333",
        },
        {
            "id": 2,
            "product_id": 80,
            "product_attribute_id": 41,
            "product_quantity": 1,
            "product_name": "Hoodie",
            "product_reference": "B-M",
            "unit_price_tax_incl": "5.000000",
            "unit_price_tax_excl": "4.166667",
        },
    ]
    order = {
        "id": 16,
        "reference": "IVCKETXKB",
        "current_state": 2,
        "date_add": "2026-11-22 15:36:45",
        "date_upd": "2026-11-22 15:40:00",
        **amounts,
        "rows": rows,
        **parts.pop("order", {}),
    }
    return {
        "read_at": READ_AT,
        "stock_point": "1",
        "currency": "EUR",
        "roles": {"canceled": 6, "payment_error": 8, "refunded": 7},
        "order": order,
        "states": STATES,
        **parts,
    }


def detail(row: int, total: str, **counts: int) -> dict[str, Any]:
    return {"id": row, "total_price_tax_incl": total, "total_price_tax_excl": total, **counts}


def slip(number: int, at: str, lines: dict[int, int], amount: str = "10.000000") -> dict[str, Any]:
    return {
        "id": number,
        "date_add": at,
        "date_upd": at,
        "total_products_tax_incl": amount,
        "total_shipping_tax_incl": "0.000000",
        "lines": [{"id_order_detail": row, "product_quantity": units} for row, units in lines.items()],
    }


def order_of(parts: object) -> Order:
    found = facts("order", parts)[0]
    assert isinstance(found, Order)
    return found


def test_a_recorded_order_with_its_customer_and_address() -> None:
    order = recorded("46")["order"]
    parts = compose(
        order,
        customer=recorded("48")["customer"],
        address=recorded("49")["address"],
        country=recorded("50")["country"]["iso_code"],
        states=recorded("51")["order_states"],
    )

    [found] = facts("order", parts)

    assert isinstance(found, Order)
    assert found.external_id == "16"
    assert found.number == "IVCKETXKB"
    assert found.placed_at == datetime(2026, 11, 22, 14, 36, 45, tzinfo=UTC)
    assert found.updated_at == datetime(2026, 11, 22, 15, 5, 23, tzinfo=UTC)
    assert found.state is OrderState.OPEN
    assert found.currency == "EUR"
    assert found.lines == (
        OrderLine(
            external_id="28",
            listing_external_id="63:0",
            sku="HUB-0044",
            title="Nordic Bottle",
            units=2,
            unit_price=Decimal("77.280000"),
            line_total=Decimal("154.560000"),
            tax_amount=Decimal("25.760000"),
        ),
        OrderLine(
            external_id="29",
            listing_external_id="69:0",
            sku="HUB-0050",
            title="Vintage T-Shirt",
            units=1,
            unit_price=Decimal("87.000000"),
            line_total=Decimal("87.000000"),
            tax_amount=Decimal("14.500000"),
        ),
    )
    assert found.customer == Customer(name="Test Buyer", email="psbuyer17c@example.com", phone="0100000000")
    assert found.delivery.address == Address(country="FR", postal_code="75001", city="Paris", lines=("1 rue du Test",))
    assert (found.total, found.tax_amount, found.difference) == (
        Decimal("241.560000"),
        Decimal("40.260000"),
        Decimal(0),
    )
    assert "hash" not in found.model_dump_json()


def test_every_recorded_order_of_a_list_is_read() -> None:
    found = [order_of(compose(order)) for order in recorded("45")["orders"]]

    assert [(order.external_id, order.state, order.total) for order in found] == [
        ("36", OrderState.OPEN, Decimal("38.400000")),
        ("35", OrderState.OPEN, Decimal("38.400000")),
        ("34", OrderState.OPEN, Decimal("38.400000")),
    ]


@pytest.mark.parametrize("name", ["07", "09", "10", "11", "17", "29", "41", "42", "67", "70", "73"])
def test_every_recorded_stock_list_is_read(name: str) -> None:
    rows = recorded(name)["stock_availables"]
    with_combinations = {row["id_product"] for row in rows if row["id_product_attribute"]}

    found = facts("stock", {"read_at": READ_AT, "stock_point": "1", "rows": rows})

    assert found == [
        StockObservation(
            channel="shop",
            listing_external_id=f"{row['id_product']}:{row['id_product_attribute']}",
            stock_point="1",
            units=row["quantity"],
            observed_at=datetime(2026, 11, 22, 15, 10, tzinfo=UTC),
        )
        for row in rows
        if row["id_product_attribute"] or row["id_product"] not in with_combinations
    ]


@pytest.mark.parametrize(
    ("name", "units"), [("13", 0), ("15", 14), ("16", 50), ("18", 0), ("19", -3), ("23", 52), ("28", 9), ("30", 4)]
)
def test_a_missing_number_is_zero_and_text_is_a_number(name: str, units: int) -> None:
    assert StockRow.model_validate(recorded(name)["stock_available"]).quantity == units


@pytest.mark.requirement("R30")
def test_the_sum_of_a_product_is_not_a_sku() -> None:
    rows = recorded("10")["stock_availables"]
    found = facts("stock", {"read_at": READ_AT, "stock_point": "1", "rows": rows})

    assert [(row.listing_external_id, row.units) for row in found if isinstance(row, StockObservation)] == [
        ("80:40", 5),
        ("80:41", 6),
        ("80:42", 7),
        ("80:43", 8),
    ]


def test_a_product_with_combinations_lists_only_these() -> None:
    product = recorded("02")["products"][0]
    combinations = [
        {
            **combination,
            "option_values": [value["id"] for value in combination["associations"]["product_option_values"]],
        }
        for combination in recorded("06")["combinations"]
    ]
    options = [
        {"id": 1, "group": [{"id": 1, "value": "Size"}], "name": [{"id": 1, "value": "S"}]},
        {"id": 10, "group": "Color", "name": "Red"},
    ]
    parts = {
        "product": product,
        "combinations": combinations,
        "options": options,
        "stock": recorded("10")["stock_availables"],
    }

    found = facts("product", parts)

    assert [(one.external_id, one.stock_id, one.sku) for one in found if isinstance(one, ChannelListing)] == [
        ("80:40", "120", "HUB-V1-R-S"),
        ("80:41", "121", "HUB-V1-R-M"),
        ("80:42", "122", "HUB-V1-B-S"),
        ("80:43", "123", "HUB-V1-B-M"),
    ]
    assert found[0] == ChannelListing(
        channel="shop",
        external_id="80:40",
        stock_id="120",
        sku="HUB-V1-R-S",
        gtin="03760999005000",
        title="Hoodie",
        options={"Size": "S", "Color": "Red"},
    )


def test_every_recorded_simple_product_is_a_listing() -> None:
    for product in recorded("01")["products"]:
        number = product["id"]
        row = {"id": 500 + number, "id_product": number, "id_product_attribute": 0, "id_shop": 1}

        [found] = facts("product", {"product": product, "stock": [row]})

        assert isinstance(found, ChannelListing)
        assert (found.external_id, found.stock_id, found.sku) == (
            f"{number}:0",
            str(500 + number),
            product["reference"],
        )
        assert (found.gtin, found.title) == ("0" + product["ean13"], product["name"][0]["value"])


def test_what_is_sold_nowhere_gives_no_listing() -> None:
    product = {"id": 80, "name": "Hoodie", "reference": "V"}
    combination = {"id": 40, "reference": "V-S"}
    total, left_over = {"id": 1, "id_product": 80}, {"id": 2, "id_product": 80, "id_product_attribute": 77}

    assert facts("product", {"product": product, "combinations": [combination], "stock": [total]}) == []
    assert facts("product", {"product": product, "combinations": [], "stock": [total, left_over]}) == []
    assert facts("product", {"product": product, "stock": []}) == []


@pytest.mark.parametrize(
    ("reference", "ean13", "sku", "gtin"),
    [
        ("", "", None, None),
        (" A-1 ", "3760999000028", "A-1", None),
        ("x" * 129, "3760999000029", None, "03760999000029"),
        (None, None, None, None),
    ],
)
def test_odd_names_and_codes_of_a_product(reference: Any, ean13: Any, sku: str | None, gtin: str | None) -> None:
    product = {"id": 5, "name": "A", "reference": reference, "ean13": ean13}
    [found] = facts("product", {"product": product, "stock": [{"id": 9, "id_product": 5}]})

    assert isinstance(found, ChannelListing)
    assert (found.sku, found.gtin) == (sku, gtin)


def test_a_place() -> None:
    assert facts("place", {"stock_point": "1", "name": "Hub shop", "active": 0}) == [
        ChannelPlace(channel="shop", stock_point="1", name="Hub shop", is_active=False)
    ]


@pytest.mark.parametrize(
    ("state", "expected", "canceled"),
    [
        (2, OrderState.OPEN, (0, 0)),
        (3, OrderState.OPEN, (0, 0)),
        (9, OrderState.OPEN, (0, 0)),
        (10, OrderState.AWAITING_PAYMENT, (0, 0)),
        (4, OrderState.COMPLETED, (0, 0)),
        (6, OrderState.CANCELED, (3, 1)),
        (7, OrderState.CANCELED, (3, 1)),
        (8, OrderState.CANCELED, (3, 1)),
    ],
)
def test_states_are_read_from_their_flags(state: int, expected: OrderState, canceled: tuple[int, int]) -> None:
    order = order_of(invented(order={"current_state": state}))

    assert order.state is expected
    assert tuple(line.units_canceled for line in order.lines) == canceled


def test_ids_of_states_are_not_known_by_heart() -> None:
    states = [{"id": 21, "paid": 0, "logable": 0, "shipped": 1}, {"id": 6, "paid": 1, "logable": 1}]
    roles = {"canceled": 30, "payment_error": 31, "refunded": 32}

    assert order_of(invented(order={"current_state": 21}, states=states)).state is OrderState.COMPLETED
    assert order_of(invented(order={"current_state": 6}, states=states, roles=roles)).state is OrderState.OPEN


def test_shipped_once_is_shipped_even_when_the_payment_is_booked_afterwards() -> None:
    histories = [
        {"id_order_state": 4, "date_add": "2026-11-22 15:38:00"},
        {"id_order_state": 2, "date_add": "2026-11-22 15:39:00"},
    ]

    assert order_of(invented(histories=histories)).state is OrderState.COMPLETED
    refunded = order_of(invented(histories=histories, order={"current_state": 7}))
    assert (refunded.state, [line.units_canceled for line in refunded.lines]) == (OrderState.COMPLETED, [0, 0])


def test_an_unknown_state_is_not_guessed() -> None:
    with pytest.raises(UnreadableDocumentError, match="state 44 is not among the shop's order states"):
        facts("order", invented(order={"current_state": 44}))


def test_a_smaller_row_is_told_as_it_is() -> None:
    parts = invented()
    parts["order"]["rows"][0]["product_quantity"] = 2
    parts["order"]["total_products_wt"] = "25.000000"
    parts["order"]["total_paid"] = "29.900000"

    order = order_of(parts)

    assert [(line.units, line.units_canceled) for line in order.lines] == [(2, 0), (1, 0)]


def test_a_row_without_units_is_no_line() -> None:
    parts = invented()
    parts["order"]["rows"][1]["product_quantity"] = 0
    parts["order"]["total_products_wt"] = "30.000000"
    parts["order"]["total_paid"] = "34.900000"

    assert [line.external_id for line in order_of(parts).lines] == ["1"]


def test_refunded_before_shipping_never_left() -> None:
    details = [detail(1, "30.000000", product_quantity_refunded=2, product_quantity_reinjected=2)]
    parts = invented(details=details, slips=[slip(5, "2026-11-22 15:50:00", {1: 2})])

    found = facts("order", parts)

    assert len(found) == 1
    order = order_of(parts)
    assert [(line.units, line.units_canceled) for line in order.lines] == [(3, 2), (1, 0)]
    assert order.updated_at == datetime(2026, 11, 22, 14, 50, tzinfo=UTC)


@pytest.mark.requirement("R38")
def test_a_slip_after_shipping_is_a_return() -> None:
    parts = invented(
        order={"current_state": 4},
        histories=[{"id_order_state": 4, "date_add": "2026-11-22 15:40:00"}],
        details=[
            detail(
                1,
                "30.000000",
                product_quantity_refunded=1,
                product_quantity_return=1,
                product_quantity_reinjected=2,
            ),
            detail(2, "5.000000", product_quantity_refunded=1),
        ],
        slips=[
            slip(5, "2026-11-22 15:38:00", {1: 1}),
            slip(6, "2026-11-22 15:50:00", {1: 1, 2: 1}, "15.000000"),
            slip(7, "2026-11-22 15:51:00", {}, "4.900000"),
        ],
    )

    order, goods, money = facts("order", parts)

    assert isinstance(order, Order)
    assert order.state is OrderState.COMPLETED
    assert [(line.units, line.units_canceled) for line in order.lines] == [(3, 1), (1, 0)]
    assert goods == Return(
        channel="shop",
        external_id="6",
        order="16",
        occurred_at=datetime(2026, 11, 22, 14, 50, tzinfo=UTC),
        lines=(
            ReturnLine(
                external_id="1",
                order_line="1",
                listing_external_id="21:0",
                units=1,
                restocked=True,
                stock_point="1",
            ),
            ReturnLine(
                external_id="2",
                order_line="2",
                listing_external_id="80:41",
                units=1,
                restocked=False,
                stock_point="1",
            ),
        ),
        refund=Money(amount=Decimal("15.000000"), currency="EUR"),
    )
    assert isinstance(money, Return)
    assert (money.external_id, money.lines) == ("7", ())


def test_a_slip_of_an_unknown_row_is_not_guessed() -> None:
    parts = invented(
        order={"current_state": 4}, slips=[slip(5, "2026-11-22 15:50:00", {77: 1})], details=[detail(1, "30")]
    )

    with pytest.raises(UnreadableDocumentError, match="credit slip 5 names a row that the order has not"):
        facts("order", parts)


@pytest.mark.requirement("R40")
def test_totals_are_kept_and_what_the_shop_rounded_is_told() -> None:
    parts = invented(
        order={
            "total_discounts_tax_incl": "5.000000",
            "total_wrapping_tax_incl": "2.000000",
            "total_products_wt": "35.010000",
            "total_paid": "36.910000",
        },
        details=[detail(1, "30.000000"), detail(2, "5.004000")],
    )

    order = order_of(parts)

    assert [line.line_total for line in order.lines] == [Decimal("30.000000"), Decimal("5.004000")]
    assert (order.shipping_amount, order.discount_amount) == (Decimal("4.900000"), Decimal("5.000000"))
    assert order.difference == Decimal("2.006000")
    assert order.total == Decimal("36.910000")
    assert [line.discount_amount for line in order.lines] == [Decimal("4.285224"), Decimal("0.714776")]


@pytest.mark.parametrize(
    ("discount", "parts"),
    [
        ("7.000000", ["6.00", "1.00"]),
        ("0.010000", ["0.008571", "0.001429"]),
        ("7.005000", ["6.004285", "1.000715"]),
        ("38.000000", ["30.00", "5.00"]),  # 3 of it were for the shipping
    ],
)
def test_vouchers_are_taken_off_the_lines_by_what_they_cost_and_the_parts_sum_to_the_whole(
    discount: str, parts: list[str]
) -> None:
    paid = str(Decimal("39.900000") - Decimal(discount))
    order = order_of(invented(order={"total_discounts_tax_incl": discount, "total_paid": paid}))
    assert [line.discount_amount for line in order.lines] == [Decimal(part) for part in parts]
    assert order.discount_amount == Decimal(discount)


def line_of(total: Decimal) -> OrderLine:
    return OrderLine(
        external_id="1",
        listing_external_id="1:0",
        sku="S",
        title="",
        units=1,
        unit_price=total,
        line_total=total,
        tax_amount=Decimal(0),
    )


@given(
    rows=st.lists(st.integers(0, 50_000_000), min_size=1, max_size=6),
    discount=st.integers(0, 120_000_000),
)
def test_no_line_bears_more_of_a_voucher_than_it_costs(rows: list[int], discount: int) -> None:
    totals = [Decimal(row).scaleb(-6) for row in rows]
    lines = _less_discount([line_of(total) for total in totals], Decimal(discount).scaleb(-6))
    assert all(0 <= line.discount_amount <= line.line_total for line in lines)
    assert sum(line.discount_amount for line in lines) == min(Decimal(discount).scaleb(-6), sum(totals))


@pytest.mark.requirement("R44")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"total_products_wt": "35.030000"}, "its rows give 35.000000, the shop states products for 35.030000"),
        ({"total_paid": "39.930000"}, "leave 0.030000 of 39.930000 unexplained"),
        ({"total_paid": "0.000000"}, "leave -39.900000 of 0.000000 unexplained"),
        ({"rows": []}, "its rows give 0, the shop states products for 35.000000"),
    ],
)
def test_what_does_not_add_up_is_quarantined(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UnreadableDocumentError, match=message):
        facts("order", invented(order=change))


@given(
    rows=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 9_999_999)), min_size=1, max_size=6),
    shipping=st.integers(0, 2_000),
    rounding=st.integers(-3, 3),
)
def test_an_order_is_read_exactly_when_a_cent_a_line_explains_it(
    rows: list[tuple[int, int]], shipping: int, rounding: int
) -> None:
    parts = invented()
    template = parts["order"]["rows"][0]
    prices = [Decimal(price) / 100 for _, price in rows]
    parts["order"]["rows"] = [
        {**template, "id": number, "product_quantity": units, "unit_price_tax_incl": f"{price:.6f}"}
        for number, ((units, _), price) in enumerate(zip(rows, prices, strict=True), start=1)
    ]
    goods = sum((units * price for (units, _), price in zip(rows, prices, strict=True)), Decimal(0))
    total = goods + Decimal(shipping) / 100 + Decimal(rounding) / 100
    parts["order"].update(
        total_products_wt=f"{goods:.6f}",
        total_shipping_tax_incl=f"{Decimal(shipping) / 100:.6f}",
        total_paid=str(total),
    )

    if abs(rounding) > len(rows):
        with pytest.raises(UnreadableDocumentError):
            facts("order", parts)
    else:
        order = order_of(parts)
        assert (order.total, order.difference) == (total, Decimal(rounding) / 100)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>", "6 bytes that are not JSON"),
        (b"", "0 bytes that are not JSON"),
        (b"[]", "PrestaShop order 16"),
        (b'{"order": {}}', "read_at: Field required"),
    ],
)
def test_malformed_documents_are_refused(body: bytes, message: str) -> None:
    with pytest.raises(UnreadableDocumentError, match=message):
        facts("order", body)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("date_upd", "0000-00-00 00:00:00"),
        ("date_upd", "2026-13-40 00:00:00"),
        ("date_add", 17),
        ("total_paid", "secret@example.com"),
        ("total_paid", "NaN"),
        ("id", 0),
        ("rows", None),
    ],
)
def test_malformed_fields_are_named_without_their_value(field: str, value: Any) -> None:
    with pytest.raises(UnreadableDocumentError, match=rf"order\.{field}: ") as caught:
        facts("order", invented(order={field: value}))

    assert "secret" not in str(caught.value)


def test_fractions_and_negative_units_are_refused() -> None:
    for units in ("2.5", -1):
        parts = invented()
        parts["order"]["rows"][0]["product_quantity"] = units
        with pytest.raises(UnreadableDocumentError, match=r"order\.rows\.0\.product_quantity"):
            facts("order", parts)


def test_a_currency_that_the_shop_does_not_tell_is_not_guessed() -> None:
    with pytest.raises(UnreadableDocumentError, match="currency"):
        facts("order", invented(currency=""))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UnreadableDocumentError, match="no documents of the kind 'invoice'"):
        facts("invoice", {})


def test_an_address_without_a_known_country_is_left_out() -> None:
    address = {"address1": "1 rue", "postcode": "75001", "city": "Paris", "phone": "", "phone_mobile": "06"}
    customer = {"firstname": "Ann", "lastname": None, "email": ""}

    order = order_of(invented(address=address, customer=customer, country=None))

    assert order.delivery.address is None
    assert order.customer == Customer(name="Ann", email=None, phone="06")


@pytest.mark.requirement("R25")
@pytest.mark.parametrize(
    ("local", "read_at", "expected"),
    [
        ("2026-10-25 02:30", "2026-10-25 00:31", "2026-10-25 00:30"),
        ("2026-10-25 02:30", "2026-10-25 01:31", "2026-10-25 01:30"),
        ("2026-10-25 02:30", "2026-10-25 01:25", "2026-10-25 01:30"),
        ("2026-10-25 03:30", "2026-10-25 02:31", "2026-10-25 02:30"),
        ("2026-03-29 02:30", "2026-03-29 02:00", "2026-03-29 01:30"),
    ],
)
def test_the_hour_that_comes_twice_or_never(local: str, read_at: str, expected: str) -> None:
    known_at = datetime.fromisoformat(read_at).replace(tzinfo=UTC)

    found = to_utc(datetime.fromisoformat(local), ZoneInfo("Europe/Paris"), known_at)

    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.requirement("R25")
@given(
    changes=st.lists(st.integers(0, 4 * 3600), min_size=2, max_size=8, unique=True),
    zone=st.sampled_from(["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
)
def test_versions_read_as_they_come_never_run_backwards(changes: list[int], zone: str) -> None:
    """Through the double hour, an order that is read a minute after each change keeps its versions in order."""
    start = {
        "America/New_York": datetime(2026, 11, 1, 4, tzinfo=UTC),
        "Australia/Lord_Howe": datetime(2026, 4, 4, 13, tzinfo=UTC),
    }.get(zone, datetime(2026, 10, 24, 23, tzinfo=UTC))
    moments = [start + timedelta(seconds=seconds) for seconds in sorted(changes)]
    seen = []
    for at in moments:
        local = at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
        parts = {
            **invented(order={"date_upd": local, "date_add": local}),
            "read_at": (at + timedelta(seconds=60)).isoformat(),
        }
        [found] = translate(document("order", parts), Translation("shop", zone))
        assert isinstance(found, Order)
        assert found.placed_at <= found.updated_at
        seen.append(found.updated_at)

    assert seen == moments


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(0, 3), st.integers(-5, 5)),
        unique_by=lambda row: row[:2],
        max_size=12,
    )
)
def test_leaves_are_rows_that_are_not_a_sum(rows: list[tuple[int, int, int]]) -> None:
    wires = [
        StockRow.model_validate(
            {"id": number, "id_product": product, "id_product_attribute": combination, "quantity": units}
        )
        for number, (product, combination, units) in enumerate(rows, start=1)
    ]

    found = {(row.id_product, row.id_product_attribute) for row in leaves(wires)}

    for product, combination, _ in rows:
        has_combinations = any(one == product and other for one, other, _ in rows)
        assert ((product, combination) in found) == (bool(combination) or not has_combinations)
