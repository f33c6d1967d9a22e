from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.orders import Delivery, DeliveryMethod, Order, OrderLine, Return

LINE: dict[str, Any] = {
    "external_id": "1",
    "listing_external_id": "L-1",
    "units": 2,
    "unit_price": "10.00",
    "line_total": "20.00",
}
ORDER: dict[str, Any] = {
    "channel": "shop",
    "external_id": "1001",
    "number": "#1001",
    "placed_at": "2026-03-02T10:00:00+01:00",
    "updated_at": "2026-03-02T10:00:00+01:00",
    "state": "open",
    "currency": "EUR",
    "lines": [LINE],
    "delivery": {"method": "ship"},
    "total": "20.00",
}


def refused(model: type[Any], **changes: object) -> str:
    base = ORDER if model is Order else LINE
    with pytest.raises(ValidationError) as found:
        model.model_validate(base | changes)
    return str(found.value.errors()[0]["msg"])


def test_an_order_that_adds_up_is_taken() -> None:
    order = Order.model_validate(ORDER)
    assert order.lines[0].units_canceled == 0
    assert order.placed_at.isoformat() == "2026-03-02T09:00:00+00:00"


@pytest.mark.requirement("R44")
@pytest.mark.parametrize(
    "changes",
    [
        {"total": "20.01"},
        {"total": "-20.00"},
        {"shipping_amount": "4.90"},
        {"discount_amount": "0.01"},
        {"difference": "0.01"},
        {"tax_amount": "3.33", "tax_included": False},
        {"lines": [LINE, LINE | {"external_id": "2"}]},
    ],
)
def test_an_order_that_does_not_add_up_is_refused(changes: dict[str, object]) -> None:
    assert refused(Order, **changes).startswith("Value error, order '#1001' does not add up: ")


@pytest.mark.requirement("R40", "R44")
@pytest.mark.parametrize(
    "changes",
    [
        {"shipping_amount": "4.90", "total": "24.90"},
        {"discount_amount": "5.00", "total": "15.00"},
        {"tax_amount": "3.33", "total": "20.00"},
        {"tax_amount": "4.00", "tax_included": False, "total": "24.00"},
        {"difference": "-0.01", "total": "19.99"},
        {"total": "20"},
        {"total": "20.000"},
    ],
)
def test_shipping_tax_discount_and_an_explicit_difference_make_up_the_total(changes: dict[str, object]) -> None:
    assert Order.model_validate(ORDER | changes).total == Decimal(str(changes["total"]))


@pytest.mark.requirement("R40")
@given(
    st.lists(st.decimals("-9999.99", "9999.99", places=2), min_size=1, max_size=5),
    st.decimals("-9.99", "9.99", places=4),
)
def test_amounts_are_compared_to_their_last_digit(totals: list[Decimal], difference: Decimal) -> None:
    lines = [LINE | {"external_id": str(number), "line_total": total} for number, total in enumerate(totals)]
    total = sum(totals, difference)
    order = Order.model_validate(ORDER | {"lines": lines, "difference": difference, "total": total})
    assert order.total == total
    with pytest.raises(ValidationError):
        Order.model_validate(ORDER | {"lines": lines, "difference": difference, "total": total + Decimal("0.0001")})


@pytest.mark.requirement("R44")
def test_an_order_without_lines_is_refused() -> None:
    assert refused(Order, lines=[], total="0") == "Value error, order '#1001' has no lines"


@pytest.mark.requirement("R44")
def test_a_line_named_twice_is_refused() -> None:
    assert refused(Order, lines=[LINE, LINE], total="40.00") == "Value error, order '#1001' names a line twice"


@pytest.mark.parametrize("units", [0, -1, 1.5, "2", True])
def test_a_line_is_for_at_least_one_whole_unit(units: object) -> None:
    refused(OrderLine, units=units)


def test_a_line_cancels_at_most_what_was_ordered() -> None:
    assert OrderLine.model_validate(LINE | {"units_canceled": 2}).units_canceled == 2
    assert refused(OrderLine, units_canceled=3) == "Value error, line '1' cancels 3 of 2"
    assert refused(OrderLine, units_canceled=-1) == "Input should be greater than or equal to 0"


@pytest.mark.parametrize("changes", [{"external_id": ""}, {"listing_external_id": ""}])
def test_a_line_names_itself_and_its_listing(changes: dict[str, object]) -> None:
    refused(OrderLine, **changes)


@pytest.mark.requirement("R25")
@pytest.mark.parametrize("field", ["placed_at", "updated_at"])
def test_an_order_whose_time_has_no_zone_is_refused(field: str) -> None:
    assert refused(Order, **{field: "2026-03-02T10:00:00"}).startswith("Value error, a time needs its zone")


@pytest.mark.parametrize("state", ["shipped", "OPEN", "", None])
def test_an_unknown_state_is_refused(state: object) -> None:
    refused(Order, state=state)


def test_a_field_nobody_declared_is_refused() -> None:
    assert refused(Order, note="hello") == "Extra inputs are not permitted"


@pytest.mark.requirement("R45")
@pytest.mark.parametrize("method", [DeliveryMethod.PICKUP, DeliveryMethod.HANDED_OVER])
def test_what_is_handed_over_at_a_place_names_the_place(method: DeliveryMethod) -> None:
    with pytest.raises(ValidationError, match=f"delivery by {method} needs its stock point"):
        Delivery(method=method)
    assert Delivery(method=method, stock_point="counter").stock_point == "counter"


@pytest.mark.requirement("R38")
def test_a_return_needs_no_order_but_its_lines_need_units() -> None:
    line = {"external_id": "1", "listing_external_id": "L-1", "units": 1, "restocked": False}
    said = {"channel": "shop", "external_id": "r", "occurred_at": "2026-03-02T10:00:00Z", "lines": [line]}
    assert Return.model_validate(said).order is None
    with pytest.raises(ValidationError):
        Return.model_validate(said | {"lines": [line | {"units": 0}]})
