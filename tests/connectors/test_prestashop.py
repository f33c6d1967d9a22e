"""PrestaShop's connector against the emulated shop, and against answers that only a sick server gives."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.errors import (
    ConnectorError,
    ContractError,
    CredentialsError,
    NoAnswerError,
    RefusedError,
    ScopeError,
    ThrottledError,
    UnavailableError,
)
from connectors.prestashop import CHANNEL, PrestaShopSettings
from connectors.prestashop_orders import earliest_utc, first_local
from connectors.records import ChannelConnection, Page
from connectors.transport import HttpRequest, HttpResponse
from nervure.clock import ManualClock
from schemas.documents import Fact, RawDocument, Translation
from schemas.fulfillment import FulfillmentLine, Parcel, ReadyNotice, Shipment
from schemas.levels import LevelAnswer, LevelKey, LevelReading, LevelWrite, WriteOutcome
from schemas.orders import DeliveryMethod, Order, OrderState, Return
from schemas.publications import ChannelListing, ChannelPlace
from schemas.stock import StockObservation
from simulation.platform import BasketLine, CatalogueEntry, Shopper
from simulation.platforms.prestashop import KEY, NEIGHBORS_UNITS, READ_ONLY_KEY, PrestaShopEmulator
from tests.connectors.conformance import START, Rig

SHOPPER = Shopper("Ann Lee", "ann@example.com", "FR", "75001", "Paris", "1 rue du Test")
PARIS = "Europe/Paris"


def catalogue() -> list[CatalogueEntry]:
    simple = [CatalogueEntry(f"SKU-{n:02}", f"Thing {n}", Decimal("19.99")) for n in range(1, 11)]
    shirts = [
        CatalogueEntry(f"SHIRT-{size}", "Shirt", Decimal("25.00"), parent="SHIRT", options={"Size": size})
        for size in ("S", "M", "L")
    ]
    return [*simple, *shirts]


def make_rig(points: tuple[str, ...] = ("1",), clock: ManualClock | None = None, **options: Any) -> Rig:
    """One shop of an installation that has another one: thirteen skus, three of them variants, ten units of each.

    An account has one stock point: the other shop's rows are there to be leaked.
    """
    emulator = PrestaShopEmulator(time_zone=PARIS)
    clock = clock or ManualClock(START)
    emulator.load(catalogue(), points, clock.now())
    for entry in catalogue():
        emulator.set_shelf(entry.sku, points[0], 10, clock.now())
    given_settings = PrestaShopSettings(
        **{
            "name": "prestashop",
            "url": "https://shop.example",
            "time_zone": PARIS,
            "key": SecretStr(KEY),
            "id_shop": 1,
            **options,
        }
    )
    return Rig(CHANNEL, given_settings, emulator, points, clock)


def shop_of(rig: Rig) -> PrestaShopEmulator:
    assert isinstance(rig.emulator, PrestaShopEmulator)
    return rig.emulator


def key_of(rig: Rig, sku: str, point: str = "1") -> LevelKey:
    return LevelKey(str(shop_of(rig).row_of(sku, point)["id"]), "1")


def buy(rig: Rig, *lines: tuple[str, int]) -> str:
    bought = rig.emulator.buy([BasketLine(*line) for line in lines], SHOPPER, "1", rig.clock.now())
    assert bought.order_id is not None
    return bought.order_id


def order_row(rig: Rig, order: str) -> dict[str, Any]:
    return shop_of(rig).shop.tables["orders"].rows[int(order)]


def documents(pages: Iterator[Page]) -> list[RawDocument]:
    return [document for page in pages for document in page.documents]


def facts(rig: Rig, pages: Iterator[Page]) -> list[Fact]:
    translation = Translation("prestashop", rig.settings.time_zone)
    return [fact for document in documents(pages) for fact in CHANNEL.translate(document, translation)]


def orders(rig: Rig, since: datetime, connection: ChannelConnection | None = None) -> list[Order]:
    found = facts(rig, (connection or rig.connect()).pull_orders(since))
    return [fact for fact in found if isinstance(fact, Order)]


def patches(rig: Rig) -> list[HttpRequest]:
    return [request for request in rig.requests if request.method == "PATCH"]


def writes(rig: Rig) -> list[HttpRequest]:
    return [request for request in rig.requests if request.method != "GET"]


def disturbed(
    rig: Rig, when: Callable[[HttpRequest], bool], response: HttpResponse | ConnectorError, *, after: bool = False
) -> Callable[[HttpRequest], HttpResponse]:
    """A wire that gives `response` instead of the emulator's answer; `after`: the emulator has done its work first."""

    def send(request: HttpRequest) -> HttpResponse:
        if not when(request):
            return rig.wire(request)
        if after:
            rig.wire(request)
        if isinstance(response, ConnectorError):
            raise response
        return response

    return send


def is_patch(request: HttpRequest) -> bool:
    return request.method == "PATCH"


def always(request: HttpRequest) -> bool:
    return True


HTML = {"content-type": "text/html; charset=utf-8"}


def test_check_names_the_shop() -> None:
    assert make_rig().connect().check() == "PrestaShop shop 1 'Shop 1', stock point 1, times in Europe/Paris"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_zone": "America/New_York"}, "the shop's clock is in Europe/Paris, the settings say America/New_York"),
        ({"id_shop_group": 4}, "keeps no stock at point 'group-4'"),
        ({"canceled_state": 77}, "canceled_state name order states that do not exist"),
        ({"shipped_state": 77}, "shipped_state name order states that do not exist"),
        ({"ready_state": 77}, "ready_state name order states that do not exist"),
        ({"id_shop": 2}, "no shop 2"),
    ],
)
def test_check_finds_settings_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        make_rig(**options).connect().check()


def test_check_goes_without_the_right_to_read_the_time_zone() -> None:
    rig = make_rig()
    body = b'{"errors":[{"code":26,"message":"Resource of type \\"configurations\\" is not allowed"}]}'
    send = disturbed(rig, lambda request: "configurations" in request.path, HttpResponse(401, {}, body))

    assert "the key may not read PS_TIMEZONE" in rig.connect(send).check()


def test_the_key_signs_every_call_in_and_is_in_no_error() -> None:
    rig = make_rig(key=SecretStr("NOSUCHKEY"))

    with pytest.raises(CredentialsError, match="does not know this key") as caught:
        rig.connect().check()

    assert "NOSUCHKEY" not in str(caught.value) + repr(rig.settings)
    assert rig.requests[0].headers["authorization"] == "Basic Tk9TVUNIS0VZOg=="
    assert all("NOSUCHKEY" not in request.path for request in rig.requests)


def test_the_place_is_the_shop() -> None:
    rig = make_rig()

    assert facts(rig, rig.connect().pull_places()) == [
        ChannelPlace(channel="prestashop", stock_point="1", name="Shop 1", is_active=True)
    ]


def test_the_catalogue_is_products_and_combinations_with_their_stock_rows() -> None:
    rig = make_rig()

    found = [fact for fact in facts(rig, rig.connect().pull_catalogue()) if isinstance(fact, ChannelListing)]

    assert [(one.sku, one.external_id, one.stock_id) for one in found] == [
        *((f"SKU-{n:02}", f"{n}:0", key_of(rig, f"SKU-{n:02}").stock_id) for n in range(1, 11)),
        *((f"SHIRT-{size}", f"11:{n}", key_of(rig, f"SHIRT-{size}").stock_id) for n, size in enumerate("SML", start=1)),
    ]
    assert [(one.title, one.options) for one in found[-3:]] == [("Shirt", {"Size": size}) for size in "SML"]


def test_a_listing_is_the_same_event_while_only_its_level_changes() -> None:
    rig = make_rig()
    before = [document.event_id for document in documents(rig.connect().pull_catalogue())]
    buy(rig, ("SKU-01", 1))

    assert [document.event_id for document in documents(rig.connect().pull_catalogue())] == before


def test_a_large_catalogue_is_read_whole_while_products_vanish() -> None:
    emulator = PrestaShopEmulator(time_zone=PARIS)
    many = [CatalogueEntry(f"N{n:04}", "Thing", Decimal(1)) for n in range(230)]
    emulator.load(many, ("1",), START)
    rig = Rig(CHANNEL, make_rig().settings, emulator, ("1",))

    def send(request: HttpRequest) -> HttpResponse:
        answer = rig.wire(request)
        if "/products?" in request.path:
            emulator.shop.tables["products"].rows.pop(5, None)
            if 5 in emulator.shop.tables["products"].ids:
                emulator.shop.tables["products"].ids.remove(5)
        return answer

    found = [fact for fact in facts(rig, rig.connect(send).pull_catalogue()) if isinstance(fact, ChannelListing)]

    assert [one.sku for one in found] == [entry.sku for entry in many]


@pytest.mark.requirement("R09")
def test_stock_is_read_of_our_shop_alone_and_sums_are_left_out() -> None:
    rig = make_rig()
    rig.emulator.set_shelf("SKU-01", "1", 0, START)
    rig.emulator.set_shelf("SHIRT-M", "1", -2, START)

    found = facts(rig, rig.connect().pull_stock(["1"]))

    shown = {fact.listing_external_id: fact.units for fact in found if isinstance(fact, StockObservation)}
    expected = {f"{n}:0": 10 for n in range(2, 11)} | {"1:0": 0, "11:1": 10, "11:2": -2, "11:3": 10}
    assert shown == expected
    assert all("filter[id_shop]=[1]" in request.path for request in rig.requests)


def test_a_filter_that_is_ignored_lets_no_foreign_row_in() -> None:
    rig = make_rig()

    def send(request: HttpRequest) -> HttpResponse:
        bare = request.path.replace("filter[id_shop]=[1]&", "").replace("filter[id_shop_group]=[0]&", "")
        return rig.wire(HttpRequest(request.method, bare, request.headers, request.body))

    connection = rig.connect(send)

    assert len(facts(rig, connection.pull_stock(["1"]))) == 13
    [reading] = connection.read_levels([key_of(rig, "SKU-01", "99")])
    assert reading.units is None


def test_stock_of_another_point_is_not_ours() -> None:
    rig = make_rig()

    assert facts(rig, rig.connect().pull_stock(["2"])) == []
    assert rig.requests == []


def test_every_reading_is_an_event_of_its_own() -> None:
    rig = make_rig()
    connection = rig.connect()
    [first] = documents(connection.pull_stock(["1"]))
    [again] = documents(connection.pull_stock(["1"]))
    rig.clock.advance(60)
    [later] = documents(connection.pull_stock(["1"]))

    assert first.event_id == again.event_id != later.event_id


def test_a_product_is_never_spread_over_two_stock_documents() -> None:
    emulator = PrestaShopEmulator(time_zone=PARIS)
    sizes = [
        CatalogueEntry(f"P{product}-{size}", "Shirt", Decimal(1), parent=f"P{product}", options={"Size": str(size)})
        for product in range(7)
        for size in range(99)
    ]
    emulator.load(sizes, ("1",), START)
    rig = Rig(CHANNEL, make_rig().settings, emulator, ("1",))

    found = documents(rig.connect().pull_stock(["1"]))

    assert [len(json.loads(document.body)["rows"]) for document in found] == [500, 200]
    observed = [fact for document in found for fact in CHANNEL.translate(document, Translation("prestashop", PARIS))]
    assert len(observed) == 7 * 99


def test_a_level_is_one_patch_and_its_answer_confirms_it() -> None:
    rig = make_rig()
    keys = [key_of(rig, "SKU-01"), key_of(rig, "SHIRT-L"), key_of(rig, "SKU-02")]

    answers = rig.connect().write_levels(
        [LevelWrite(key, units) for key, units in zip(keys, (4, 0, 12), strict=True)], idempotency_key="k"
    )

    assert answers == [LevelAnswer(key, WriteOutcome.CONFIRMED) for key in keys]
    shelf = rig.emulator.shelf()
    assert (shelf["SKU-01", "1"], shelf["SHIRT-L", "1"], shelf["SKU-02", "1"]) == (4, 0, 12)
    first = patches(rig)[0]
    assert len(patches(rig)) == 3
    assert first.path == f"/api/stock_availables/{keys[0].stock_id}?output_format=JSON"
    assert first.headers["content-type"] == "text/xml"
    assert (
        first.body
        == (
            f"<prestashop><stock_available><id>{keys[0].stock_id}</id><quantity>4</quantity></stock_available></prestashop>"
        ).encode()
    )


def test_rows_are_looked_up_once_a_connection() -> None:
    rig = make_rig()
    connection = rig.connect()
    write = LevelWrite(key_of(rig, "SKU-01"), 4)

    for _ in range(3):
        connection.write_levels([write], idempotency_key="k")

    assert rig.emulator.requests_by_operation() == {"GET stock_availables": 2, "PATCH stock_availables": 3}


@pytest.mark.parametrize("stock_id", ["999999", "../orders/1", "", "-1", "007"])
def test_a_row_that_is_gone_is_refused_and_the_others_are_written(stock_id: str) -> None:
    rig = make_rig()
    good = key_of(rig, "SKU-02")

    refused, confirmed = rig.connect().write_levels(
        [LevelWrite(LevelKey(stock_id, "1"), 4), LevelWrite(good, 5)], idempotency_key="k"
    )

    assert refused.outcome is WriteOutcome.REFUSED
    assert refused.reason == f"stock row {stock_id!r} is gone, or belongs to another shop"
    assert confirmed.outcome is WriteOutcome.CONFIRMED
    assert len(patches(rig)) == 1


def test_a_row_that_vanishes_after_it_was_seen_is_refused() -> None:
    rig = make_rig()
    body = b'{"errors":[{"code":92,"message":"Invalid ID"}]}'
    connection = rig.connect(disturbed(rig, is_patch, HttpResponse(404, {}, body)))

    [answer] = connection.write_levels([LevelWrite(key_of(rig, "SKU-01"), 4)], idempotency_key="k")

    assert answer.outcome is WriteOutcome.REFUSED
    assert answer.reason is not None
    assert "Invalid ID (code 92)" in answer.reason


def test_the_neighbors_row_is_never_written() -> None:
    rig = make_rig()

    [answer] = rig.connect().write_levels([LevelWrite(key_of(rig, "SKU-01", "99"), 0)], idempotency_key="k")

    assert answer.outcome is WriteOutcome.REFUSED
    assert patches(rig) == []
    assert shop_of(rig).row_of("SKU-01", "99")["quantity"] == NEIGHBORS_UNITS


def test_a_sum_is_never_written() -> None:
    rig = make_rig()
    total = next(
        row for row in shop_of(rig).shop.tables["stock_availables"].of("id_product", 11) if row["id_shop"] == 1
    )

    [answer] = rig.connect().write_levels([LevelWrite(LevelKey(str(total["id"]), "1"), 0)], idempotency_key="k")

    assert answer.outcome is WriteOutcome.REFUSED
    assert answer.reason is not None
    assert "the sum of a product's combinations" in answer.reason
    assert (patches(rig), total["quantity"]) == ([], 30)


def test_another_stock_point_is_refused() -> None:
    rig = make_rig()
    key = LevelKey(key_of(rig, "SKU-01").stock_id, "2")

    [answer] = rig.connect().write_levels([LevelWrite(key, 1)], idempotency_key="k")

    assert answer == LevelAnswer(key, WriteOutcome.REFUSED, "this account's stock point is '1', not '2'")
    assert rig.requests == []


@pytest.mark.requirement("R31")
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"id": "{id}", "id_shop": 1, "quantity": "3"}, "the shop answered with 3 where 4 were sent"),
        ({"id": "{id}", "id_shop": 1}, "the shop answered with 0 where 4 were sent"),
        ({"id": "{id}", "id_shop": 99, "quantity": "4"}, "with another row"),
        ({"id": "1234", "id_shop": 1, "quantity": "4"}, "with another row"),
        (None, "something that is not the row"),
    ],
)
def test_an_answer_that_does_not_prove_the_number_is_unknown(row: dict[str, Any] | None, reason: str) -> None:
    rig = make_rig()
    key = key_of(rig, "SKU-01")
    body = json.dumps({"stock_available": row}).replace("{id}", key.stock_id).encode()
    connection = rig.connect(disturbed(rig, is_patch, HttpResponse(200, {}, body)))

    [answer] = connection.write_levels([LevelWrite(key, 4)], idempotency_key="k")

    assert answer.outcome is WriteOutcome.UNKNOWN
    assert answer.reason is not None
    assert reason in answer.reason


@pytest.mark.requirement("R36")
def test_a_time_out_is_unknown_is_not_sent_again_and_reads_back() -> None:
    rig = make_rig()
    key = key_of(rig, "SKU-01")
    send = disturbed(rig, is_patch, NoAnswerError("no answer"), after=True)
    connection = rig.connect(send)

    [answer] = connection.write_levels([LevelWrite(key, 4)], idempotency_key="k")

    assert answer.outcome is WriteOutcome.UNKNOWN
    assert len(patches(rig)) == 1
    assert connection.read_levels([key]) == [LevelReading(key, 4)]


def test_a_shop_that_stopped_answering_is_left_alone() -> None:
    rig = make_rig()
    keys = [key_of(rig, f"SKU-{n:02}") for n in range(1, 6)]
    sent: list[HttpRequest] = []

    def send(request: HttpRequest) -> HttpResponse:
        if request.method == "GET":
            return rig.wire(request)
        sent.append(request)
        raise NoAnswerError("no answer")

    answers = rig.connect(send).write_levels([LevelWrite(key, 4) for key in keys], idempotency_key="k")

    assert [answer.outcome for answer in answers] == [WriteOutcome.UNKNOWN] * 3 + [WriteOutcome.NOT_APPLIED] * 2
    assert len(sent) == 3


def test_no_answer_before_anything_was_written_is_unknown() -> None:
    rig = make_rig()
    write = LevelWrite(key_of(rig, "SKU-01"), 4)

    answers = rig.connect(disturbed(rig, always, NoAnswerError("no answer"))).write_levels([write], idempotency_key="k")

    assert [answer.outcome for answer in answers] == [WriteOutcome.UNKNOWN]
    assert rig.emulator.shelf()["SKU-01", "1"] == 10


def test_throttling_is_waited_for_when_short_and_raised_when_long() -> None:
    rig = make_rig()
    write = LevelWrite(key_of(rig, "SKU-01"), 4)
    waits = iter([HttpResponse(429, {"retry-after": "3"}), HttpResponse(503, {}, b"<html>maintenance</html>")])

    def send(request: HttpRequest) -> HttpResponse:
        return next(waits, None) or rig.wire(request) if is_patch(request) else rig.wire(request)

    [answer] = rig.connect(send).write_levels([write], idempotency_key="k")
    assert answer.outcome is WriteOutcome.CONFIRMED
    assert rig.clock.now() >= START + timedelta(seconds=3)

    with pytest.raises(ThrottledError) as caught:
        rig.connect(disturbed(rig, is_patch, HttpResponse(429, {"retry-after": "90"}))).write_levels(
            [LevelWrite(key_of(rig, "SKU-02"), 4)], idempotency_key="k"
        )
    assert caught.value.retry_after_seconds == 90
    assert rig.emulator.shelf()["SKU-02", "1"] == 10


@pytest.mark.requirement("R26")
def test_throttling_amid_a_batch_leaves_the_rest_to_be_sent_again() -> None:
    rig = make_rig()
    keys = [key_of(rig, f"SKU-{n:02}") for n in range(1, 4)]
    send = disturbed(
        rig, lambda request: is_patch(request) and len(patches(rig)) == 1, HttpResponse(429, {"retry-after": "90"})
    )

    answers = rig.connect(send).write_levels([LevelWrite(key, 4) for key in keys], idempotency_key="k")

    assert [answer.outcome for answer in answers] == [
        WriteOutcome.CONFIRMED,
        WriteOutcome.NOT_APPLIED,
        WriteOutcome.NOT_APPLIED,
    ]
    assert [rig.emulator.shelf()[f"SKU-{n:02}", "1"] for n in range(1, 4)] == [4, 10, 10]


def test_a_key_that_may_not_write_is_a_scope_matter_and_writes_nothing() -> None:
    rig = make_rig(key=SecretStr(READ_ONLY_KEY))

    with pytest.raises(ScopeError, match="PATCH is not allowed"):
        rig.connect().write_levels([LevelWrite(key_of(rig, "SKU-01"), 4)], idempotency_key="k")

    assert rig.emulator.shelf()["SKU-01", "1"] == 10


def test_what_the_shop_cannot_read_as_xml_is_refused_and_not_sent_again() -> None:
    rig = make_rig()
    sent: list[HttpRequest] = []
    body = b'{"errors":[{"code":127,"message":"XML error : ... Original XML : <secret>"}]}'

    def send(request: HttpRequest) -> HttpResponse:
        if not is_patch(request):
            return rig.wire(request)
        sent.append(request)
        return HttpResponse(500, {}, body)

    [answer] = rig.connect(send).write_levels([LevelWrite(key_of(rig, "SKU-01"), 4)], idempotency_key="k")

    assert (answer.outcome, len(sent)) == (WriteOutcome.REFUSED, 1)
    assert answer.reason is not None
    assert "code 127" in answer.reason
    assert "secret" not in answer.reason


@pytest.mark.parametrize(
    ("response", "error", "message"),
    [
        (HttpResponse(200, HTML, b"<html><body>Back soon"), ContractError, "a page instead of JSON"),
        (
            HttpResponse(200, HTML, b'<br />\n<b>Warning</b>: x in <b>/var</b><br />\n{"shops":[]}'),
            ContractError,
            "PHP messages before the JSON",
        ),
        (HttpResponse(200, {}, b"\xef\xbb\xbfoops"), ContractError, "something that is not JSON"),
        (HttpResponse(200, {}, b'{"shops":{"a":1}}'), ContractError, "not a list of rows"),
        (HttpResponse(200, {}, b'{"shops":[{"name":"x"}]}'), ContractError, "not a list of rows"),
        (HttpResponse(301, {"location": "https://www.shop.example/"}), ContractError, "redirects to another address"),
        (HttpResponse(401, HTML, b"401 Unauthorized"), CredentialsError, "is off, or does not know this key"),
        (
            HttpResponse(403, {}, b'{"errors":[{"code":132,"message":"No permission for this key on this shop"}]}'),
            ScopeError,
            "bound to another shop",
        ),
        (HttpResponse(503, HTML, b"<html>"), UnavailableError, "down for maintenance"),
        (HttpResponse(500, HTML, b""), NoAnswerError, "the platform failed"),
        (
            HttpResponse(400, {}, b'{"errors":[{"code":32,"message":"This filter does not exist."}]}'),
            ContractError,
            "This filter does not exist",
        ),
        (HttpResponse(404, {}, b""), RefusedError, "404"),
        (HttpResponse(429, {"retry-after": "60"}), ThrottledError, "wait 60 s"),
    ],
)
def test_what_a_sick_server_says_is_told_clearly(
    response: HttpResponse, error: type[ConnectorError], message: str
) -> None:
    rig = make_rig()

    with pytest.raises(error, match=message):
        rig.connect(disturbed(rig, always, response)).check()


def test_levels_are_read_back_in_their_order() -> None:
    rig = make_rig()
    rig.emulator.set_shelf("SKU-02", "1", 0, START)
    keys = [key_of(rig, "SKU-02"), LevelKey("999999", "1"), key_of(rig, "SKU-01"), LevelKey("x", "1")]
    keys += [LevelKey(keys[0].stock_id, "2"), key_of(rig, "SKU-01", "99")]

    readings = rig.connect().read_levels(keys)

    assert [reading.units for reading in readings] == [0, None, 10, None, None, None]
    assert [reading.key for reading in readings] == keys


def test_many_levels_are_read_in_calls_of_a_hundred() -> None:
    rig = make_rig()

    rig.connect().read_levels([LevelKey(str(number), "1") for number in range(1, 251)])

    assert rig.emulator.requests_by_operation() == {"GET stock_availables": 3}


def test_a_group_that_shares_its_stock_is_one_stock_point() -> None:
    rig = make_rig(("group-2",), id_shop_group=2)
    row = shop_of(rig).row_of("SKU-01", "group-2")
    key = LevelKey(str(row["id"]), "group-2")
    connection = rig.connect()

    assert connection.check() == "PrestaShop shop 1 'Shop 1', stock point group-2, times in Europe/Paris"
    assert facts(rig, connection.pull_places()) == [
        ChannelPlace(channel="prestashop", stock_point="group-2", name="Group 2")
    ]
    [answer] = connection.write_levels([LevelWrite(key, 3)], idempotency_key="k")
    assert answer == LevelAnswer(key, WriteOutcome.CONFIRMED)
    assert (row["id_shop"], row["quantity"]) == (0, 3)
    assert len(facts(rig, connection.pull_stock(["group-2"]))) == 13
    assert len(facts(rig, connection.pull_catalogue())) == 13


def test_an_order_is_joined_and_keeps_nothing_secret() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 2), ("SHIRT-M", 1))

    [page] = rig.connect().pull_orders(START - timedelta(minutes=5))

    [document] = page.documents
    [order] = CHANNEL.translate(document, Translation("prestashop", PARIS))
    assert isinstance(order, Order)
    assert (order.external_id, order.state, order.total) == (number, OrderState.OPEN, Decimal("69.880000"))
    assert [(line.listing_external_id, line.units, line.line_total) for line in order.lines] == [
        ("1:0", 2, Decimal("39.980000")),
        ("11:2", 1, Decimal("25.000000")),
    ]
    assert order.customer is not None
    assert (order.customer.name, order.customer.email) == ("Ann Lee", "ann@example.com")
    assert order.delivery.address is not None
    assert (order.delivery.address.country, order.delivery.address.lines) == ("FR", ("1 rue du Test",))
    assert (order.placed_at, order.updated_at, page.watermark) == (START, START, START)
    for secret in (b"secure_key", b"passwd", b"$2y$10$", b"5ec2e7f00d"):
        assert secret not in document.body
    assert all("display=full" not in request.path for request in rig.requests if "customers" in request.path)


def test_orders_of_the_neighbor_are_not_ours() -> None:
    rig = make_rig()
    order_row(rig, buy(rig, ("SKU-01", 1)))["id_shop"] = 99

    assert orders(rig, START - timedelta(hours=1)) == []
    with pytest.raises(RefusedError, match="shop 1 has no order '1'"):
        rig.connect().push_cancellation("1", {"1": 1})


def test_a_page_of_orders_is_joined_with_few_calls() -> None:
    rig = make_rig()
    for _ in range(30):
        rig.emulator.set_shelf("SKU-01", "1", 10, rig.clock.now())
        buy(rig, ("SKU-01", 1))
    connection = rig.connect()
    assert len(orders(rig, START - timedelta(hours=1), connection)) == 30
    first = sum(rig.emulator.requests_by_operation().values())

    assert len(orders(rig, START - timedelta(hours=1), connection)) == 30

    assert first == 10
    assert sum(rig.emulator.requests_by_operation().values()) - first == 7


def test_what_is_read_again_unchanged_is_the_same_event() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 1))
    since = START - timedelta(minutes=5)
    [before] = documents(rig.connect().pull_orders(since))
    rig.clock.advance(120)
    [again] = documents(rig.connect().pull_orders(since))
    shop_of(rig).shop.change_state(order_row(rig, number), 3, rig.clock.now())
    [changed] = documents(rig.connect().pull_orders(since))

    assert before.event_id == again.event_id != changed.event_id
    assert before.document_id == changed.document_id == number


def test_a_new_state_is_looked_up_when_it_turns_up() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 1))
    connection = rig.connect()
    since = START - timedelta(minutes=5)
    orders(rig, since, connection)
    states = shop_of(rig).shop.tables["order_states"]
    states.add({**states.rows[2], "id": 40, "shipped": 1})
    shop_of(rig).shop.change_state(order_row(rig, number), 40, START)

    [order] = orders(rig, since, connection)

    assert order.state is OrderState.COMPLETED


def test_failed_payments_and_unpaid_orders_are_told_apart() -> None:
    rig = make_rig()
    failed, unpaid = buy(rig, ("SKU-01", 1)), buy(rig, ("SKU-01", 1))
    shop_of(rig).shop.change_state(order_row(rig, failed), 8, START)
    shop_of(rig).shop.change_state(order_row(rig, unpaid), 10, START)

    found = {order.external_id: order for order in orders(rig, START - timedelta(minutes=5))}

    assert found[failed].state is OrderState.CANCELED
    assert [line.units_canceled for line in found[failed].lines] == [1]
    assert found[unpaid].state is OrderState.AWAITING_PAYMENT
    assert rig.emulator.shelf()["SKU-01", "1"] == 9


@pytest.mark.requirement("R38")
def test_a_return_is_heard_although_the_orders_date_stands_still() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 3))
    shop_of(rig).shop.change_state(order_row(rig, number), 4, START)
    rig.clock.advance(3600)
    since = rig.clock.now() - timedelta(minutes=1)
    slip = rig.emulator.give_back(number, [BasketLine("SKU-01", 2)], "1", rig.clock.now())

    found = facts(rig, rig.connect().pull_orders(since))

    [order] = [fact for fact in found if isinstance(fact, Order)]
    [goods] = [fact for fact in found if isinstance(fact, Return)]
    assert (order.state, order.updated_at) == (OrderState.COMPLETED, rig.clock.now())
    assert (goods.external_id, goods.order, goods.occurred_at) == (slip, number, rig.clock.now())
    assert [(line.units, line.restocked, line.order_line) for line in goods.lines] == [(2, True, "1")]


def test_a_refund_after_shipping_without_goods_moves_only_money() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 3))
    shop_of(rig).shop.change_state(order_row(rig, number), 4, START)
    shop_of(rig).refund(number, [BasketLine("SKU-01", 1)], START, restock=False)

    found = facts(rig, rig.connect().pull_orders(START))

    returns = {(fact.external_id, fact.lines[0].restocked) for fact in found if isinstance(fact, Return)}
    assert returns == {("1", False)}
    assert rig.emulator.shelf()["SKU-01", "1"] == 7


def test_a_refund_before_shipping_is_canceled_units() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 3))
    shop_of(rig).refund(number, [BasketLine("SKU-01", 2)], START, restock=True)

    found = facts(rig, rig.connect().pull_orders(START))

    assert not [fact for fact in found if isinstance(fact, Return)]
    assert {(fact.lines[0].units, fact.lines[0].units_canceled) for fact in found if isinstance(fact, Order)} == {
        (3, 2)
    }
    assert rig.emulator.shelf()["SKU-01", "1"] == 9


def test_orders_are_paged_by_date_and_the_watermark_comes_from_their_rows() -> None:
    rig = make_rig()
    for _ in range(120):
        rig.emulator.set_shelf("SKU-01", "1", 10, rig.clock.now())
        buy(rig, ("SKU-01", 1))
        rig.clock.advance(1)

    pages = list(rig.connect().pull_orders(START))

    assert [int(document.document_id) for page in pages for document in page.documents] == list(range(1, 121))
    assert [page.watermark for page in pages] == [START + timedelta(seconds=s) for s in (49, 98, 119)]


def test_a_watermark_is_never_later_than_the_pull_began() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 1))
    order_row(rig, number)["date_upd"] = "2031-01-01 00:00:00"

    [page] = rig.connect().pull_orders(START)

    assert page.watermark == START


@pytest.mark.requirement("R25")
def test_orders_that_move_while_they_are_read_hide_no_other() -> None:
    rig = make_rig()
    for _ in range(160):
        rig.emulator.set_shelf("SKU-01", "1", 10, rig.clock.now())
        buy(rig, ("SKU-01", 1))
        rig.clock.advance(1)
    touched = iter(range(1, 160))

    def send(request: HttpRequest) -> HttpResponse:
        answer = rig.wire(request)
        if "/orders?" in request.path:
            for _ in range(5):
                shop_of(rig).shop.change_state(order_row(rig, str(next(touched))), 3, rig.clock.now())
                rig.clock.advance(1)
        return answer

    found = documents(rig.connect(send).pull_orders(START))

    assert {int(document.document_id) for document in found} == set(range(1, 161))
    assert len({document.event_id for document in found}) == len(found)


@pytest.mark.requirement("R25")
def test_more_orders_in_one_second_than_a_page_holds() -> None:
    rig = make_rig()
    for _ in range(130):
        rig.emulator.set_shelf("SKU-01", "1", 10, rig.clock.now())
        buy(rig, ("SKU-01", 1))

    found = documents(rig.connect().pull_orders(START))

    assert [int(document.document_id) for document in found] == list(range(1, 131))


AUTUMN = datetime(2026, 10, 24, 23, 0, tzinfo=UTC)
SPRING = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)


@pytest.mark.requirement("R25")
@pytest.mark.parametrize("start", [AUTUMN, SPRING])
@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(1, 2400), st.sampled_from(["buy", "change", "pull", "pull"])), min_size=4, max_size=14
    )
)
def test_no_order_is_lost_where_the_clock_is_set(start: datetime, steps: list[tuple[int, str]]) -> None:
    """Each version is heard with its own time by a pull that starts at the last watermark, no overlap taken off."""
    rig = make_rig(clock=ManualClock(start))
    connection = rig.connect()
    watermark = start - timedelta(minutes=10)
    due: dict[str, datetime] = {}
    for seconds, step in [*steps, (1, "pull")]:
        rig.clock.advance(seconds)
        if step == "buy":
            rig.emulator.set_shelf("SKU-01", "1", 10, rig.clock.now())
            due[buy(rig, ("SKU-01", 1))] = rig.clock.now()
        elif step == "change" and shop_of(rig).shop.tables["orders"].rows:
            number = str(shop_of(rig).shop.tables["orders"].last_id)
            shop_of(rig).shop.change_state(order_row(rig, number), 3, rig.clock.now())
            due[number] = rig.clock.now()
        elif step == "pull":
            heard: dict[str, Order] = {}
            for page in connection.pull_orders(watermark):
                heard |= {fact.external_id: fact for fact in facts(rig, iter([page])) if isinstance(fact, Order)}
                watermark = page.watermark or watermark
            assert due.keys() <= heard.keys()
            assert all(heard[number].state is OrderState.OPEN for number in due)
            due.clear()


def test_the_double_hour_is_asked_for_from_its_beginning() -> None:
    paris = ZoneInfo(PARIS)
    assert first_local(datetime(2026, 10, 25, 0, 50, tzinfo=UTC), paris) == "2026-10-25 01:50:00"
    assert first_local(datetime(2026, 10, 25, 1, 10, tzinfo=UTC), paris) == "2026-10-25 02:10:00"
    assert first_local(datetime(2026, 3, 29, 0, 59, tzinfo=UTC), paris) == "2026-03-29 01:59:00"
    assert first_local(datetime(2026, 7, 1, 0, 0, tzinfo=UTC), paris) == "2026-07-01 02:00:00"
    assert earliest_utc("2026-10-25 02:10:00", paris) == datetime(2026, 10, 25, 0, 10, tzinfo=UTC)
    with pytest.raises(ContractError, match="where a date_upd was expected"):
        earliest_utc("yesterday", paris)


def shipment(order: str, *, number: str | None = "6A123", completes: bool = True) -> Shipment:
    return Shipment(
        external_id="S1",
        channel="prestashop",
        order=order,
        location="main",
        shipped_at=START,
        lines=(FulfillmentLine(order_line="1", units=1),),
        parcel=Parcel(carrier="colissimo", tracking_number=number) if number else None,
        completes_order=completes,
    )


def notice(order: str, **lines: int) -> ReadyNotice:
    return ReadyNotice(
        channel="prestashop",
        order=order,
        location="main",
        lines=tuple(FulfillmentLine(order_line=line.strip("_"), units=units) for line, units in lines.items()),
    )


def test_an_order_of_a_pickup_carrier_is_fetched_in_the_shop() -> None:
    rig = make_rig(pickup_carriers=(7,))
    sent, fetched = buy(rig, ("SKU-01", 1)), buy(rig, ("SKU-01", 1))
    order_row(rig, fetched)["id_carrier"] = 7
    found = {order.external_id: order.delivery for order in orders(rig, START)}
    assert (found[sent].method, found[sent].stock_point) == (DeliveryMethod.SHIP, None)
    assert (found[fetched].method, found[fetched].stock_point) == (DeliveryMethod.PICKUP, "1")


def test_what_is_ready_gets_the_shops_own_state_once_and_only_when_all_of_it_is() -> None:
    rig = make_rig(ready_state=3)
    number = buy(rig, ("SKU-01", 2), ("SKU-02", 1))
    connection = rig.connect()
    assert not connection.push_ready(notice(number, _1=2))
    assert not connection.push_ready(notice(number, _1=1, _2=1))
    assert writes(rig) == []
    assert [connection.push_ready(notice(number, _1=2, _2=1)) for _ in range(2)] == [True, True]
    [request] = writes(rig)
    assert (request.method, request.path) == ("POST", "/api/order_histories?output_format=JSON")
    assert order_row(rig, number)["current_state"] == 3
    connection.push_shipment(shipment(number))
    assert connection.push_ready(notice(number, _1=2, _2=1)), "it was fetched since"
    assert order_row(rig, number)["current_state"] == 4


def test_a_shop_without_such_a_state_is_told_nothing() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 1))
    before = len(rig.requests)
    assert not rig.connect().push_ready(notice(number, _1=1))
    assert len(rig.requests) == before


def test_a_canceled_order_is_not_ready() -> None:
    rig = make_rig(ready_state=3)
    number = buy(rig, ("SKU-01", 1))
    rig.connect().push_cancellation(number, {"1": 1})
    with pytest.raises(RefusedError, match="is canceled in PrestaShop"):
        rig.connect().push_ready(notice(number, _1=1))


def carrier_row(rig: Rig, order: str) -> dict[str, Any]:
    [row] = shop_of(rig).shop.tables["order_carriers"].of("id_order", int(order))
    return row


def test_a_shipment_writes_tracking_and_then_the_shipped_state_once() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 2))
    connection = rig.connect()

    connection.push_shipment(shipment(number))
    connection.push_shipment(shipment(number))

    assert [(request.method, request.path, request.body) for request in writes(rig)] == [
        (
            "PATCH",
            "/api/order_carriers/1?output_format=JSON",
            b"<prestashop><order_carrier><id>1</id><tracking_number>6A123</tracking_number></order_carrier></prestashop>",
        ),
        (
            "POST",
            "/api/order_histories?output_format=JSON",
            b"<prestashop><order_history><id_order>1</id_order><id_order_state>4</id_order_state></order_history>"
            b"</prestashop>",
        ),
    ]
    assert (order_row(rig, number)["current_state"], order_row(rig, number)["shipping_number"]) == (4, "6A123")
    assert rig.emulator.shipped() == {number: 2}


def test_a_part_of_an_order_tells_tracking_only() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 2))
    connection = rig.connect()

    connection.push_shipment(shipment(number, completes=False))
    connection.push_shipment(shipment(number, number="6B&4", completes=False))
    connection.push_shipment(shipment(number, number=None, completes=False))

    assert carrier_row(rig, number)["tracking_number"] == "6A123,6B&4"
    assert (order_row(rig, number)["current_state"], len(writes(rig))) == (2, 2)


def test_a_tracking_number_that_has_no_place_is_left_out_and_the_order_still_ships() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 2))
    carrier_row(rig, number)["tracking_number"] = "x" * 60

    rig.connect().push_shipment(shipment(number))

    assert carrier_row(rig, number)["tracking_number"] == "x" * 60
    assert order_row(rig, number)["current_state"] == 4


def test_an_order_delivered_meanwhile_is_not_set_back_to_shipped() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 2))
    for state in (4, 2):
        shop_of(rig).shop.change_state(order_row(rig, number), state, START)

    rig.connect().push_shipment(shipment(number, number=None))

    assert writes(rig) == []


@pytest.mark.parametrize("state", [6, 7, 8])
def test_a_canceled_order_cannot_be_shipped(state: int) -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 2))
    shop_of(rig).shop.change_state(order_row(rig, number), state, START)

    with pytest.raises(RefusedError, match="is canceled in PrestaShop"):
        rig.connect().push_shipment(shipment(number))

    assert writes(rig) == []


def test_the_shipped_state_can_be_chosen_and_must_say_shipped() -> None:
    chosen = make_rig(shipped_state=5)
    number = buy(chosen, ("SKU-01", 1))
    chosen.connect().push_shipment(shipment(number))
    assert order_row(chosen, number)["current_state"] == 5

    wrong = make_rig(shipped_state=3)
    number = buy(wrong, ("SKU-01", 1))
    with pytest.raises(ContractError, match="no order state that says shipped"):
        wrong.connect().push_shipment(shipment(number, number=None))
    assert order_row(wrong, number)["current_state"] == 2


@pytest.mark.parametrize("order", ["999", "x", "1|2", ""])
def test_an_unknown_order_is_refused(order: str) -> None:
    rig = make_rig()
    connection = rig.connect()
    if order:
        with pytest.raises(RefusedError, match="order"):
            connection.push_shipment(shipment(order))
    with pytest.raises(RefusedError, match="order"):
        connection.push_cancellation(order, {"1": 1})
    assert writes(rig) == []


def test_a_state_the_shop_chokes_on_is_refused_and_sent_once() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 1))
    sent: list[HttpRequest] = []

    def send(request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return rig.wire(request)
        sent.append(request)
        return HttpResponse(500, HTML, b"")

    with pytest.raises(RefusedError, match="failed without a word"):
        rig.connect(send).push_cancellation(number, {"1": 1})
    assert len(sent) == 1


def test_a_state_change_without_an_answer_is_raised_and_told_once_in_the_end() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 1))
    send = disturbed(rig, lambda request: request.method == "POST", NoAnswerError("no answer"), after=True)

    with pytest.raises(NoAnswerError):
        rig.connect(send).push_shipment(shipment(number))
    rig.connect().push_shipment(shipment(number))

    assert [request.method for request in writes(rig)] == ["PATCH", "POST"]


def test_a_whole_order_is_canceled_once_and_its_units_go_back() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 2), ("SKU-02", 1))
    connection = rig.connect()

    connection.push_cancellation(number, {"1": 2, "2": 1})
    connection.push_cancellation(number, {"1": 2, "2": 1})

    assert order_row(rig, number)["current_state"] == 6
    assert (rig.emulator.shelf()["SKU-01", "1"], rig.emulator.shelf()["SKU-02", "1"]) == (10, 10)
    assert len(writes(rig)) == 1


@pytest.mark.parametrize("lines", [{"1": 2}, {"1": 1, "2": 1}, {"2": 1}])
def test_a_part_of_an_order_cannot_be_canceled(lines: dict[str, int]) -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 2), ("SKU-02", 1))

    with pytest.raises(RefusedError, match="cannot cancel a part of order '1'"):
        rig.connect().push_cancellation(number, lines)

    assert writes(rig) == []
    assert order_row(rig, number)["current_state"] == 2


def test_a_part_that_is_gone_already_was_told_before() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 2), ("SKU-02", 1), ("SKU-03", 1))
    rig.emulator.cancel(number, [BasketLine("SKU-02", 1)], START)
    shop_of(rig).refund(number, [BasketLine("SKU-01", 1)], START, restock=True)

    rig.connect().push_cancellation(number, {"1": 1, "2": 1})
    rig.connect().push_cancellation(number, {})

    assert writes(rig) == []


def test_what_is_left_after_a_refund_can_be_canceled_as_a_whole() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 2), ("SKU-02", 1))
    shop_of(rig).refund(number, [BasketLine("SKU-02", 1)], START, restock=True)

    rig.connect().push_cancellation(number, {"1": 2})

    assert order_row(rig, number)["current_state"] == 6


def test_a_shipped_order_cannot_be_canceled() -> None:
    rig = make_rig()
    number = buy(rig, ("SKU-01", 2))
    shop_of(rig).shop.change_state(order_row(rig, number), 4, START)

    with pytest.raises(RefusedError, match="has shipped in PrestaShop"):
        rig.connect().push_cancellation(number, {"1": 2})

    assert writes(rig) == []


def test_what_prestashop_has_not() -> None:
    rig = make_rig()
    connection = rig.connect()

    assert connection.ensure_webhooks("https://hub.example/hook") == []
    assert CHANNEL.receive is None
    with pytest.raises(RefusedError, match="no receipts"):
        connection.read_receipt("r", [])
    with pytest.raises(RefusedError, match="not accepted line by line"):
        connection.accept_order("1", {"1": True})
    assert rig.requests == []


def test_a_key_without_the_right_to_read_says_which() -> None:
    rig = make_rig()
    buy(rig, ("SKU-01", 1))
    body = b'{"errors":[{"code":26,"message":"Resource of type \\"order_details\\" is not allowed with this key"}]}'
    send = disturbed(rig, lambda request: "order_details" in request.path, HttpResponse(401, {}, body))

    with pytest.raises(ScopeError, match="order_details"):
        list(rig.connect(send).pull_orders(START - timedelta(hours=1)))
