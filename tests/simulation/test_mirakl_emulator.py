"""The emulated marketplace by itself: what shoppers see, what takes its time, what is refused."""

import json
from datetime import timedelta
from typing import Any

import pytest

from connectors.transport import HttpRequest, HttpResponse
from simulation.platform import BasketLine, ShelfCause
from simulation.platforms.mirakl import MiraklEmulator
from simulation.platforms.mirakl_orders import State
from tests.connectors.conformance import START
from tests.connectors.mirakl_contract import SHOPPER, MiraklRig, contract, make_checked_rig

KEY = {"authorization": "mirakl-key-1f3d"}
JSON = {**KEY, "content-type": "application/json"}
UPLOAD = {**KEY, "content-type": "multipart/form-data; boundary=b"}
HEAD = '"offer-sku";"quantity";"warehouse-code";"update-delete"\n'


@pytest.fixture
def rig() -> MiraklRig:
    return make_checked_rig()


def get(rig: MiraklRig, path: str) -> HttpResponse:
    return rig.wire(HttpRequest("GET", path, KEY))


def put(rig: MiraklRig, path: str, content: object = None) -> HttpResponse:
    if content is None:
        return rig.wire(HttpRequest("PUT", path, KEY))
    return rig.wire(HttpRequest("PUT", path, JSON, json.dumps(content).encode()))


def send_file(rig: MiraklRig, rows: str) -> HttpResponse:
    body = f'--b\r\nContent-Disposition: form-data; name="file"; filename="s.csv"\r\n\r\n{rows}\r\n--b--\r\n'
    return rig.wire(HttpRequest("POST", "/api/offers/stock/imports", UPLOAD, body.encode()))


def upload(rig: MiraklRig, rows: str) -> str:
    answer = send_file(rig, rows)
    assert answer.status == 201
    return str(answer.json()["import_id"])


def ordered(rig: MiraklRig, *lines: tuple[str, int]) -> str:
    bought = rig.emulator.buy([BasketLine(*line) for line in lines], SHOPPER, "account", rig.clock.now())
    assert bought.order_id is not None
    return bought.order_id


def accept(rig: MiraklRig, order_id: str, *decisions: bool) -> HttpResponse:
    lines = [{"id": f"{order_id}-{index}", "accepted": said} for index, said in enumerate(decisions, start=1)]
    return put(rig, f"/api/orders/{order_id}/accept", {"order_lines": lines})


def shown(rig: MiraklRig, order_id: str) -> dict[str, Any]:
    [order] = get(rig, f"/api/orders?order_ids={order_id}").json()["orders"]
    assert isinstance(order, dict)
    return order


def units(rig: MiraklRig, sku: str) -> int:
    return rig.emulator.shelf()[sku, "account"]


def code(answer: HttpResponse) -> tuple[int, str]:
    return answer.status, answer.json()["code"]


def test_a_purchase_takes_units_at_once_and_only_what_is_there(rig: MiraklRig) -> None:
    bought = rig.emulator.buy(
        [BasketLine("SKU-001", 12), BasketLine("SKU-002", 1)], SHOPPER, "account", rig.clock.now()
    )
    assert bought.lines == (BasketLine("SKU-001", 10), BasketLine("SKU-002", 1))
    assert bought.refused == (BasketLine("SKU-001", 2),)
    assert (units(rig, "SKU-001"), units(rig, "SKU-002")) == (0, 9)
    nothing = rig.emulator.buy([BasketLine("SKU-001", 1)], SHOPPER, "account", rig.clock.now())
    assert (nothing.order_id, nothing.lines, nothing.refused) == (None, (), (BasketLine("SKU-001", 1),))
    assert [change.units for change in rig.emulator.shelf_log if change.sku == "SKU-001"] == [0, 10, 0]


def test_there_is_one_stock_point() -> None:
    with pytest.raises(ValueError, match="one stock point"):
        MiraklEmulator().load([], ["account", "other"], START)
    with pytest.raises(ValueError, match="no stock point 'other'"):
        make_checked_rig().emulator.set_shelf("SKU-001", "other", 1, START)


def test_an_import_lands_after_its_time_over_whatever_shoppers_did(rig: MiraklRig) -> None:
    receipt = upload(rig, HEAD + '"SKU-001";"7";"";""\n')
    status = f"/api/offers/stock/imports/{receipt}/status"
    assert get(rig, status).json()["status"] == "WAITING"
    ordered(rig, ("SKU-001", 2))
    rig.clock.advance(15)
    assert get(rig, status).json()["status"] == "RUNNING"
    assert units(rig, "SKU-001") == 8
    rig.clock.advance(15)
    done = get(rig, status).json()
    assert (done["status"], done["has_error_report"]) == ("COMPLETE", False)
    assert (done["lines_in_success"], done["lines_in_error"]) == (1, 0)
    assert units(rig, "SKU-001") == 7
    last = rig.emulator.shelf_log[-1]
    assert (last.cause, last.at) == (ShelfCause.WRITTEN, START + timedelta(seconds=20))


def test_an_import_takes_a_configurable_time() -> None:
    rig = make_checked_rig(import_seconds=300)
    upload(rig, HEAD + '"SKU-001";"7"\n')
    rig.emulator.advance(START + timedelta(seconds=299))
    assert units(rig, "SKU-001") == 10
    rig.emulator.advance(START + timedelta(seconds=300))
    assert units(rig, "SKU-001") == 7


def test_a_debit_takes_a_configurable_time() -> None:
    rig = make_checked_rig(debit_seconds=600)
    order_id = ordered(rig, ("SKU-001", 2))
    accept(rig, order_id, True)
    rig.clock.advance(599)
    assert shown(rig, order_id)["order_state"] == "WAITING_DEBIT_PAYMENT"
    rig.clock.advance(1)
    assert shown(rig, order_id)["order_state"] == "SHIPPING"


def test_bad_rows_are_reported_and_the_others_land(rig: MiraklRig) -> None:
    rows = '"NOPE";"1"\n"SKU-001";"-1"\n"SKU-002";"2.5"\n"SKU-003";""\n"SKU-004";"1000000001"\n"SKU-005";"4"\n'
    receipt = upload(rig, HEAD + rows)
    rig.clock.advance(20)
    assert get(rig, f"/api/offers/stock/imports/{receipt}/status").json()["lines_in_error"] == 5
    report = get(rig, f"/api/offers/stock/imports/{receipt}/error_report").body.decode().splitlines()
    assert report[0] == '"error-line";"error-message";"offer-sku";"quantity";"warehouse-code";"update-delete"'
    assert [line.split(";")[:3] for line in report[1:]] == [
        ['"2"', '"The offer-sku does not exist"', '"NOPE"'],
        ['"3"', '"The quantity is not valid"', '"SKU-001"'],
        ['"4"', '"The quantity is not valid"', '"SKU-002"'],
        ['"5"', '"The quantity is not valid"', '"SKU-003"'],
        ['"6"', '"The quantity is not valid"', '"SKU-004"'],
    ]
    assert [units(rig, f"SKU-00{number}") for number in range(1, 6)] == [10, 10, 10, 10, 4]


def test_a_file_that_is_no_stock_file_fails_whole(rig: MiraklRig) -> None:
    receipt = upload(rig, '"sku";"price"\n"SKU-001";"7"\n')
    rig.clock.advance(20)
    assert get(rig, f"/api/offers/stock/imports/{receipt}/status").json()["status"] == "FAILED"
    assert units(rig, "SKU-001") == 10
    assert code(get(rig, f"/api/offers/stock/imports/{receipt}/error_report")) == (404, "REPORT_NOT_FOUND")


def test_a_call_before_its_time_is_told_how_long_to_wait(rig: MiraklRig) -> None:
    upload(rig, HEAD + '"SKU-001";"7"\n')
    rig.clock.advance(18)
    again = send_file(rig, HEAD + '"SKU-001";"8"\n')
    assert (again.status, again.headers["retry-after"]) == (429, "42")
    assert rig.emulator.requests_by_operation() == {"STO01": 2}
    assert get(rig, "/api/orders?max=1").status == 200
    assert get(rig, "/api/orders?max=1&offset=1").status == 200
    assert get(rig, "/api/orders?order_ids=x").status == 200
    rig.clock.advance(59.5)
    assert get(rig, "/api/orders?max=1").headers["retry-after"] == "1"
    rig.clock.advance(0.5)
    assert get(rig, "/api/orders?max=1").status == 200


def test_an_external_partner_waits_longer_for_orders() -> None:
    rig = make_checked_rig(is_external_partner=True)
    assert get(rig, "/api/orders").status == 200
    rig.clock.advance(60)
    assert get(rig, "/api/orders").headers["retry-after"] == "840"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/orders?max=101", 400),
        ("/api/orders?max=0", 400),
        ("/api/orders?offset=-1", 400),
        ("/api/offers/stock/imports/7/status", 404),
        ("/api/account?shop_id=1", 403),
    ],
)
def test_what_is_not_allowed(rig: MiraklRig, path: str, status: int) -> None:
    assert get(rig, path).status == status


def test_only_the_shops_own_key_opens_it(rig: MiraklRig) -> None:
    for headers in ({}, {"authorization": "Bearer mirakl-key-1f3d"}):
        assert rig.wire(HttpRequest("GET", "/api/account", headers)).status == 401
    assert rig.emulator.handle(HttpRequest("POST", "/api/offers", JSON, b"{}"), START).status == 404


def test_an_accepted_order_is_debited_by_itself_and_only_then_has_an_address(rig: MiraklRig) -> None:
    order_id = ordered(rig, ("SKU-001", 2))
    assert shown(rig, order_id)["customer"]["shipping_address"] is None
    assert accept(rig, order_id, True).status == 204
    states = []
    for _ in range(3):
        order = shown(rig, order_id)
        states.append((order["order_state"], order["customer"]["shipping_address"] is None, order["can_cancel"]))
        rig.clock.advance(15)
    assert states == [
        ("WAITING_DEBIT", True, True),
        ("WAITING_DEBIT_PAYMENT", True, True),
        ("SHIPPING", False, False),
    ]
    assert shown(rig, order_id)["customer_debited_date"] == "2026-03-02T09:00:30Z"
    assert shown(rig, order_id)["last_updated_date"] == "2026-03-02T09:00:30Z"


def test_acceptance_must_name_every_line_once(rig: MiraklRig) -> None:
    order_id = ordered(rig, ("SKU-001", 2), ("SKU-002", 1))
    path = f"/api/orders/{order_id}/accept"
    one, other = {"id": f"{order_id}-1", "accepted": True}, {"id": f"{order_id}-2", "accepted": False}
    for lines, why in (
        ([one], "ORDER_LINE_ACCEPTANCE_DECISION_MISSING"),
        ([one, one], "ORDER_LINE_DUPLICATE_ID"),
        ([one, {"id": "x", "accepted": True}], "ORDER_LINE_NOT_FOUND"),
    ):
        assert code(put(rig, path, {"order_lines": lines})) == (400, why)
    assert rig.emulator.orders[order_id].state is State.WAITING_ACCEPTANCE
    assert put(rig, path, {"order_lines": [one, other]}).status == 204
    assert code(put(rig, path, {"order_lines": [one, other]})) == (400, "ORDER_INVALID_STATE")
    assert code(put(rig, "/api/orders/x/accept", {"order_lines": [one]})) == (404, "ORDER_NOT_FOUND")
    assert (units(rig, "SKU-001"), units(rig, "SKU-002")) == (8, 10)


def test_a_refused_order_puts_its_units_back_and_keeps_its_price(rig: MiraklRig) -> None:
    order_id = ordered(rig, ("SKU-001", 2))
    accept(rig, order_id, False)
    order = shown(rig, order_id)
    assert (order["order_state"], order["order_lines"][0]["order_line_state"]) == ("REFUSED", "REFUSED")
    assert order["price"] == 3.98
    assert units(rig, "SKU-001") == 10
    assert rig.emulator.shelf_log[-1].cause is ShelfCause.CANCELED
    rig.clock.advance(600)
    assert shown(rig, order_id)["order_state"] == "REFUSED"


@pytest.mark.parametrize(("canceled", "state"), [(2, "CANCELED"), (1, "REFUSED")])
def test_units_canceled_before_the_seller_answers_go_back_on_the_shelf_once(
    rig: MiraklRig, canceled: int, state: str
) -> None:
    order_id = ordered(rig, ("SKU-001", 2), ("SKU-002", 1))
    assert rig.emulator.cancel(order_id, [BasketLine("SKU-001", canceled)], rig.clock.now()) is True
    assert units(rig, "SKU-001") == 8 + canceled
    accept(rig, order_id, False, True)
    assert [line["order_line_state"] for line in shown(rig, order_id)["order_lines"]] == [state, "WAITING_DEBIT"]
    assert units(rig, "SKU-001") == 10


def test_the_customer_takes_units_off_until_the_order_has_left(rig: MiraklRig) -> None:
    order_id = ordered(rig, ("SKU-001", 3), ("SKU-002", 1))
    accept(rig, order_id, True, True)
    rig.clock.advance(30)
    assert rig.emulator.cancel(order_id, [BasketLine("SKU-001", 4)], rig.clock.now()) is False
    assert rig.emulator.cancel(order_id, [BasketLine("SKU-009", 1)], rig.clock.now()) is False
    assert units(rig, "SKU-001") == 7
    assert rig.emulator.cancel(order_id, [BasketLine("SKU-001", 1)], rig.clock.now()) is True
    order = shown(rig, order_id)
    [canceled] = order["order_lines"][0]["cancelations"]
    assert (canceled["quantity"], canceled["amount"], order["order_lines"][0]["price"]) == (1, 1.99, 3.98)
    assert (order["order_lines"][0]["quantity"], units(rig, "SKU-001")) == (3, 8)
    assert put(rig, f"/api/orders/{order_id}/ship").status == 204
    assert rig.emulator.shipped() == {order_id: 3}
    assert rig.emulator.cancel(order_id, [], rig.clock.now()) is False
    assert units(rig, "SKU-001") == 8


def test_a_whole_order_is_canceled(rig: MiraklRig) -> None:
    order_id = ordered(rig, ("SKU-001", 3), ("SKU-002", 1))
    assert rig.emulator.cancel(order_id, [], rig.clock.now()) is True
    assert shown(rig, order_id)["order_state"] == "CANCELED"
    assert (units(rig, "SKU-001"), units(rig, "SKU-002")) == (10, 10)
    assert accept(rig, order_id, True, True).status == 400


def test_an_order_ships_once_and_only_after_its_debit(rig: MiraklRig) -> None:
    order_id = ordered(rig, ("SKU-001", 1))
    accept(rig, order_id, True)
    tracking = {"carrier_code": "UPS", "tracking_number": "1Z"}
    assert code(put(rig, f"/api/orders/{order_id}/tracking", tracking)) == (400, "ORDER_INVALID_STATE")
    assert code(put(rig, f"/api/orders/{order_id}/ship")) == (400, "ORDER_INVALID_STATE")
    rig.clock.advance(30)
    for wrong in ({"carrier_code": "PIGEON"}, {"tracking_number": "1Z"}):
        assert code(put(rig, f"/api/orders/{order_id}/tracking", wrong)) == (400, "VALIDATION_ERROR")
    assert put(rig, f"/api/orders/{order_id}/tracking", tracking).status == 204
    assert put(rig, f"/api/orders/{order_id}/ship").status == 204
    assert code(put(rig, f"/api/orders/{order_id}/ship")) == (400, "ORDER_INVALID_STATE")
    order = shown(rig, order_id)
    assert (order["order_state"], order["shipping_carrier_code"], order["shipping_tracking"]) == (
        "SHIPPED",
        "UPS",
        "1Z",
    )


def test_cancelations_before_the_debit_and_refunds_after_it(rig: MiraklRig) -> None:
    order_id = ordered(rig, ("SKU-001", 2))
    entry = {
        "order_line_id": f"{order_id}-1",
        "quantity": 1,
        "amount": 1.99,
        "shipping_amount": 0,
        "reason_code": "34",
        "taxes": [],
    }
    cancel, refund = {"cancelations": [entry]}, {"refunds": [{**entry, "reason_code": "15"}]}
    assert code(put(rig, "/api/orders/cancel", cancel)) == (400, "ORDER_INVALID_STATE")
    accept(rig, order_id, True)
    assert code(put(rig, "/api/orders/refund", refund)) == (400, "ORDER_INVALID_STATE")
    for wrong in ({"quantity": 3}, {"amount": 4}, {"shipping_amount": 5}, {"reason_code": "15"}):
        assert code(put(rig, "/api/orders/cancel", {"cancelations": [{**entry, **wrong}]})) == (400, "VALIDATION_ERROR")
    assert units(rig, "SKU-001") == 8
    assert put(rig, "/api/orders/cancel", cancel).status == 200
    assert units(rig, "SKU-001") == 9
    rig.clock.advance(30)
    assert code(put(rig, "/api/orders/cancel", cancel)) == (400, "ORDER_INVALID_STATE")
    refund["refunds"][0]["excluded_from_shipment"] = True
    assert put(rig, "/api/orders/refund", refund).status == 200
    assert (units(rig, "SKU-001"), shown(rig, order_id)["order_state"]) == (10, "CLOSED")
    assert code(put(rig, f"/api/orders/{order_id}/ship")) == (400, "ORDER_INVALID_STATE")


def test_goods_that_come_back_do_not_touch_the_shelf(rig: MiraklRig) -> None:
    order_id = ordered(rig, ("SKU-001", 2))
    accept(rig, order_id, True)
    rig.clock.advance(30)
    put(rig, f"/api/orders/{order_id}/ship")
    external_id = rig.emulator.give_back(order_id, [BasketLine("SKU-001", 1)], "account", rig.clock.now())
    [back] = get(rig, "/api/returns").json()["data"]
    assert (f"return:{back['id']}", back["state"], back["return_lines"][0]["quantity"]) == (external_id, "RECEIVED", 1)
    assert (units(rig, "SKU-001"), rig.emulator.shipped()) == (8, {order_id: 2})
    with pytest.raises(ValueError, match="no return without an order"):
        rig.emulator.give_back(None, [], "account", rig.clock.now())


def test_sellers_hear_nothing_by_themselves(rig: MiraklRig) -> None:
    ordered(rig, ("SKU-001", 2))
    assert rig.emulator.due_webhooks(START + timedelta(days=1)) == []
    with pytest.raises(ValueError, match="sends sellers nothing"):
        rig.emulator.delivered("1", 200, START)


def test_everything_the_emulator_knows_is_in_the_contract(rig: MiraklRig) -> None:
    assert get(rig, "/api/account").json()["shop_state"] == "OPEN"
    assert get(rig, "/api/reasons/REFUND").json()["total_count"] == 2
    page = get(rig, "/api/offers?sku=SKU-001").json()
    assert (page["total_count"], page["offers"][0]["offer_id"]) == (1, 2003)
    with pytest.raises(AssertionError, match="no GET /api/nothing"):
        contract().check_request(HttpRequest("GET", "/api/nothing", KEY))
