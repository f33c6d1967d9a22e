"""Square's connector against the emulated account: what it asks, what it writes, what it hears."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.errors import (
    ContractError,
    CredentialsError,
    FatalError,
    NoAnswerError,
    RefusedError,
    ThrottledError,
    UnavailableError,
)
from connectors.records import IncomingWebhook, Page
from connectors.square import CHANNEL, SquareConnection, SquareSettings
from connectors.square_webhooks import EVENT_TYPES
from connectors.transport import HttpRequest, HttpResponse, Send
from mappings.square import COUNT, COUNTS_UPDATED, ORDER, ORDER_HINT
from schemas.documents import Fact, Heard, RawDocument, Translation
from schemas.fulfillment import FulfillmentLine, Parcel, ReadyNotice, Shipment
from schemas.levels import LevelAnswer, LevelKey, LevelReading, LevelWrite, WriteOutcome
from schemas.orders import DeliveryMethod, Order, OrderState, Return
from schemas.publications import ChannelListing, ChannelPlace
from schemas.stock import AdjustmentReason, ChannelMovement, MovementKind, StockObservation
from simulation.platform import BasketLine, CatalogueEntry, Shopper
from simulation.platforms.square import SIGNATURE_KEY, SquareEmulator
from tests.connectors.conformance import START, Rig

MAIN, SECOND = "LMAIN0000001", "LSECOND00002"
CALLBACK = "https://hub.example/webhooks/till"
SHOPPER = Shopper("Ada Invented", "ada@example.org", "FR", "75011", "Paris", "1 rue Inventée")
GTINS = ("04006381333931", "00012345678905")


def catalogue() -> list[CatalogueEntry]:
    variants = [
        CatalogueEntry("SHIRT-S", "Shirt", Decimal("19.90"), GTINS[0], parent="SHIRT", options={"size": "S"}),
        CatalogueEntry("SHIRT-M", "Shirt", Decimal("19.90"), GTINS[1], parent="SHIRT", options={"size": "M"}),
    ]
    singles = [CatalogueEntry(f"MUG-{n:02}", f"Mug {n}", Decimal("7.50")) for n in range(1, 13)]
    return variants + singles


def settings(**more: Any) -> SquareSettings:
    keys = (SecretStr("old key"), SecretStr(SIGNATURE_KEY))
    fields = {"name": "till", "access_token": SecretStr("emulated-square-token"), "webhook_secrets": keys}
    return SquareSettings(**{**fields, **more})


def make_rig(**emulator: Any) -> Rig:
    platform = SquareEmulator(**emulator)
    platform.load(catalogue(), (MAIN, SECOND), START)
    return Rig(CHANNEL, settings(), platform, (MAIN, SECOND))


def square(rig: Rig) -> SquareEmulator:
    assert isinstance(rig.emulator, SquareEmulator)
    return rig.emulator


def connect(rig: Rig, send: Send | None = None) -> SquareConnection:
    connection = rig.connect(send)
    assert isinstance(connection, SquareConnection)
    return connection


def facts(documents: Iterable[RawDocument]) -> list[Fact]:
    return [fact for document in documents for fact in CHANNEL.translate(document, Translation("till"))]


def documents(pages: Iterable[Page]) -> list[RawDocument]:
    return [document for page in pages for document in page.documents]


def key(rig: Rig, sku: str, place: str = MAIN) -> LevelKey:
    listings = [fact for fact in facts(documents(connect(rig).pull_catalogue())) if isinstance(fact, ChannelListing)]
    return LevelKey(next(listing.stock_id for listing in listings if listing.sku == sku), place)


def shown(rig: Rig, sku: str, place: str = MAIN) -> int:
    return rig.emulator.shelf()[sku, place]


@pytest.fixture
def rig() -> Rig:
    rig = make_rig()
    rig.emulator.set_shelf("MUG-01", MAIN, 5, START)
    rig.clock.advance(60)
    return rig


class Faulty:
    """A wire that fails as told: `fault` may raise, answer itself, or pass."""

    def __init__(self, rig: Rig, fault: Callable[[HttpRequest], HttpResponse | None], *, after: bool = False) -> None:
        self.rig, self.fault, self.after = rig, fault, after

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if self.after:
            response = self.rig.wire(request)
            return self.fault(request) or response
        return self.fault(request) or self.rig.wire(request)


def test_check_names_the_account(rig: Rig) -> None:
    assert connect(rig).check() == "Emulated stores (FR, EUR), 2 locations"


def test_a_wrong_token_is_a_credential_error_without_the_token(rig: Rig) -> None:
    rig.settings = settings(access_token=SecretStr("not-the-token"))
    with pytest.raises(CredentialsError) as caught:
        connect(rig).check()
    assert "not-the-token" not in str(caught.value)


def test_places_and_listings(rig: Rig) -> None:
    places = facts(documents(connect(rig).pull_places()))
    assert places == [
        ChannelPlace(channel="till", stock_point=MAIN, name="Store 1"),
        ChannelPlace(channel="till", stock_point=SECOND, name="Store 2"),
    ]
    listings = [fact for fact in facts(documents(connect(rig).pull_catalogue())) if isinstance(fact, ChannelListing)]
    assert [listing.sku for listing in listings] == [entry.sku for entry in catalogue()]
    assert [(listing.title, listing.gtin) for listing in listings[:3]] == [
        ("Shirt - S", GTINS[0]),
        ("Shirt - M", GTINS[1]),
        ("Mug 1", None),
    ]
    assert all(listing.external_id == listing.stock_id for listing in listings)


def test_every_page_is_read() -> None:
    rig = make_rig(page_limit=3)
    pages = list(connect(rig).pull_catalogue())
    assert [len(page.documents) for page in pages] == [3, 3, 3, 3, 1]
    assert len(documents(connect(rig).pull_stock(rig.stock_points))) == 28
    for _ in range(4):
        rig.emulator.set_shelf("MUG-01", MAIN, 9, rig.clock.now())
        rig.emulator.buy([BasketLine("MUG-01", 1)], SHOPPER, MAIN, rig.clock.now())
    orders = [fact for fact in facts(documents(connect(rig).pull_orders(START))) if isinstance(fact, Order)]
    assert len({order.external_id for order in orders}) == 4


def test_an_expired_cursor_asks_for_a_new_start() -> None:
    rig = make_rig(page_limit=3)
    pages = connect(rig).pull_catalogue()
    next(pages)
    rig.clock.advance(301)
    with pytest.raises(UnavailableError, match="5 minutes"):
        next(pages)


def test_a_cursor_that_does_not_move_is_a_broken_contract(rig: Rig) -> None:
    answer = HttpResponse(200, {"content-type": "application/json"}, b'{"objects": [], "cursor": "same"}')
    with pytest.raises(ContractError, match="same cursor"):
        list(connect(rig, lambda request: answer).pull_catalogue())


def test_stock_is_read_by_location_and_tells_one_observation_a_number(rig: Rig) -> None:
    found = documents(connect(rig).pull_stock([MAIN]))
    asked = json.loads(rig.requests[-1].body)
    assert asked == {"location_ids": [MAIN], "states": ["IN_STOCK"], "limit": 1000}
    mug = key(rig, "MUG-01")
    assert len(found) == 14
    assert {document.topic for document in found} == {COUNT}
    assert StockObservation(
        channel="till", listing_external_id=mug.stock_id, stock_point=MAIN, units=5, observed_at=START
    ) in facts(found)
    again = documents(connect(rig).pull_stock([MAIN]))
    assert [document.event_id for document in again] == [document.event_id for document in found]
    assert documents(connect(rig).pull_stock([])) == []


def test_more_than_ten_locations_are_searched_in_several_calls() -> None:
    rig = make_rig()
    square(rig).load([], [f"LMORE{n:07}" for n in range(21)], START)
    pages = list(connect(rig).pull_orders(START - timedelta(hours=1)))
    bodies = [json.loads(request.body) for request in rig.requests if request.path == "/v2/orders/search"]
    assert [len(body["location_ids"]) for body in bodies] == [10, 10, 3]
    assert len({place for body in bodies for place in body["location_ids"]}) == 23
    assert bodies[0]["query"] == {
        "filter": {"date_time_filter": {"updated_at": {"start_at": "2026-03-02T08:00:00.000000Z"}}},
        "sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC"},
    }
    assert pages[-1].watermark == START - timedelta(hours=1)


def test_no_watermark_before_the_last_ten_locations_are_read() -> None:
    rig = make_rig()
    square(rig).load([], [f"LMORE{n:07}" for n in range(9)], START)
    rig.emulator.set_shelf("MUG-01", MAIN, 5, START)
    rig.clock.advance(60)
    rig.emulator.buy([BasketLine("MUG-01", 1)], SHOPPER, MAIN, rig.clock.now())
    pages = list(connect(rig).pull_orders(START))
    searches = [json.loads(request.body) for request in rig.requests if request.path == "/v2/orders/search"]
    assert [MAIN in search["location_ids"] for search in searches] == [True, False]
    assert [page.watermark for page in pages] == [None, None, None, rig.clock.now()]


def test_a_ticket_is_one_sale_though_its_adjustment_is_heard_too(rig: Rig) -> None:
    bought = rig.emulator.buy([BasketLine("MUG-01", 2)], SHOPPER, MAIN, rig.clock.now())
    heard = documents(connect(rig).pull_orders(START + timedelta(seconds=30)))
    assert [document.topic for document in heard] == ["inventory.change", "order"]
    [order] = facts(heard)
    assert isinstance(order, Order)
    assert order.external_id == bought.order_id
    assert order.state is OrderState.COMPLETED
    assert (order.delivery.method, order.delivery.stock_point) == (DeliveryMethod.HANDED_OVER, MAIN)
    assert [(line.units, line.units_canceled, line.line_total) for line in order.lines] == [(2, 0, Decimal("15.00"))]
    assert (order.total, order.tax_amount, order.difference) == (Decimal("15.00"), Decimal("2.50"), Decimal(0))
    assert order.customer is None


def test_a_pull_repeated_gives_the_same_events_and_moves_its_watermark_by_rows(rig: Rig) -> None:
    since = START + timedelta(seconds=30)
    rig.emulator.buy([BasketLine("MUG-01", 1)], SHOPPER, MAIN, rig.clock.now())
    sold_at = rig.clock.now()
    rig.clock.advance(3600)
    first, second = list(connect(rig).pull_orders(since)), list(connect(rig).pull_orders(since))
    assert [d.event_id for d in documents(first)] == [d.event_id for d in documents(second)]
    assert [page.watermark for page in first] == [None, sold_at, sold_at]
    assert [d.event_id for d in documents(connect(rig).pull_orders(sold_at)) if d.topic == ORDER] == [
        d.event_id for d in documents(first) if d.topic == ORDER
    ]


def test_the_watermark_never_passes_our_own_clock_before_the_read(rig: Rig) -> None:
    rig.emulator.buy([BasketLine("MUG-01", 1)], SHOPPER, MAIN, rig.clock.now() + timedelta(minutes=3))
    ahead = Rig(rig.record, rig.settings, rig.emulator, rig.stock_points)
    ahead.clock.advance(600)
    before = rig.clock.now()
    pages = list(connect(rig, ahead.wire).pull_orders(START))
    assert pages[-1].watermark == before


def test_an_order_changed_again_is_a_new_event(rig: Rig) -> None:
    order_id = square(rig).open_ticket([BasketLine("MUG-01", 1)], MAIN, rig.clock.now())
    [opened] = [d for d in documents(connect(rig).pull_orders(START)) if d.topic == ORDER]
    rig.clock.advance(5)
    square(rig).pay(order_id, rig.clock.now())
    [paid] = [d for d in documents(connect(rig).pull_orders(START)) if d.topic == ORDER]
    assert opened.document_id == paid.document_id == order_id
    assert opened.event_id != paid.event_id
    states = [fact.state for fact in facts([opened, paid]) if isinstance(fact, Order)]
    assert states == [OrderState.AWAITING_PAYMENT, OrderState.COMPLETED]


def test_what_is_no_sale_is_heard_from_the_history(rig: Rig) -> None:
    now = rig.clock.now()
    square(rig).recount("MUG-01", MAIN, 4, now)
    wasted = square(rig).waste("MUG-01", MAIN, 1, now)
    received = square(rig).receive("MUG-01", MAIN, 6, now)
    heard = facts(documents(connect(rig).pull_orders(START + timedelta(seconds=30))))
    mug = key(rig, "MUG-01").stock_id
    common = {"channel": "till", "listing_external_id": mug, "stock_point": MAIN, "occurred_at": now}
    assert heard == [
        StockObservation(
            channel="till",
            listing_external_id=mug,
            stock_point=MAIN,
            units=4,
            observed_at=now,
            is_physical_count=True,
        ),
        ChannelMovement(
            **common, external_id=wasted, kind=MovementKind.ADJUSTED, units=-1, reason=AdjustmentReason.DAMAGED
        ),
        ChannelMovement(**common, external_id=received, kind=MovementKind.RECEIVED, units=6),
    ]


def test_a_change_at_the_very_moment_of_since_is_heard(rig: Rig) -> None:
    wasted = square(rig).waste("MUG-01", MAIN, 1, rig.clock.now())
    heard = facts(documents(connect(rig).pull_orders(rig.clock.now())))
    assert [fact.external_id for fact in heard if isinstance(fact, ChannelMovement)] == [wasted]


@pytest.mark.parametrize("restock", [True, False])
def test_a_return_tells_the_money_and_its_adjustment_the_goods(rig: Rig, restock: bool) -> None:
    bought = rig.emulator.buy([BasketLine("MUG-01", 3)], SHOPPER, MAIN, rig.clock.now())
    [sale] = [f for f in facts(documents(connect(rig).pull_orders(START))) if isinstance(f, Order)]
    rig.clock.advance(10)
    back = square(rig).give_back(bought.order_id, [BasketLine("MUG-01", 2)], SECOND, rig.clock.now(), restock=restock)
    heard = facts(documents(connect(rig).pull_orders(rig.clock.now())))
    [returned] = [fact for fact in heard if isinstance(fact, Return)]
    assert (returned.external_id, returned.order) == (back, bought.order_id)
    assert [(line.order_line, line.units, line.restocked, line.stock_point) for line in returned.lines] == [
        (sale.lines[0].external_id, 2, False, SECOND)
    ]
    assert returned.refund is not None
    assert (returned.refund.amount, returned.refund.currency) == (Decimal("15.00"), "EUR")
    moved = [(fact.kind, fact.units, fact.stock_point) for fact in heard if isinstance(fact, ChannelMovement)]
    assert moved == ([(MovementKind.RETURNED, 2, SECOND)] if restock else [])
    assert not [fact for fact in heard if isinstance(fact, Order)]


def test_an_unlinked_return_is_blind(rig: Rig) -> None:
    back = rig.emulator.give_back(None, [BasketLine("MUG-01", 1)], MAIN, rig.clock.now())
    heard = facts(documents(connect(rig).pull_orders(rig.clock.now())))
    [returned] = [fact for fact in heard if isinstance(fact, Return)]
    assert (returned.external_id, returned.order, returned.lines[0].order_line) == (back, None, None)
    assert [(f.kind, f.units) for f in heard if isinstance(f, ChannelMovement)] == [(MovementKind.RETURNED, 1)]


def test_a_late_ticket_of_an_offline_till_is_heard_when_it_arrives(rig: Rig) -> None:
    sold_at = rig.clock.now()
    rig.clock.advance(36 * 3600)
    since = rig.clock.now()
    square(rig).sell_offline([BasketLine("MUG-01", 1)], MAIN, sold_at, rig.clock.now())
    [order] = [fact for fact in facts(documents(connect(rig).pull_orders(since))) if isinstance(fact, Order)]
    assert (order.placed_at, order.updated_at) == (sold_at, since)


def test_fetch_order_is_the_document_that_a_pull_gives(rig: Rig) -> None:
    bought = rig.emulator.buy([BasketLine("MUG-01", 1)], SHOPPER, MAIN, rig.clock.now())
    assert bought.order_id is not None
    [pulled] = [d for d in documents(connect(rig).pull_orders(START)) if d.topic == ORDER]
    assert connect(rig).fetch_order(bought.order_id) == pulled
    with pytest.raises(RefusedError, match="NOT_FOUND"):
        connect(rig).fetch_order("no such order")


def write(rig: Rig, *rows: tuple[LevelKey, int], name: str = "batch-1", send: Send | None = None) -> list[LevelAnswer]:
    return connect(rig, send).write_levels([LevelWrite(place, units) for place, units in rows], idempotency_key=name)


def sent_batches(rig: Rig) -> list[Any]:
    path = "/v2/inventory/changes/batch-create"
    return [json.loads(request.body) for request in rig.requests if request.path == path]


def test_a_write_is_a_physical_count_confirmed_by_its_answer(rig: Rig) -> None:
    mug, shirt = key(rig, "MUG-01"), key(rig, "SHIRT-S", SECOND)
    assert write(rig, (mug, 8), (shirt, 0)) == [
        LevelAnswer(mug, WriteOutcome.CONFIRMED),
        LevelAnswer(shirt, WriteOutcome.CONFIRMED),
    ]
    assert (shown(rig, "MUG-01"), shown(rig, "SHIRT-S", SECOND)) == (8, 0)
    [batch] = sent_batches(rig)
    assert batch["ignore_unchanged_counts"] is False
    assert 1 <= len(batch["idempotency_key"]) <= 128
    assert batch["changes"][0] == {
        "type": "PHYSICAL_COUNT",
        "physical_count": {
            "reference_id": f"nervure:{batch['idempotency_key']}",
            "catalog_object_id": mug.stock_id,
            "location_id": MAIN,
            "state": "IN_STOCK",
            "quantity": "8",
            "occurred_at": "2026-03-02T09:01:00.000000Z",
        },
    }
    assert write(rig) == []
    assert len(sent_batches(rig)) == 1


def test_the_echo_of_our_own_write_gives_no_fact(rig: Rig) -> None:
    write(rig, (key(rig, "MUG-01"), 8))
    heard = documents(connect(rig).pull_orders(START + timedelta(seconds=30)))
    assert [document.topic for document in heard] == ["inventory.change"]
    assert facts(heard) == []


def test_a_number_is_written_again_after_sales_moved_it(rig: Rig) -> None:
    mug = key(rig, "MUG-01")
    write(rig, (mug, 5), name="first")
    rig.clock.advance(5)
    rig.emulator.buy([BasketLine("MUG-01", 2)], SHOPPER, MAIN, rig.clock.now())
    rig.clock.advance(5)
    assert write(rig, (mug, 5), name="second") == [LevelAnswer(mug, WriteOutcome.CONFIRMED)]
    assert shown(rig, "MUG-01") == 5


def test_a_sale_after_the_written_moment_is_taken_off_and_not_confirmed(rig: Rig) -> None:
    mug = key(rig, "MUG-01")

    def late(request: HttpRequest) -> HttpResponse:
        if request.path.endswith("batch-create"):
            rig.clock.advance(2)
            rig.emulator.buy([BasketLine("MUG-01", 1)], SHOPPER, MAIN, rig.clock.now())
            rig.clock.advance(2)
        return rig.wire(request)

    assert write(rig, (mug, 9), send=late) == [LevelAnswer(mug, WriteOutcome.SENT, "Square shows 8")]
    assert shown(rig, "MUG-01") == 8


def test_one_bad_row_is_refused_and_all_others_are_written(rig: Rig) -> None:
    good = [key(rig, f"MUG-{n:02}") for n in range(1, 11)]
    bad, away = LevelKey("NOSUCHVARIATION", MAIN), LevelKey(good[0].stock_id, "NOSUCHPLACE")
    rows = [*good[:4], bad, *good[4:], away]
    answers = write(rig, *((place, 3) for place in rows))
    assert [answer.key for answer in answers] == rows
    assert [answer.outcome for answer in answers] == [
        WriteOutcome.REFUSED if place in (bad, away) else WriteOutcome.CONFIRMED for place in rows
    ]
    assert {answer.reason for answer in answers if answer.outcome is WriteOutcome.REFUSED} == {
        "Square answered 404 to POST /v2/inventory/changes/batch-create: NOT_FOUND"
    }
    assert len(sent_batches(rig)) == 5
    assert all(shown(rig, f"MUG-{n:02}") == 3 for n in range(1, 11))


@given(st.lists(st.sampled_from(["good", "no variation", "no place"]), min_size=1, max_size=14), st.booleans())
def test_whatever_rows_are_bad_exactly_they_are_refused(kinds: list[str], names_rows: bool) -> None:
    rig = make_rig()
    rig.clock.advance(60)
    ids = [key(rig, entry.sku) for entry in catalogue()[: len(kinds)]]
    rows = [
        {"good": place, "no variation": LevelKey(f"NONE{n}", MAIN), "no place": LevelKey(place.stock_id, f"NONE{n}")}[
            kind
        ]
        for n, (kind, place) in enumerate(zip(kinds, ids, strict=True))
    ]

    def anonymous(request: HttpRequest) -> HttpResponse:
        answer = rig.wire(request)
        return answer if names_rows or answer.status < 400 else HttpResponse(answer.status, {}, b"{}")

    answers = write(rig, *((place, n) for n, place in enumerate(rows)), send=anonymous)
    assert [answer.key for answer in answers] == rows
    assert [answer.outcome is WriteOutcome.CONFIRMED for answer in answers] == [kind == "good" for kind in kinds]
    assert {answer.outcome for answer in answers} <= {WriteOutcome.CONFIRMED, WriteOutcome.REFUSED}
    expected = [n if kind == "good" else 0 for n, kind in enumerate(kinds)]
    assert [shown(rig, entry.sku) for entry in catalogue()[: len(kinds)]] == expected


def test_a_refusal_that_names_no_row_is_found_by_halves(rig: Rig) -> None:
    places = [key(rig, f"MUG-{n:02}") for n in range(1, 9)]

    def mute(request: HttpRequest) -> HttpResponse | None:
        if not request.path.endswith("batch-create"):
            return None
        ids = {row["physical_count"]["catalog_object_id"] for row in json.loads(request.body)["changes"]}
        return HttpResponse(400, {}, b"no json") if places[5].stock_id in ids else None

    answers = write(rig, *((place, 2) for place in places), send=Faulty(rig, mute))
    assert [answer.outcome for answer in answers].count(WriteOutcome.CONFIRMED) == 7
    assert answers[5].outcome is WriteOutcome.REFUSED
    assert answers[5].key == places[5]
    assert shown(rig, "MUG-06") == 0


def test_what_a_throttled_platform_left_unsent_is_told(rig: Rig) -> None:
    places = [LevelKey("NOSUCHVARIATION", MAIN), *(key(rig, f"MUG-{n:02}") for n in (1, 2, 3))]
    calls: list[int] = []

    def busy(request: HttpRequest) -> HttpResponse | None:
        calls.append(1)
        refused, later = HttpResponse(404, {}, b"{}"), HttpResponse(429, {"retry-after": "60"}, b"{}")
        return refused if len(calls) <= 3 else later

    answers = write(rig, *((place, 2) for place in places), send=Faulty(rig, busy))
    assert [answer.outcome for answer in answers] == [WriteOutcome.REFUSED, *[WriteOutcome.NOT_APPLIED] * 3]
    assert len(calls) == 4
    assert shown(rig, "MUG-01") == 5


@pytest.mark.parametrize(("status", "error"), [(429, ThrottledError), (401, CredentialsError), (503, UnavailableError)])
def test_what_was_not_done_is_raised(rig: Rig, status: int, error: type[Exception]) -> None:
    mug = key(rig, "MUG-01")
    answer = HttpResponse(status, {"retry-after": "60"}, b"{}")
    with pytest.raises(error):
        write(rig, (mug, 2), send=lambda request: answer)
    assert shown(rig, "MUG-01") == 5


@pytest.mark.parametrize("applied", [True, False])
def test_a_time_out_is_unknown_and_sent_once(rig: Rig, applied: bool) -> None:
    mug = key(rig, "MUG-01")

    def silent(request: HttpRequest) -> HttpResponse:
        if applied:
            rig.wire(request)
        calls.append(request)
        raise NoAnswerError("no answer to POST")

    calls: list[HttpRequest] = []
    assert write(rig, (mug, 2), send=silent) == [LevelAnswer(mug, WriteOutcome.UNKNOWN, "no answer to POST")]
    assert len(calls) == 1
    assert connect(rig).read_levels([mug]) == [LevelReading(mug, 2 if applied else 5)]


def test_the_same_key_again_has_no_second_effect(rig: Rig) -> None:
    mug = key(rig, "MUG-01")
    assert write(rig, (mug, 7))[0].outcome is WriteOutcome.CONFIRMED
    rig.clock.advance(5)
    assert write(rig, (mug, 7))[0].outcome is WriteOutcome.CONFIRMED
    rig.clock.advance(5)
    rig.emulator.buy([BasketLine("MUG-01", 1)], SHOPPER, MAIN, rig.clock.now())
    rig.clock.advance(5)
    assert write(rig, (mug, 7)) == [LevelAnswer(mug, WriteOutcome.SENT, "Square shows 6")]
    assert shown(rig, "MUG-01") == 6


def test_a_long_key_fits(rig: Rig) -> None:
    assert write(rig, (key(rig, "MUG-01"), 7), name="k" * 400)[0].outcome is WriteOutcome.CONFIRMED


@pytest.mark.parametrize("dated", [True, False])
def test_a_clock_ahead_of_squares_is_corrected(rig: Rig, dated: bool) -> None:
    mug = key(rig, "MUG-01")

    def behind(request: HttpRequest) -> HttpResponse:
        answer = rig.emulator.handle(request, rig.clock.now() - timedelta(seconds=40))
        rig.requests.append(request)
        return answer if dated else HttpResponse(answer.status, {}, answer.body)

    connection = connect(rig, behind)
    assert connection.write_levels([LevelWrite(mug, 8)], idempotency_key="a")[0].outcome is WriteOutcome.CONFIRMED
    assert connection.write_levels([LevelWrite(mug, 9)], idempotency_key="b")[0].outcome is WriteOutcome.CONFIRMED
    moments = [batch["changes"][0]["physical_count"]["occurred_at"] for batch in sent_batches(rig)]
    corrected = "2026-03-02T09:00:20.000000Z" if dated else "2026-03-02T09:00:00.000000Z"
    assert moments == ["2026-03-02T09:01:00.000000Z", corrected, corrected]


def test_a_clock_that_cannot_be_corrected_is_no_rows_fault(rig: Rig) -> None:
    mug = key(rig, "MUG-01")

    def far_behind(request: HttpRequest) -> HttpResponse:
        rig.requests.append(request)
        answer = rig.emulator.handle(request, rig.clock.now() - timedelta(minutes=5))
        return HttpResponse(answer.status, {}, answer.body)

    with pytest.raises(FatalError, match="set the clock"):
        write(rig, (mug, 2), (key(rig, "MUG-02"), 2), send=far_behind)
    assert len(sent_batches(rig)) == 2
    assert shown(rig, "MUG-01") == 5


def test_a_clock_behind_squares_is_noticed_from_the_answer(rig: Rig) -> None:
    mug = key(rig, "MUG-01")

    def ahead(request: HttpRequest) -> HttpResponse:
        rig.requests.append(request)
        return rig.emulator.handle(request, rig.clock.now() + timedelta(seconds=40))

    connection = connect(rig, ahead)
    connection.write_levels([LevelWrite(mug, 8)], idempotency_key="a")
    rig.emulator.buy([BasketLine("MUG-01", 1)], SHOPPER, MAIN, rig.clock.now() + timedelta(seconds=40))
    answers = connection.write_levels([LevelWrite(mug, 6)], idempotency_key="b")
    assert answers == [LevelAnswer(mug, WriteOutcome.CONFIRMED)]
    assert shown(rig, "MUG-01") == 6


def test_reading_back_answers_every_key_in_order(rig: Rig) -> None:
    mug, other, never = key(rig, "MUG-01"), key(rig, "MUG-01", SECOND), LevelKey("NOSUCHVARIATION", MAIN)
    assert connect(rig).read_levels([never, mug, other, mug]) == [
        LevelReading(never, None),
        LevelReading(mug, 5),
        LevelReading(other, 0),
        LevelReading(mug, 5),
    ]
    square(rig).recount("MUG-01", MAIN, Decimal("4.75"), rig.clock.now())
    assert connect(rig).read_levels([mug]) == [LevelReading(mug, 4)]
    assert connect(rig).read_levels([]) == []


def test_what_square_has_not_is_refused(rig: Rig) -> None:
    with pytest.raises(RefusedError, match="import reports"):
        connect(rig).read_receipt("r", [])
    with pytest.raises(RefusedError, match="acceptance"):
        connect(rig).accept_order("o", {})
    assert rig.requests == []


def shipment(order: Order, *, completes: bool = True, lines: Sequence[int] = (0,)) -> Shipment:
    return Shipment(
        external_id="ship-1",
        channel="till",
        order=order.external_id,
        location="warehouse",
        shipped_at=START,
        lines=tuple(FulfillmentLine(order_line=order.lines[n].external_id, units=order.lines[n].units) for n in lines),
        parcel=Parcel(carrier="Colissimo", tracking_number="6A0001", tracking_url="https://track.example/6A0001"),
        completes_order=completes,
    )


def notice(order: Order, *lines: int) -> ReadyNotice:
    return ReadyNotice(
        channel="till",
        order=order.external_id,
        location="warehouse",
        lines=tuple(FulfillmentLine(order_line=order.lines[n].external_id, units=order.lines[n].units) for n in lines),
    )


def order_of(rig: Rig, order_id: str) -> Order:
    [order] = [fact for fact in facts([connect(rig).fetch_order(order_id)]) if isinstance(fact, Order)]
    return order


def test_an_order_paid_ahead_is_open_until_its_shipment_is_told(rig: Rig) -> None:
    basket = [BasketLine("MUG-01", 2), BasketLine("MUG-02", 1)]
    order_id = square(rig).order_ahead(basket, SHOPPER, MAIN, rig.clock.now(), kind="SHIPMENT")
    order = order_of(rig, order_id)
    assert (order.state, order.delivery.method) == (OrderState.OPEN, DeliveryMethod.SHIP)
    assert order.delivery.address is not None
    assert (order.delivery.address.country, order.delivery.address.city) == ("FR", "Paris")
    assert order.customer is not None
    assert order.customer.name == SHOPPER.name
    assert shown(rig, "MUG-01") == 3
    connect(rig).push_shipment(shipment(order, completes=False))
    assert order_of(rig, order_id).state is OrderState.OPEN
    connect(rig).push_shipment(shipment(order, lines=(1,)))
    assert order_of(rig, order_id).state is OrderState.COMPLETED
    wire = json.loads(connect(rig).fetch_order(order_id).body)
    assert wire["fulfillments"][0]["shipment_details"]["tracking_number"] == "6A0001"
    assert rig.emulator.shipped()[order_id] == 3
    updates = rig.emulator.requests_by_operation()["UpdateOrder"]
    connect(rig).push_shipment(shipment(order))
    assert rig.emulator.requests_by_operation()["UpdateOrder"] == updates == 1


def test_a_parcel_that_covers_the_fulfillment_completes_it(rig: Rig) -> None:
    order_id = square(rig).order_ahead([BasketLine("MUG-01", 1)], SHOPPER, MAIN, rig.clock.now(), kind="PICKUP")
    order = order_of(rig, order_id)
    assert (order.delivery.method, order.delivery.stock_point) == (DeliveryMethod.PICKUP, MAIN)
    connect(rig).push_shipment(shipment(order, completes=False))
    assert order_of(rig, order_id).state is OrderState.COMPLETED


def test_a_pickup_that_is_ready_is_told_once_and_only_when_all_of_it_is(rig: Rig) -> None:
    basket = [BasketLine("MUG-01", 2), BasketLine("MUG-02", 1)]
    order_id = square(rig).order_ahead(basket, SHOPPER, MAIN, rig.clock.now(), kind="PICKUP")
    order, updates = order_of(rig, order_id), rig.emulator.requests_by_operation
    assert not connect(rig).push_ready(notice(order, 0)), "the other line is not there yet"
    assert "UpdateOrder" not in updates()
    assert [connect(rig).push_ready(notice(order, 0, 1)) for _ in range(2)] == [True, True]
    assert updates()["UpdateOrder"] == 1
    wire = json.loads(connect(rig).fetch_order(order_id).body)
    assert [part["state"] for part in wire["fulfillments"]] == ["PREPARED"]
    assert order_of(rig, order_id).state is OrderState.OPEN
    connect(rig).push_shipment(shipment(order, lines=(0, 1)))
    assert order_of(rig, order_id).state is OrderState.COMPLETED
    assert connect(rig).push_ready(notice(order, 0, 1)), "it was fetched since"
    assert updates()["UpdateOrder"] == 2


def test_what_is_canceled_is_not_ready(rig: Rig) -> None:
    opened = square(rig).open_ticket([BasketLine("MUG-01", 1)], MAIN, rig.clock.now())
    order = order_of(rig, opened)
    square(rig).cancel(opened, [], rig.clock.now())
    with pytest.raises(RefusedError, match="is canceled"):
        connect(rig).push_ready(notice(order, 0))


def test_a_till_ticket_needs_no_shipment(rig: Rig) -> None:
    bought = rig.emulator.buy([BasketLine("MUG-01", 1)], SHOPPER, MAIN, rig.clock.now())
    assert bought.order_id is not None
    connect(rig).push_shipment(shipment(order_of(rig, bought.order_id)))
    assert "UpdateOrder" not in rig.emulator.requests_by_operation()


def test_an_order_that_somebody_changed_meanwhile_is_read_again(rig: Rig) -> None:
    order_id = square(rig).order_ahead([BasketLine("MUG-01", 1)], SHOPPER, MAIN, rig.clock.now())
    order = order_of(rig, order_id)
    raced: list[int] = []

    def faster(request: HttpRequest) -> HttpResponse | None:
        if request.method == "PUT" and not raced:
            raced.append(1)
            account = square(rig)._account
            account.save(dict(account.orders[order_id]), rig.clock.now())
        return None

    connect(rig, Faulty(rig, faster)).push_shipment(shipment(order))
    assert order_of(rig, order_id).state is OrderState.COMPLETED


def test_only_a_whole_unpaid_order_can_be_canceled(rig: Rig) -> None:
    paid = square(rig).order_ahead([BasketLine("MUG-01", 1)], SHOPPER, MAIN, rig.clock.now())
    line = order_of(rig, paid).lines[0].external_id
    with pytest.raises(RefusedError, match="refund it in Square"):
        connect(rig).push_cancellation(paid, {line: 1})
    opened = square(rig).open_ticket([BasketLine("MUG-01", 2)], MAIN, rig.clock.now())
    uid = order_of(rig, opened).lines[0].external_id
    with pytest.raises(RefusedError, match="only be canceled whole"):
        connect(rig).push_cancellation(opened, {uid: 1})
    with pytest.raises(RefusedError, match="not made through its API"):
        connect(rig).push_cancellation(opened, {uid: 2})
    assert "UpdateOrder" not in rig.emulator.requests_by_operation()
    account = square(rig)._account
    account.orders[opened]["version"] = 1
    connect(rig).push_cancellation(opened, {uid: 2})
    canceled = order_of(rig, opened)
    assert (canceled.state, canceled.lines[0].units_canceled) == (OrderState.CANCELED, 2)
    connect(rig).push_cancellation(opened, {uid: 2})
    assert rig.emulator.requests_by_operation()["UpdateOrder"] == 1
    with pytest.raises(RefusedError, match="is canceled"):
        connect(rig).push_shipment(shipment(canceled))


def incoming(rig: Rig) -> list[IncomingWebhook]:
    due = rig.emulator.due_webhooks(rig.clock.now())
    parts = urlsplit(CALLBACK)
    base = f"{parts.scheme}://{parts.netloc}"
    return [IncomingWebhook(base + d.request.path, d.request.headers, d.request.body) for d in due]


def receive(rig: Rig, webhook: IncomingWebhook) -> Sequence[RawDocument]:
    assert rig.record.receive is not None
    return rig.record.receive(rig.settings, webhook)


def signed(body: bytes, secret: str = SIGNATURE_KEY, url: str = CALLBACK) -> IncomingWebhook:
    digest = hmac.new(secret.encode(), url.encode() + body, hashlib.sha256).digest()
    return IncomingWebhook(url, {"x-square-hmacsha256-signature": base64.b64encode(digest).decode()}, body)


def test_webhooks_are_subscribed_once_and_mended(rig: Rig) -> None:
    connection = connect(rig)
    assert connection.ensure_webhooks(CALLBACK) == list(EVENT_TYPES)
    assert connection.ensure_webhooks(CALLBACK) == []
    subscriptions = square(rig)._account.events.subscriptions
    [subscription] = subscriptions.values()
    subscription["event_types"] = ["order.created", "catalog.version.updated"]
    missing = [kind for kind in EVENT_TYPES if kind != "order.created"]
    assert connection.ensure_webhooks(CALLBACK) == missing
    assert subscription["event_types"] == sorted([*EVENT_TYPES, "catalog.version.updated"])
    subscription["enabled"] = False
    assert connection.ensure_webhooks(CALLBACK) == list(EVENT_TYPES)
    assert subscription["enabled"] is True
    assert len(subscriptions) == 1


def test_a_till_sale_announces_itself_by_its_count_and_a_hint(rig: Rig) -> None:
    connect(rig).ensure_webhooks(CALLBACK)
    bought = rig.emulator.buy([BasketLine("MUG-01", 2)], SHOPPER, MAIN, rig.clock.now())
    assert bought.order_id is not None
    count, hint = [document for webhook in incoming(rig) for document in receive(rig, webhook)]
    assert (count.topic, hint.topic) == (COUNTS_UPDATED, ORDER_HINT)
    assert {count.heard, hint.heard} == {Heard.WEBHOOK}
    assert facts([count]) == [
        StockObservation(
            channel="till",
            listing_external_id=key(rig, "MUG-01").stock_id,
            stock_point=MAIN,
            units=3,
            observed_at=rig.clock.now(),
        )
    ]
    assert facts([hint]) == []
    assert hint.document_id == bought.order_id
    [order] = [fact for fact in facts([connect(rig).fetch_order(hint.document_id)]) if isinstance(fact, Order)]
    assert order.external_id == bought.order_id


def test_a_return_announces_the_order_that_gives_back(rig: Rig) -> None:
    connect(rig).ensure_webhooks(CALLBACK)
    back = rig.emulator.give_back(None, [BasketLine("MUG-01", 1)], MAIN, rig.clock.now())
    heard = [document for webhook in incoming(rig) for document in receive(rig, webhook)]
    [hint] = [document for document in heard if document.topic == ORDER_HINT]
    [returned] = facts([connect(rig).fetch_order(hint.document_id)])
    assert isinstance(returned, Return)
    assert returned.external_id == back


@pytest.mark.parametrize("kind", ["order.created", "order.updated", "order.fulfillment.updated"])
def test_an_order_event_is_a_hint(rig: Rig, kind: str) -> None:
    name = kind.replace(".", "_")
    body = {
        "type": kind,
        "event_id": "e-1",
        "created_at": "2026-03-02T09:00:00.123456789Z",
        "data": {"type": name, "id": "O1", "object": {name: {"order_id": "O1", "version": 2, "state": "OPEN"}}},
    }
    [hint] = receive(rig, signed(json.dumps(body).encode()))
    assert (hint.topic, hint.document_id, hint.event_id) == (ORDER_HINT, "O1", "e-1")
    assert hint.happened_at == datetime(2026, 3, 2, 9, 0, 0, 123456, UTC)


def test_a_payment_leaves_no_personal_data_behind(rig: Rig) -> None:
    payment = {"id": "P1", "order_id": "O1", "buyer_email_address": "ada@example.org", "card_details": {"last_4": "1"}}
    body = {"type": "payment.updated", "event_id": "e-2", "data": {"id": "P1", "object": {"payment": payment}}}
    [hint] = receive(rig, signed(json.dumps(body).encode()))
    assert hint.document_id == "O1"
    assert json.loads(hint.body) == {
        "type": "payment.updated",
        "event_id": "e-2",
        "order_id": "O1",
        "created_at": None,
    }
    body["data"] = {"id": "P1", "object": {"payment": {"id": "P1"}}}
    assert receive(rig, signed(json.dumps(body).encode())) == []


def test_another_event_holds_nothing_for_stock(rig: Rig) -> None:
    body = b'{"type": "catalog.version.updated", "event_id": "e", "data": {}}'
    assert receive(rig, signed(body)) == []


BODY = b'{"type": "inventory.count.updated", "event_id": "e", "data": {"id": "d"}}'


def test_both_keys_sign_and_nothing_else_does(rig: Rig) -> None:
    assert len(receive(rig, signed(BODY))) == len(receive(rig, signed(BODY, "old key"))) == 1
    for forged in (
        signed(BODY, "a stranger's key"),
        signed(BODY, url="https://hub.example/webhooks/other"),
        IncomingWebhook(CALLBACK, {}, BODY),
        IncomingWebhook(CALLBACK, signed(BODY).headers, BODY + b" "),
        IncomingWebhook(CALLBACK, {"x-square-hmacsha256-signature": "é"}, BODY),
    ):
        webhook = IncomingWebhook(CALLBACK, forged.headers, forged.body)
        with pytest.raises(RefusedError, match="no signature of ours"):
            receive(rig, webhook)
    rig.settings = settings(webhook_secrets=())
    with pytest.raises(RefusedError, match="no signature of ours"):
        receive(rig, signed(BODY, ""))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"\xff\xfe", b'{"type": "order.created"}', b'{"type": 1, "event_id": "e", "data": {}}', BODY[:30]],
)
def test_what_is_no_event_is_refused(rig: Rig, body: bytes) -> None:
    with pytest.raises(RefusedError, match="not"):
        receive(rig, signed(body))


@pytest.mark.parametrize("body", [b"[]", b"not json", b'{"errors": [{"code": "X"}]}', b'{"locations": [{}]}'])
def test_an_answer_outside_the_contract_is_a_contract_error(rig: Rig, body: bytes) -> None:
    answer = HttpResponse(200, {"content-type": "application/json"}, body)
    with pytest.raises(ContractError):
        list(connect(rig, lambda request: answer).pull_places())


@pytest.mark.parametrize(
    "count",
    [{"quantity": "5"}, {"catalog_object_id": "V", "location_id": "L", "state": "IN_STOCK", "quantity": "five"}],
)
def test_counts_that_cannot_be_read_are_a_contract_error(rig: Rig, count: dict[str, str]) -> None:
    answer = HttpResponse(200, {}, json.dumps({"counts": [count]}).encode())
    with pytest.raises(ContractError, match="counts that cannot be read"):
        connect(rig, lambda request: answer).read_levels([LevelKey("V", "L")])


def test_every_request_signs_in_and_names_the_version(rig: Rig) -> None:
    connect(rig).check()
    for request in rig.requests:
        assert request.headers["authorization"] == "Bearer emulated-square-token"
        assert request.headers["square-version"] == "2025-08-20"


def test_the_record_declares_what_its_number_means() -> None:
    declared = CHANNEL.capabilities
    assert (declared.decrements_at, declared.restocks_on_cancel, declared.write_batch) == ("payment", False, 100)
    assert (declared.stock_meaning, declared.write_mode) == ("available", "last_writer_wins")
