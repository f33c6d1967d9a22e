"""What the Shopify connector tells the emulated shop about orders."""

from datetime import timedelta
from decimal import Decimal

import pytest

from connectors.errors import NoAnswerError, RefusedError
from connectors.transport import HttpRequest, HttpResponse
from schemas.orders import OrderState
from simulation.platform import BasketLine
from simulation.platforms.shopify_api import Rate
from tests.connectors.conformance import START, Rig
from tests.connectors.test_shopify import (
    NORTH,
    bought,
    connection,
    graphql,
    make_rig,
    notice,
    parcel_of,
    places_request,
    polled,
    shipment,
    shop,
)


def test_a_shipment_is_told_once() -> None:
    rig = make_rig()
    order = bought(rig, ("SKU-001", 3), ("SKU-002", 1))
    lines = [line.external_id for line in polled(rig, order)[0].lines]
    hub = connection(rig)
    for _ in range(3):
        hub.push_shipment(shipment(order, {lines[0]: 2}, "S1", parcel_of("T1")))
    assert rig.emulator.shipped() == {order: 2}
    assert shop(rig).committed("SKU-001", NORTH) == 1
    assert rig.emulator.requests_by_operation()["fulfillmentCreate"] == 1


@pytest.mark.requirement("R26")
def test_a_shipments_notice_leaves_half_of_the_budget_to_orders_and_numbers() -> None:
    rig = make_rig(rate=Rate(maximum_points=2000, restored_per_second=100))
    order = bought(rig, ("SKU-001", 3))
    line = polled(rig, order)[0].lines[0].external_id
    hub = connection(rig)
    while (
        shop(rig).handle(places_request(), START).json()["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"]
        > 900
    ):
        pass  # others of the same app spend
    list(hub.pull_orders(START))
    assert rig.clock.now() == START, "orders are heard at once"
    hub.push_shipment(shipment(order, {line: 1}))
    assert rig.clock.now() - START > timedelta(seconds=1)


def to_fetch(rig: Rig, *basket: tuple[str, int]) -> tuple[str, list[str]]:
    """An order that its customer picks up, and its lines."""
    order = bought(rig, *basket)
    shop(rig)._shop.orders[int(order)].fulfillment_orders[0].method = "PICK_UP"
    return order, [line.external_id for line in polled(rig, order)[0].lines]


def is_prepared(rig: Rig, order: str) -> list[bool]:
    return [one.is_prepared for one in shop(rig)._shop.orders[int(order)].fulfillment_orders]


def test_a_pickup_that_is_ready_is_told_once_and_only_when_all_of_it_is() -> None:
    rig = make_rig()
    order, lines = to_fetch(rig, ("SKU-001", 3), ("SKU-002", 1))
    hub = connection(rig)
    assert not hub.push_ready(notice(order, {lines[0]: 3}))
    assert not hub.push_ready(notice(order, {lines[0]: 2, lines[1]: 1}))
    assert is_prepared(rig, order) == [False]
    whole = notice(order, {lines[0]: 3, lines[1]: 1})
    assert [hub.push_ready(whole) for _ in range(2)] == [True, True], (
        "what it was told before it refuses as nothing new"
    )
    assert is_prepared(rig, order) == [True]
    hub.push_shipment(shipment(order, {lines[0]: 3, lines[1]: 1}))
    asked = rig.emulator.requests_by_operation()["fulfillmentOrderLineItemsPreparedForPickup"]
    assert hub.push_ready(whole), "it was fetched since"
    assert rig.emulator.requests_by_operation()["fulfillmentOrderLineItemsPreparedForPickup"] == asked == 2


def test_a_ready_notice_without_an_answer_is_told_again_without_a_second_effect() -> None:
    rig = make_rig()
    order, lines = to_fetch(rig, ("SKU-001", 1))

    def deaf(request: HttpRequest) -> HttpResponse:
        answer = rig.wire(request)
        if b"PreparedForPickup" in request.body:
            raise NoAnswerError("cut")
        return answer

    with pytest.raises(NoAnswerError):
        connection(rig, deaf).push_ready(notice(order, {lines[0]: 1}))
    assert connection(rig).push_ready(notice(order, {lines[0]: 1}))
    assert is_prepared(rig, order) == [True]


def test_what_is_no_pickup_or_is_on_hold_is_refused() -> None:
    rig = make_rig()
    order = bought(rig, ("SKU-001", 1))
    line = polled(rig, order)[0].lines[0].external_id
    with pytest.raises(RefusedError, match="is not for pickup there"):
        connection(rig).push_ready(notice(order, {line: 1}))
    held, lines = to_fetch(rig, ("SKU-002", 1))
    shop(rig)._shop.orders[int(held)].fulfillment_orders[0].status = "ON_HOLD"
    with pytest.raises(RefusedError, match="on hold or scheduled"):
        connection(rig).push_ready(notice(held, {lines[0]: 1}))
    with pytest.raises(RefusedError, match="knows no order"):
        connection(rig).push_ready(notice("99999999", {line: 1}))


def test_a_refusal_of_shopifys_own_is_a_refusal() -> None:
    rig = make_rig()
    order, lines = to_fetch(rig, ("SKU-001", 1))

    def refusing(request: HttpRequest) -> HttpResponse:
        if b"PreparedForPickup" not in request.body:
            return rig.wire(request)
        error = {"field": None, "message": "Invalid fulfillment order", "code": "FULFILLMENT_ORDER_INVALID"}
        return graphql(data={"fulfillmentOrderLineItemsPreparedForPickup": {"userErrors": [error]}})

    with pytest.raises(RefusedError, match="Invalid fulfillment order"):
        connection(rig, refusing).push_ready(notice(order, {lines[0]: 1}))
    assert is_prepared(rig, order) == [False]


def test_two_equal_shipments_without_a_parcel_are_two() -> None:
    rig = make_rig()
    order = bought(rig, ("SKU-001", 4))
    line = polled(rig, order)[0].lines[0].external_id
    hub = connection(rig)
    for id_ in ("S1", "S1", "S2", "S2"):
        hub.push_shipment(shipment(order, {line: 2}, id_))
    assert rig.emulator.shipped() == {order: 4}
    assert rig.emulator.requests_by_operation()["fulfillmentCreate"] == 2
    assert polled(rig, order)[0].state is OrderState.COMPLETED


def test_a_shipment_without_an_answer_is_found_again() -> None:
    rig = make_rig()
    order = bought(rig, ("SKU-001", 4))
    line = polled(rig, order)[0].lines[0].external_id

    def deaf(request: HttpRequest) -> HttpResponse:
        answer = rig.wire(request)
        if b"fulfillmentCreate" in request.body:
            raise NoAnswerError("cut")
        return answer

    with pytest.raises(NoAnswerError):
        connection(rig, deaf).push_shipment(shipment(order, {line: 2}))
    connection(rig).push_shipment(shipment(order, {line: 2}))
    assert rig.emulator.shipped() == {order: 2}


def test_units_waiting_at_other_locations_are_fulfilled_there() -> None:
    rig = make_rig()
    order = bought(rig, ("SKU-001", 4))
    of = shop(rig)._shop.orders[int(order)]
    [waiting] = of.fulfillment_orders
    line = of.lines[0].id
    moved = type(waiting)(id=90001, place=502, lines={line: 90002}, totals={line: 3}, remaining={line: 3})
    waiting.remaining[line] = 1
    of.fulfillment_orders.append(moved)
    shop(rig)._shop.levels[of.lines[0].variant.item, 502].committed = 3
    connection(rig).push_shipment(shipment(order, {str(line): 4}, "S1", parcel_of("T1")))
    assert rig.emulator.shipped() == {order: 4}
    assert [(one.place, one.units) for one in of.fulfillments] == [(501, {line: 1}), (502, {line: 3})]
    assert rig.emulator.requests_by_operation()["fulfillmentCreate"] == 2


@pytest.mark.parametrize(
    ("units", "line", "told"),
    [(3, None, 3), (1, "77", 1)],
)
def test_units_that_do_not_wait_are_refused_once_the_others_are_fulfilled(
    units: int, line: str | None, told: int
) -> None:
    rig = make_rig()
    order = bought(rig, ("SKU-001", 3), ("SKU-002", 1))
    lines = [one.external_id for one in polled(rig, order)[0].lines]
    rig.emulator.cancel(order, [BasketLine("SKU-001", 1)], rig.clock.now())
    refused = f"has 1 units of line '{line or lines[0]}' that Shopify has canceled, refunded or never sold"
    for _ in range(2):
        with pytest.raises(RefusedError, match=refused):
            connection(rig).push_shipment(shipment(order, {line or lines[0]: units, lines[1]: 1}))
        assert rig.emulator.shipped() == {order: told}


def test_units_on_hold_are_refused() -> None:
    rig = make_rig()
    order = bought(rig, ("SKU-001", 1))
    of = shop(rig)._shop.orders[int(order)]
    of.fulfillment_orders[0].status = "ON_HOLD"
    with pytest.raises(RefusedError, match="on hold or scheduled"):
        connection(rig).push_shipment(shipment(order, {str(of.lines[0].id): 1}))
    assert rig.emulator.shipped() == {}


def test_units_that_somebody_fulfilled_on_shopify_are_told_already() -> None:
    rig = make_rig()
    order = bought(rig, ("SKU-001", 2))
    line = polled(rig, order)[0].lines[0].external_id
    connection(rig).push_shipment(shipment(order, {line: 2}, "by hand"))
    connection(rig).push_shipment(shipment(order, {line: 2}, "S1", parcel_of("T1")))
    assert rig.emulator.shipped() == {order: 2}


def test_an_order_that_is_none_is_refused() -> None:
    rig = make_rig()
    for order in ("999999", "#1001"):
        with pytest.raises(RefusedError, match="order"):
            connection(rig).push_shipment(shipment(order, {"1": 1}))
        with pytest.raises(RefusedError, match="order"):
            connection(rig).push_cancellation(order, {"1": 1})


# canceling


def test_a_whole_order_is_canceled_and_its_job_waited_for() -> None:
    rig = make_rig()
    order = bought(rig, ("SKU-001", 3), ("SKU-002", 1))
    lines = polled(rig, order)[0].lines
    everything = {line.external_id: line.units for line in lines}
    hub = connection(rig)
    hub.push_cancellation(order, everything)
    hub.push_cancellation(order, everything)
    stated, returns = polled(rig, order)
    assert stated.state is OrderState.CANCELED
    assert [(line.units, line.units_canceled) for line in stated.lines] == [(3, 3), (1, 1)]
    assert returns == []
    assert rig.emulator.shelf()["SKU-001", NORTH] == 0  # nothing is shown that cannot be delivered
    assert shop(rig).committed("SKU-001", NORTH) == 0
    assert rig.emulator.requests_by_operation()["orderCancel"] == 1
    assert shop(rig)._shop.orders[int(order)].financial_status == "REFUNDED"


def test_some_units_are_refunded_once() -> None:
    rig = make_rig()
    order = bought(rig, ("SKU-001", 3), ("SKU-002", 1))
    line = polled(rig, order)[0].lines[0].external_id
    hub = connection(rig)
    for _ in range(2):
        hub.push_cancellation(order, {line: 2})
    stated, returns = polled(rig, order)
    assert [(one.units, one.units_canceled) for one in stated.lines] == [(3, 2), (1, 0)]
    assert returns == []
    assert stated.state is OrderState.OPEN
    [refund] = shop(rig)._shop.orders[int(order)].refunds
    assert refund.amount == Decimal("2.70")
    assert (rig.emulator.shelf()["SKU-001", NORTH], shop(rig).committed("SKU-001", NORTH)) == (0, 1)
    hub.push_cancellation(order, {line: 3})
    assert polled(rig, order)[0].lines[0].units_canceled == 3


def test_the_money_stays_where_the_account_wants_it_so() -> None:
    rig = make_rig(refund_canceled_units=False)
    order = bought(rig, ("SKU-001", 3))
    line = polled(rig, order)[0].lines[0].external_id
    connection(rig).push_cancellation(order, {line: 1})
    [refund] = shop(rig)._shop.orders[int(order)].refunds
    assert refund.amount == 0
    assert polled(rig, order)[0].lines[0].units_canceled == 1


def test_unsent_units_of_a_line_that_left_in_part_are_canceled_not_the_sent_ones() -> None:
    rig = make_rig()
    order = bought(rig, ("SKU-001", 3))
    line = polled(rig, order)[0].lines[0].external_id
    hub = connection(rig)
    hub.push_shipment(shipment(order, {line: 1}))
    hub.push_cancellation(order, {line: 2})
    stated, returns = polled(rig, order)
    assert (stated.state, stated.lines[0].units_canceled, returns) == (OrderState.COMPLETED, 2, [])
    # Only CANCEL names unsent units, and CANCEL restocks.
    assert (rig.emulator.shelf()["SKU-001", NORTH], shop(rig).committed("SKU-001", NORTH)) == (2, 0)


def test_a_refund_without_an_answer_is_made_once() -> None:
    rig = make_rig()
    order = bought(rig, ("SKU-001", 3))
    line = polled(rig, order)[0].lines[0].external_id

    def deaf(request: HttpRequest) -> HttpResponse:
        answer = rig.wire(request)
        if b"refundCreate" in request.body:
            raise NoAnswerError("cut")
        return answer

    with pytest.raises(NoAnswerError):
        connection(rig, deaf).push_cancellation(order, {line: 1})
    connection(rig).push_cancellation(order, {line: 1})
    assert polled(rig, order)[0].lines[0].units_canceled == 1
    assert len(shop(rig)._shop.orders[int(order)].refunds) == 1


@pytest.mark.parametrize("lines", [{"77": 1}, {"first": 3}, {"first": 4}])
def test_what_cannot_be_canceled_is_refused_and_nothing_is_done(lines: dict[str, int]) -> None:
    rig = make_rig()
    order = bought(rig, ("SKU-001", 3))
    line = polled(rig, order)[0].lines[0].external_id
    hub = connection(rig)
    hub.push_shipment(shipment(order, {line: 1}))
    with pytest.raises(RefusedError):
        hub.push_cancellation(order, {line if name == "first" else name: units for name, units in lines.items()})
    assert shop(rig)._shop.orders[int(order)].refunds == []


def test_a_job_that_does_not_end_is_told_as_unknown() -> None:
    rig = make_rig()
    order = bought(rig, ("SKU-001", 1))
    line = polled(rig, order)[0].lines[0].external_id

    def slow(request: HttpRequest) -> HttpResponse:
        if b"query Job(" in request.body:
            return graphql(data={"job": {"id": "gid://shopify/Job/1", "done": False}})
        return rig.wire(request)

    with pytest.raises(NoAnswerError, match="still canceling"):
        connection(rig, slow).push_cancellation(order, {line: 1})
