"""The Mirakl connector against its emulator; every call is held against the seller contract."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import mirakl
from connectors.errors import (
    ContractError,
    CredentialsError,
    NoAnswerError,
    RefusedError,
    ScopeError,
    ThrottledError,
    UnavailableError,
)
from connectors.mirakl_api import rows_of
from connectors.mirakl_stock import report_reasons, stock_file
from connectors.records import ChannelConnection, Page
from connectors.transport import HttpRequest, HttpResponse, Send
from mappings.errors import UnreadableDocumentError
from schemas.documents import RawDocument
from schemas.fulfillment import FulfillmentLine, Parcel, Shipment
from schemas.levels import LevelAnswer, LevelKey, LevelReading, LevelWrite, WriteOutcome
from schemas.orders import Order, OrderState, Return
from schemas.publications import ChannelListing, ChannelPlace
from schemas.stock import StockObservation
from simulation.platform import BasketLine
from simulation.platforms.mirakl_orders import State
from tests.connectors.conformance import START, Rig
from tests.connectors.mirakl_contract import SHOPPER, TRANSLATION, MiraklRig, make_checked_rig

SINCE = START - timedelta(hours=1)
# The transport names the first wait as older releases of tenacity did.
RETRIES = pytest.mark.filterwarnings("ignore:The 'initial' parameter is deprecated:DeprecationWarning")


def make_rig() -> Rig:
    """For the shared suite; ceilings are kept by waiting on the rig's clock."""
    return make_checked_rig(is_checked=False)


@pytest.fixture
def rig() -> MiraklRig:
    return make_checked_rig()


def key(sku: str, stock_point: str = "account") -> LevelKey:
    return LevelKey(sku, stock_point)


def write(sku: str, units: int) -> LevelWrite:
    return LevelWrite(key(sku), units)


def documents(pages: Iterator[Page]) -> list[RawDocument]:
    return [document for page in pages for document in page.documents]


def ordered(rig: MiraklRig, *lines: tuple[str, int]) -> str:
    bought = rig.emulator.buy([BasketLine(*line) for line in lines], SHOPPER, "account", rig.clock.now())
    assert bought.order_id is not None
    return bought.order_id


def accepted(rig: MiraklRig, *lines: tuple[str, int], seconds: float = 0.0) -> str:
    order_id = ordered(rig, *lines)
    decisions = {line.line_id: True for line in rig.emulator.orders[order_id].lines}
    rig.connect().accept_order(order_id, decisions)
    rig.clock.advance(seconds)
    return order_id


def open_order(rig: MiraklRig, *lines: tuple[str, int]) -> str:
    return accepted(rig, *lines, seconds=30)


def heard(rig: MiraklRig, order_id: str) -> Order:
    facts = rig.facts(rig.connect(), SINCE)
    return next(fact for fact in facts if isinstance(fact, Order) and fact.external_id == order_id)


def shipment(order_id: str, *, completes_order: bool = True, parcel: Parcel | None = None) -> Shipment:
    return Shipment(
        external_id="s-1",
        channel="mirakl-fr",
        order=order_id,
        location="lyon",
        shipped_at=START,
        lines=(FulfillmentLine(order_line=f"{order_id}-1", units=1),),
        parcel=parcel or Parcel(carrier="Colissimo", tracking_number="6A123"),
        completes_order=completes_order,
    )


def answering(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> Send:
    return lambda request: HttpResponse(status, headers or {}, body)


def failing(error: Exception) -> Send:
    def send(request: HttpRequest) -> HttpResponse:
        raise error

    return send


def pathways(rig: MiraklRig) -> list[str]:
    return [f"{request.method} {request.path.partition('?')[0]}" for request in rig.requests]


# Catalogue, places, stock


def test_check_names_the_shop(rig: MiraklRig) -> None:
    assert rig.connect().check() == "Mirakl shop 'Emulated shop' (2000) is OPEN"


def test_the_key_goes_bare_and_the_shop_into_every_call(rig: MiraklRig) -> None:
    rig.connect().check()
    assert rig.requests[0].headers["authorization"] == "mirakl-key-1f3d"
    assert rig.requests[0].path == "/api/account?shop_id=2000"


def test_the_account_is_the_one_stock_point_and_its_bank_details_are_left_behind(rig: MiraklRig) -> None:
    [document] = documents(rig.connect().pull_places())
    assert json.loads(document.body) == {"shop_id": 2000, "shop_name": "Emulated shop", "shop_state": "OPEN"}
    assert rig.record.translate(document, TRANSLATION) == [
        ChannelPlace(channel="mirakl-fr", stock_point="account", name="Emulated shop")
    ]


def test_a_listing_is_an_offer_under_the_id_that_order_lines_carry(rig: MiraklRig) -> None:
    facts = [
        fact for one in documents(rig.connect().pull_catalogue()) for fact in rig.record.translate(one, TRANSLATION)
    ]
    listings = {fact.stock_id: fact for fact in facts if isinstance(fact, ChannelListing)}
    assert len(facts) == len(listings) == 14
    assert listings["SKU-001"] == ChannelListing(
        channel="mirakl-fr",
        external_id="2003",
        stock_id="SKU-001",
        sku="SKU-001",
        gtin="04006381333931",
        title="Thing 001",
    )
    order_id = ordered(rig, ("SKU-001", 2), ("SHIRT-S", 1))
    assert [line.listing_external_id for line in heard(rig, order_id).lines] == [
        listings["SKU-001"].external_id,
        listings["SHIRT-S"].external_id,
    ]


def test_a_catalogue_event_is_a_change_of_the_listing_not_of_its_stock(rig: MiraklRig) -> None:
    before = [document.event_id for document in documents(rig.connect().pull_catalogue())]
    rig.emulator.set_shelf("SKU-001", "account", 3, rig.clock.now())
    assert [document.event_id for document in documents(rig.connect().pull_catalogue())] == before


def test_stock_is_observed_at_the_moment_before_its_page(rig: MiraklRig) -> None:
    rig.emulator.set_shelf("SKU-001", "account", 3, rig.clock.now())
    pages = documents(rig.connect().pull_stock(["account"]))
    facts = [fact for document in pages for fact in rig.record.translate(document, TRANSLATION)]
    observed = {fact.listing_external_id: fact for fact in facts if isinstance(fact, StockObservation)}
    assert len(observed) == 14
    assert observed["2003"] == StockObservation(
        channel="mirakl-fr", listing_external_id="2003", stock_point="account", units=3, observed_at=START
    )


def test_the_same_number_later_is_a_new_observation(rig: MiraklRig) -> None:
    first = {document.event_id for document in documents(rig.connect().pull_stock(["account"]))}
    rig.clock.advance(900)
    second = {document.event_id for document in documents(rig.connect().pull_stock(["account"]))}
    assert len(first) == len(second) == 1
    assert first.isdisjoint(second)


def test_an_odd_offer_stands_alone_and_holds_no_other_up(rig: MiraklRig) -> None:
    whole, broken = ({"offer_id": 2000 + n, "quantity": units} for n, units in enumerate((4, None)))
    page = mirakl._quantity_documents([json.dumps(row).encode() for row in (whole, broken)], START)
    alone, together = page
    assert (alone.topic, alone.document_id) == ("offer_quantity", "2001")
    assert (together.topic, together.document_id) == ("offer_quantities", "from 2000")
    [fact] = rig.record.translate(together, TRANSLATION)
    assert (fact.listing_external_id, fact.units) == ("2000", 4)  # type: ignore[union-attr]  # an observation
    with pytest.raises(UnreadableDocumentError, match="quantity"):
        rig.record.translate(alone, TRANSLATION)


def test_no_other_stock_point_has_stock(rig: MiraklRig) -> None:
    assert documents(rig.connect().pull_stock(["warehouse-1"])) == []
    assert rig.requests == []


# Orders


def test_orders_come_in_pages_of_a_hundred_and_the_watermark_is_from_before_the_read() -> None:
    rig = make_checked_rig(skus=40, has_returns=False)
    rig.emulator.set_shelf("SKU-001", "account", 1000, START)
    for _ in range(201):
        ordered(rig, ("SKU-001", 1))
    pages = []
    for page in rig.connect().pull_orders(SINCE):
        rig.clock.advance(1)
        pages.append(page)
    assert [len(page.documents) for page in pages] == [100, 100, 1, 0]
    assert [page.watermark for page in pages] == [None, None, None, START]
    assert [request.path for request in rig.requests] == [
        f"/api/orders?start_update_date=2026-03-02T08%3A00%3A00Z&max=100&offset={offset}&shop_id=2000"
        for offset in (0, 100, 200)
    ]


def test_an_order_that_moves_while_pages_are_read_hides_no_other() -> None:
    rig = make_checked_rig(has_returns=False)
    rig.emulator.set_shelf("SKU-001", "account", 1000, START)
    rig.clock.advance(60)
    old = ordered(rig, ("SKU-001", 1))
    rig.clock.advance(60)
    since = rig.clock.now()
    all_new = {ordered(rig, ("SKU-001", 1)) for _ in range(150)}
    seen: list[str] = []
    for number, page in enumerate(rig.connect().pull_orders(since)):
        if number == 0:
            rig.emulator.cancel(old, [], rig.clock.now())
        seen += [document.document_id for document in page.documents]
    assert set(seen) == all_new
    assert len(seen) == 151
    assert old in {one.document_id for one in documents(rig.connect().pull_orders(since))}


def test_an_unchanged_order_is_the_same_event_and_a_changed_one_another(rig: MiraklRig) -> None:
    order_id = ordered(rig, ("SKU-001", 2))
    first = documents(rig.connect().pull_orders(SINCE))
    assert [one.event_id for one in documents(rig.connect().pull_orders(SINCE))] == [one.event_id for one in first]
    rig.emulator.cancel(order_id, [BasketLine("SKU-001", 1)], START)
    [changed] = documents(rig.connect().pull_orders(SINCE))
    assert changed.event_id != first[0].event_id
    assert changed.event_id.startswith(f"order:{order_id}:2026-03-02T09:")


def test_an_order_waits_for_acceptance_then_for_its_debit_then_is_open(rig: MiraklRig) -> None:
    order_id = ordered(rig, ("SKU-001", 2), ("SHIRT-S", 1))
    waiting = heard(rig, order_id)
    assert (waiting.state, waiting.delivery.address) == (OrderState.AWAITING_ACCEPTANCE, None)
    rig.connect().accept_order(order_id, {f"{order_id}-1": True, f"{order_id}-2": True})
    accepted_at = rig.clock.now()
    rig.next_slots.clear()
    rig.emulator.last_calls.clear()
    assert heard(rig, order_id).state is OrderState.AWAITING_PAYMENT
    rig.clock.advance(30)
    opened = heard(rig, order_id)
    assert opened.state is OrderState.OPEN
    assert opened.updated_at == accepted_at + timedelta(seconds=30)
    assert opened.delivery.address is not None
    assert (opened.delivery.address.country, opened.delivery.address.city) == ("FR", "Lyon")
    assert (str(opened.total), str(opened.shipping_amount), opened.tax_included) == ("28.78", "4.9", True)


def test_every_line_must_be_decided(rig: MiraklRig) -> None:
    order_id = ordered(rig, ("SKU-001", 2), ("SHIRT-S", 1))
    with pytest.raises(RefusedError, match="ORDER_LINE_ACCEPTANCE_DECISION_MISSING"):
        rig.connect().accept_order(order_id, {f"{order_id}-1": True})
    assert heard(rig, order_id).state is OrderState.AWAITING_ACCEPTANCE
    assert rig.emulator.shelf()["SKU-001", "account"] == 8


def test_a_decision_told_twice_is_one_and_a_contrary_one_is_refused(rig: MiraklRig) -> None:
    order_id = ordered(rig, ("SKU-001", 2), ("SHIRT-S", 1))
    connection = rig.connect()
    decisions = {f"{order_id}-1": True, f"{order_id}-2": False}
    connection.accept_order(order_id, decisions)
    connection.accept_order(order_id, decisions)
    assert rig.emulator.shelf()["SHIRT-S", "account"] == 10
    with pytest.raises(RefusedError, match="ORDER_INVALID_STATE"):
        connection.accept_order(order_id, {f"{order_id}-1": True, f"{order_id}-2": True})
    with pytest.raises(RefusedError, match="does not know order 'MK9-A'"):
        connection.accept_order("MK9-A", {"MK9-A-1": True})
    partly = heard(rig, order_id)
    assert [(line.units, line.units_canceled) for line in partly.lines] == [(2, 0), (1, 1)]


def test_a_refused_order_is_canceled_whole(rig: MiraklRig) -> None:
    order_id = ordered(rig, ("SKU-001", 2))
    rig.connect().accept_order(order_id, {f"{order_id}-1": False})
    refused = heard(rig, order_id)
    assert refused.state is OrderState.CANCELED
    assert [(line.units, line.units_canceled) for line in refused.lines] == [(2, 2)]


# Shipments


def test_a_shipment_is_its_parcel_and_the_order_shipped(rig: MiraklRig) -> None:
    order_id = open_order(rig, ("SKU-001", 2))
    rig.connect().push_shipment(shipment(order_id))
    assert rig.operations[-2:] == ["OR23", "OR24"]
    assert json.loads(rig.requests[-2].body) == {"carrier_code": "COLISSIMO", "tracking_number": "6A123"}
    assert rig.emulator.shipped() == {order_id: 2}
    assert heard(rig, order_id).state is OrderState.COMPLETED


def test_a_shipment_told_twice_is_read_again_and_done(rig: MiraklRig) -> None:
    order_id = open_order(rig, ("SKU-001", 2))
    rig.connect().push_shipment(shipment(order_id))
    shipped_at = rig.emulator.orders[order_id].lines[0].shipped_at
    rig.clock.advance(60)
    rig.connect().push_shipment(shipment(order_id))
    assert rig.operations[-3:] == ["OR23", "OR24", "OR11"]
    assert rig.emulator.orders[order_id].lines[0].shipped_at == shipped_at


def test_what_is_not_paid_is_not_shipped(rig: MiraklRig) -> None:
    order_id = accepted(rig, ("SKU-001", 2))
    with pytest.raises(RefusedError, match="ORDER_INVALID_STATE"):
        rig.connect().push_shipment(shipment(order_id))
    assert rig.emulator.shipped() == {}


def test_only_the_shipment_that_completes_the_order_is_told(rig: MiraklRig) -> None:
    order_id = open_order(rig, ("SKU-001", 2))
    calls = len(rig.requests)
    rig.connect().push_shipment(shipment(order_id, completes_order=False))
    assert len(rig.requests) == calls


def test_carriers_go_under_the_operators_codes() -> None:
    rig = make_checked_rig(carrier_codes={"Chronopost": "CHRONOPOST"})
    order_id = open_order(rig, ("SKU-001", 1))
    rig.connect().push_shipment(shipment(order_id, parcel=Parcel(carrier="Chronopost", tracking_number="XN1")))
    assert json.loads(rig.requests[-2].body) == {"carrier_code": "CHRONOPOST", "tracking_number": "XN1"}


def test_an_unregistered_carrier_goes_by_name() -> None:
    rig = make_checked_rig(carrier_code=None)
    order_id = open_order(rig, ("SKU-001", 1))
    parcel = Parcel(carrier="Vélo", tracking_number="7", tracking_url="https://velo.example.com/7")
    rig.connect().push_shipment(shipment(order_id, parcel=parcel))
    assert json.loads(rig.requests[-2].body) == {
        "carrier_name": "Vélo",
        "carrier_url": "https://velo.example.com/7",
        "tracking_number": "7",
    }


def test_a_hand_over_without_parcel_is_only_shipped(rig: MiraklRig) -> None:
    order_id = open_order(rig, ("SKU-001", 1))
    rig.connect().push_shipment(shipment(order_id).model_copy(update={"parcel": None}))
    assert rig.operations[-1] == "OR24"
    assert rig.operations.count("OR23") == 0


# What is withdrawn, and what comes back


def test_units_are_canceled_as_long_as_mirakl_allows_it(rig: MiraklRig) -> None:
    order_id = accepted(rig, ("SKU-001", 3))
    rig.connect().push_cancellation(order_id, {f"{order_id}-1": 1})
    assert rig.operations[-1] == "OR30"
    assert json.loads(rig.requests[-1].body) == {
        "cancelations": [
            {
                "order_line_id": f"{order_id}-1",
                "quantity": 1,
                "amount": 1.99,
                "shipping_amount": 1.63,
                "currency_iso_code": "EUR",
                "reason_code": "34",
                "taxes": [{"code": "FR20", "amount": 0.33}],
            }
        ],
        "order_tax_mode": "TAX_INCLUDED",
    }
    order = heard(rig, order_id)
    assert [(line.units, line.units_canceled) for line in order.lines] == [(3, 1)]
    assert rig.emulator.shelf()["SKU-001", "account"] == 8


def test_a_cancelation_told_twice_is_one(rig: MiraklRig) -> None:
    order_id = accepted(rig, ("SKU-001", 3))
    for _ in range(2):
        rig.connect().push_cancellation(order_id, {f"{order_id}-1": 2})
    assert rig.operations.count("OR30") == 1
    rig.connect().push_cancellation(order_id, {f"{order_id}-1": 3})
    gone = heard(rig, order_id)
    assert (gone.state, gone.lines[0].units_canceled, str(gone.total)) == (OrderState.CANCELED, 3, "0.0")
    assert rig.emulator.shelf()["SKU-001", "account"] == 10


def test_after_the_debit_units_are_refunded_and_taken_out_of_the_shipment(rig: MiraklRig) -> None:
    order_id = open_order(rig, ("SKU-001", 3), ("SHIRT-S", 1))
    for _ in range(2):
        rig.connect().push_cancellation(order_id, {f"{order_id}-1": 1})
    assert rig.operations.count("OR28") == 1
    assert rig.operations.count("OR30") == 0
    order = heard(rig, order_id)
    assert (order.state, [line.units_canceled for line in order.lines]) == (OrderState.OPEN, [1, 0])
    rig.connect().push_cancellation(order_id, {f"{order_id}-1": 3})
    rig.connect().push_shipment(shipment(order_id))
    done = heard(rig, order_id)
    assert (done.state, [line.units_canceled for line in done.lines]) == (OrderState.COMPLETED, [3, 0])
    assert rig.emulator.shipped() == {order_id: 1}
    refunds = sum(one.amount for one in rig.emulator.orders[order_id].lines[0].refunds)
    assert refunds == rig.emulator.orders[order_id].lines[0].price


def test_an_order_that_loses_its_last_unit_before_it_left_is_canceled(rig: MiraklRig) -> None:
    order_id = open_order(rig, ("SKU-001", 2))
    rig.connect().push_cancellation(order_id, {f"{order_id}-1": 2})
    facts = [fact for fact in rig.facts(rig.connect(), SINCE) if isinstance(fact, Order | Return)]
    assert [type(fact) for fact in facts] == [Order]
    assert rig.emulator.orders[order_id].state is State.CLOSED
    assert heard(rig, order_id).state is OrderState.CANCELED


@pytest.mark.parametrize(
    ("lines", "why"),
    [({"-9": 1}, "has no line"), ({"-1": 3}, "has 2 units, 3 cannot be canceled")],
)
def test_what_an_order_does_not_have_is_not_canceled(rig: MiraklRig, lines: dict[str, int], why: str) -> None:
    order_id = accepted(rig, ("SKU-001", 2))
    with pytest.raises(RefusedError, match=why):
        rig.connect().push_cancellation(order_id, {order_id + line: units for line, units in lines.items()})
    assert rig.emulator.orders[order_id].lines[0].cancelations == []


def test_what_waits_for_acceptance_is_refused_by_its_lines_and_what_left_stays(rig: MiraklRig) -> None:
    order_id = ordered(rig, ("SKU-001", 2))
    with pytest.raises(RefusedError, match="waits for acceptance"):
        rig.connect().push_cancellation(order_id, {f"{order_id}-1": 1})
    other = open_order(rig, ("SKU-002", 1))
    rig.connect().push_shipment(shipment(other))
    with pytest.raises(RefusedError, match="has left"):
        rig.connect().push_cancellation(other, {f"{other}-1": 1})
    assert rig.emulator.orders[other].lines[0].refunds == []


def test_a_missing_reason_code_is_asked_from_the_merchant() -> None:
    rig = make_checked_rig(cancellation_reason_code=None)
    order_id = accepted(rig, ("SKU-001", 2))
    with pytest.raises(RefusedError, match=r"CANCELATION reason.*34 \(Article indisponible\)"):
        rig.connect().push_cancellation(order_id, {f"{order_id}-1": 1})
    assert rig.emulator.orders[order_id].lines[0].cancelations == []


def test_goods_that_come_back_are_a_return_and_their_money_another(rig: MiraklRig) -> None:
    order_id = open_order(rig, ("SKU-001", 2), ("SHIRT-S", 1))
    rig.connect().push_shipment(shipment(order_id))
    external_id = rig.emulator.give_back(order_id, [BasketLine("SKU-001", 2)], "account", rig.clock.now())
    connection = rig.connect()
    returns = {one.external_id: one for one in rig.facts(connection, SINCE) if isinstance(one, Return)}
    goods = returns.pop(external_id)
    assert [(line.order_line, line.listing_external_id, line.units, line.restocked) for line in goods.lines] == [
        (f"{order_id}-1", "2003", 2, True)
    ]
    [money] = returns.values()
    assert (money.lines, money.refund is not None and str(money.refund.amount)) == ((), "3.98")
    known = rig.operations.count("OR11")
    rig.facts(connection, SINCE)
    assert rig.operations.count("OR11") == known + 1  # the offers of the order's lines are remembered


def test_returns_have_a_longer_period_and_are_skipped_until_then(rig: MiraklRig) -> None:
    slots = {"OR11": 0.0, "RT11": 250.0}
    pages = list(rig.connect(reserve=lambda operation, period: slots[operation]).pull_orders(SINCE))
    assert rig.operations == ["OR11"]
    assert pages[-1].watermark == START
    rig.clock.advance(60)
    list(rig.connect().pull_orders(SINCE))
    assert rig.requests[-1].path == (
        "/api/returns?return_last_updated_from=2026-03-01T08%3A00%3A00Z&limit=100&shop_id=2000"
    )


def test_every_page_of_returns_is_read(rig: MiraklRig) -> None:
    rig.emulator.set_shelf("SKU-001", "account", 500, START)
    order_id = open_order(rig, ("SKU-001", 120))
    rig.connect().push_shipment(shipment(order_id))
    told = {
        rig.emulator.give_back(order_id, [BasketLine("SKU-001", 1)], "account", rig.clock.now()) for _ in range(101)
    }
    found = {one.external_id for one in rig.facts(rig.connect(), SINCE) if isinstance(one, Return)}
    assert told <= found
    assert rig.operations.count("RT11") == 2


def test_a_marketplace_without_returns_is_not_asked_for_them() -> None:
    rig = make_checked_rig(has_returns=False)
    list(rig.connect().pull_orders(SINCE))
    assert rig.operations == ["OR11"]


# Ceilings


def test_a_taken_slot_raises_and_nothing_is_sent(rig: MiraklRig) -> None:
    asked: list[tuple[str, float]] = []

    def reserve(operation: str, period_seconds: float) -> float:
        asked.append((operation, period_seconds))
        return 42.0

    connection = rig.connect(reserve=reserve)
    calls: list[Callable[[], object]] = [
        lambda: list(connection.pull_orders(SINCE)),
        lambda: connection.write_levels([write("SKU-001", 1)], idempotency_key="k"),
        lambda: connection.read_receipt("1", [write("SKU-001", 1)]),
    ]
    for call in calls:
        with pytest.raises(ThrottledError) as raised:
            call()
        assert raised.value.retry_after_seconds == 42.0
    assert asked == [("OR11", 60.0), ("STO01", 60.0), ("STO02", 15.0)]
    assert rig.requests == []


def test_an_external_partner_reads_orders_every_quarter_of_an_hour() -> None:
    rig = make_checked_rig(is_external_partner=True)
    asked: list[float] = []
    list(rig.connect(reserve=lambda operation, period: asked.append(period) or 0.0).pull_orders(SINCE))  # type: ignore[func-returns-value] # append answers None
    assert asked[0] == 900.0


def test_the_platforms_own_refusal_says_how_long_to_wait(rig: MiraklRig) -> None:
    connection = rig.connect(reserve=lambda operation, period: 0.0)
    connection.write_levels([write("SKU-001", 5)], idempotency_key="a")
    rig.clock.advance(20)
    with pytest.raises(ThrottledError) as raised:
        connection.write_levels([write("SKU-001", 7)], idempotency_key="b")
    assert raised.value.retry_after_seconds == 40.0
    rig.clock.advance(40)
    assert rig.emulator.shelf()["SKU-001", "account"] == 5


# Stock files


def test_the_stock_file_holds_skus_and_whole_quantities(rig: MiraklRig) -> None:
    assert stock_file([write("SKU-001", 5), write('A;"B"', 0)]) == (
        b'"offer-sku";"quantity";"warehouse-code";"update-delete"\n"SKU-001";"5";"";""\n"A;""B""";"0";"";""\n'
    )


def test_numbers_are_sent_with_a_receipt_and_confirmed_by_the_report(rig: MiraklRig) -> None:
    connection = rig.connect()
    writes = [write("SKU-001", 5), write("NOT-THERE", 3), write("SHIRT-S", 0)]
    sent = connection.write_levels(writes, idempotency_key="k-1")
    receipt = sent[0].receipt
    assert receipt is not None
    assert sent == [LevelAnswer(one.key, WriteOutcome.SENT, None, receipt) for one in writes]
    assert b'filename="stock-k-1.csv"' in rig.requests[0].body
    assert connection.read_receipt(receipt, writes) == sent
    assert rig.emulator.shelf()["SKU-001", "account"] == 10
    rig.clock.advance(20)
    assert connection.read_receipt(receipt, writes) == [
        LevelAnswer(key("SKU-001"), WriteOutcome.CONFIRMED, None, receipt),
        LevelAnswer(key("NOT-THERE"), WriteOutcome.REFUSED, "The offer-sku does not exist", receipt),
        LevelAnswer(key("SHIRT-S"), WriteOutcome.CONFIRMED, None, receipt),
    ]
    assert rig.emulator.shelf()["SKU-001", "account"] == 5
    assert rig.operations == ["STO01", "STO02", "STO02", "STO03"]


def test_a_clean_import_needs_no_report(rig: MiraklRig) -> None:
    connection = rig.connect()
    [sent] = connection.write_levels([write("SKU-001", 5)], idempotency_key="k")
    rig.clock.advance(20)
    [answer] = connection.read_receipt(str(sent.receipt), [write("SKU-001", 5)])
    assert answer.outcome is WriteOutcome.CONFIRMED
    assert rig.operations == ["STO01", "STO02"]


def test_rows_that_cannot_be_are_not_sent(rig: MiraklRig) -> None:
    answers = rig.connect().write_levels(
        [write("SKU-001", -1), LevelWrite(key("SKU-002", "elsewhere"), 4)], idempotency_key="k"
    )
    assert [answer.outcome for answer in answers] == [WriteOutcome.REFUSED, WriteOutcome.REFUSED]
    assert rig.requests == []


@pytest.mark.parametrize(
    ("status", "report", "outcomes"),
    [
        ({"status": "QUEUED"}, b"", ["sent", "sent"]),
        ({"status": "FAILED"}, b"", ["not_applied", "not_applied"]),
        ({"status": "COMPLETE", "lines_in_error": 1}, b"", ["unaccounted", "unaccounted"]),
        (
            {"status": "COMPLETE", "has_error_report": True, "lines_in_error": 1},
            b"\xef\xbb\xbferror-line,error-message,offer-sku,quantity\r\n2,bad,A,1\r\n",
            ["refused", "confirmed"],
        ),
        ({"status": "COMPLETE", "has_error_report": True}, b"line;reason\n2;bad\n", ["unaccounted", "unaccounted"]),
        (
            {"status": "COMPLETE", "has_error_report": True, "lines_in_error": 2},
            b"error-line;error-message;offer-sku\n2;bad;A\n",
            ["refused", "unaccounted"],
        ),
        (
            {"status": "COMPLETE", "has_error_report": True},
            b"l;m;offer-sku\n2;bad;C\n",
            ["unaccounted", "unaccounted"],
        ),
        ({"status": "COMPLETE", "has_error_report": True}, b"", ["confirmed", "confirmed"]),
        (
            {"status": "COMPLETE", "has_error_report": True},
            b"\xef\xbb\xbfOffer-Sku;why\nA;bad\n",
            ["refused", "confirmed"],
        ),
    ],
)
def test_a_row_is_confirmed_only_where_the_report_accounts_for_every_refused_one(
    rig: MiraklRig, status: dict[str, object], report: bytes, outcomes: list[str]
) -> None:
    def send(request: HttpRequest) -> HttpResponse:
        if "error_report" in request.path:
            return HttpResponse(200, {"content-type": "text/csv"}, report)
        return HttpResponse(200, {}, json.dumps({"has_error_report": False, **status}).encode())

    answers = rig.connect(send).read_receipt("7", [write("A", 1), write("B", 2)])
    assert [answer.outcome.value for answer in answers] == outcomes


def test_an_import_that_mirakl_forgot_must_be_read_back(rig: MiraklRig) -> None:
    [answer] = rig.connect().read_receipt("404", [write("SKU-001", 1)])
    assert (answer.outcome, answer.receipt) == (WriteOutcome.UNKNOWN, "404")


def test_an_unknown_import_state_is_for_a_person(rig: MiraklRig) -> None:
    send = answering(200, b'{"status": "PAUSED", "has_error_report": false}')
    with pytest.raises(ContractError, match="unknown state 'PAUSED'"):
        rig.connect(send).read_receipt("7", [write("A", 1)])


@RETRIES
def test_a_time_out_is_an_answer_and_a_refusal_is_not(rig: MiraklRig) -> None:
    [answer] = rig.connect(failing(NoAnswerError("no answer"))).write_levels([write("A", 1)], idempotency_key="k")
    assert answer == LevelAnswer(key("A"), WriteOutcome.UNKNOWN)
    refusals: list[tuple[int, type[Exception]]] = [(401, CredentialsError), (403, ScopeError), (400, RefusedError)]
    for status, error in refusals:
        with pytest.raises(error):
            rig.connect(answering(status)).write_levels([write("A", 1)], idempotency_key="k")
    with pytest.raises(UnavailableError):
        rig.connect(failing(UnavailableError("down"))).write_levels([write("A", 1)], idempotency_key="k")


def test_an_upload_is_never_sent_again_by_itself(rig: MiraklRig) -> None:
    calls: list[str] = []

    def send(request: HttpRequest) -> HttpResponse:
        calls.append(request.method)
        return HttpResponse(502)

    [answer] = rig.connect(send).write_levels([write("A", 1)], idempotency_key="k")
    assert (answer.outcome, calls) == (WriteOutcome.UNKNOWN, ["POST"])


def test_levels_are_read_back_by_sku(rig: MiraklRig) -> None:
    rig.emulator.set_shelf("SKU-001", "account", 3, START)
    keys = [key("SKU-001"), key("NOT-THERE"), key("SKU-001", "elsewhere")]
    assert rig.connect().read_levels(keys) == [
        LevelReading(keys[0], 3),
        LevelReading(keys[1], None),
        LevelReading(keys[2], None),
    ]
    assert rig.operations == ["OF21", "OF21"]


def test_many_levels_are_read_from_the_listing_and_a_missing_one_is_asked_alone() -> None:
    rig = make_checked_rig(skus=130)
    keys = [key(sku) for sku in rig.emulator.offers]
    hidden = "SKU-100"

    def slipping(request: HttpRequest) -> HttpResponse:
        response = rig.wire(request)
        if "sku=" in request.path:
            return response
        page = json.loads(response.body)
        page["offers"] = [offer for offer in page["offers"] if offer["shop_sku"] != hidden]
        return HttpResponse(200, response.headers, json.dumps(page).encode())

    assert rig.connect(slipping).read_levels(keys) == [LevelReading(one, 10) for one in keys]
    assert [request.path.partition("?")[2][:20] for request in rig.requests] == [
        "sort=productTitle&or",
        "sort=productTitle&or",
        "sku=SKU-100&max=100&",
    ]


# Hostile answers


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"offers": {}}', b'{"other": []}', b'{"offers": [1]}', b"\xff"])
def test_an_answer_of_another_form_is_a_contract_error(rig: MiraklRig, body: bytes) -> None:
    with pytest.raises(ContractError):
        list(rig.connect(answering(200, body)).pull_catalogue())


@pytest.mark.parametrize("body", [b"[]", b'{"orders": [{}]}', b'{"orders": [{"order_lines": [{}]}]}'])
def test_an_order_without_what_decisions_need_is_a_contract_error(rig: MiraklRig, body: bytes) -> None:
    with pytest.raises(ContractError):
        rig.connect(answering(200, body)).push_cancellation("MK1-A", {"MK1-A-1": 1})


@RETRIES
def test_no_error_shows_the_key_or_mirakls_own_text(rig: MiraklRig) -> None:
    body = b'{"code": "ORDER_INVALID_STATE", "message": "order of Ada Lovelace"}'
    for status in (400, 401, 403, 404, 429, 500):
        with pytest.raises(Exception, match="Mirakl") as raised:
            rig.connect(answering(status, body, {"retry-after": "60"})).check()
        assert "mirakl-key-1f3d" not in str(raised.value)
        assert "Ada" not in str(raised.value)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.text(), JSON_VALUES, max_size=3), max_size=4),
    st.dictionaries(st.text().filter(lambda name: name != "rows"), JSON_VALUES, max_size=3),
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
)
def test_rows_are_cut_out_of_any_answer(
    rows: list[dict[str, object]], others: dict[str, object], indent: int | str | None, is_first: bool
) -> None:
    wire = {"rows": rows, **others} if is_first else {**others, "rows": rows}
    body = json.dumps(wire, indent=indent).encode()
    cut = rows_of(HttpResponse(200, {}, body), "rows")
    assert [json.loads(row) for row in cut] == json.loads(body)["rows"]
    assert all(row in body for row in cut)


def test_a_row_keeps_the_digits_that_mirakl_wrote() -> None:
    body = b'{"total_count": 1, "orders": [ {"price": 12.3400, "rate": 1E+2} ]}'
    assert rows_of(HttpResponse(200, {}, body), "orders") == [b'{"price": 12.3400, "rate": 1E+2}']


@given(st.lists(st.text(alphabet="aZ9;,\"'/ é", min_size=1), min_size=1, max_size=5))
def test_whatever_a_sku_holds_the_report_gives_it_back(skus: list[str]) -> None:
    head, *lines = stock_file([write(sku, 1) for sku in skus]).decode().splitlines()
    report = "\n".join([f'"error-line";"error-message";{head}', *(f'"2";"bad";{line}' for line in lines)])
    assert report_reasons(report.encode()) == [(sku, "bad") for sku in skus]


# The contract


def test_every_operation_that_is_used_is_in_the_contract(rig: MiraklRig) -> None:
    """Walks through everything the connector can send; the rig checks both sides of each call."""
    connection: ChannelConnection = rig.connect()
    connection.check()
    list(connection.pull_places())
    list(connection.pull_catalogue())
    list(connection.pull_stock(["account"]))
    [sent] = connection.write_levels([write("NOT-THERE", 1)], idempotency_key="k")
    rig.clock.advance(20)
    connection.read_receipt(str(sent.receipt), [write("NOT-THERE", 1)])
    connection.read_levels([key("SKU-001")])
    before_debit, after_debit = accepted(rig, ("SKU-001", 2)), open_order(rig, ("SKU-002", 2))
    canceled = accepted(rig, ("SKU-003", 2))
    connection.push_cancellation(canceled, {f"{canceled}-1": 1})
    connection.push_cancellation(after_debit, {f"{after_debit}-1": 1})
    connection.push_shipment(shipment(after_debit))
    rig.emulator.give_back(after_debit, [], "account", rig.clock.now())
    list(connection.pull_orders(SINCE))
    asking = make_checked_rig(refund_reason_code=None)
    order_id = open_order(asking, ("SKU-001", 1))
    with pytest.raises(RefusedError, match="REFUND reason"):
        asking.connect().push_cancellation(order_id, {f"{order_id}-1": 1})
    assert set(rig.operations) | set(asking.operations) == {
        *("A01", "OF21", "OR11", "OR21", "OR23", "OR24", "OR28", "OR30"),
        *("RE02", "RT11", "STO01", "STO02", "STO03"),
    }
    assert before_debit in rig.emulator.orders
    assert connection.ensure_webhooks("https://hub.example.com") == []


def test_times_are_asked_in_utc(rig: MiraklRig) -> None:
    paris = datetime.fromisoformat("2026-10-25T02:30:00+02:00")
    list(rig.connect().pull_orders(paris))
    assert "start_update_date=2026-10-25T00%3A30%3A00Z" in rig.requests[0].path
    assert rig.clock.now().tzinfo is UTC
    assert pathways(rig)[0] == "GET /api/orders"
