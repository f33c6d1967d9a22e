"""What goes wrong is drawn by the seed, strikes as often as it says, and ends when the day ends."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from connectors.transport import HttpRequest
from simulation.faults import (
    ALL,
    Blow,
    Fault,
    Forecast,
    Spell,
    Weather,
    forecast,
    is_stock_write,
    with_every_other_row,
)

OPENS = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
CLOSES = OPENS + timedelta(hours=2)
ACCOUNTS = ("boutique", "webshop")
READ = HttpRequest("GET", "/api/orders")
SHOPIFY = HttpRequest(
    "POST",
    "/admin/api/2026-10/graphql.json",
    {},
    json.dumps(
        {
            "query": "mutation { inventorySetQuantities }",
            "variables": {
                "key": "k",
                "input": {"name": "available", "quantities": [{"quantity": n} for n in range(3)]},
            },
        }
    ).encode(),
)
SQUARE = HttpRequest(
    "POST", "/v2/inventory/changes/batch-create", {}, json.dumps({"changes": [{"n": n} for n in range(4)]}).encode()
)
MIRAKL = HttpRequest(
    "POST",
    "/api/offers/stock/imports?shop_id=2000",
    {},
    b'--b\r\nContent-Type: text/csv\r\n\r\n"offer-sku";"quantity"\n"A";"1"\n"B";"2"\n"C";"3"\n\r\n--b--\r\n',
)
PRESTASHOP = HttpRequest("PATCH", "/api/stock_availables/7?output_format=JSON", {}, b"<prestashop/>")


def drawn(seed: int, kinds: tuple[Fault, ...] = ALL) -> Forecast:
    return forecast(seed, kinds, ACCOUNTS, opens_at=OPENS, ends_at=CLOSES)


def test_a_seed_draws_the_same_faults_again_and_each_kind_in_about_half_of_the_days() -> None:
    assert drawn(7) == drawn(7)
    days = Counter(kind for seed in range(400) for kind in drawn(seed).kinds)
    assert set(days) == set(ALL)
    assert min(days.values()) > 160
    assert max(days.values()) < 240


def test_only_the_kinds_that_are_allowed_are_drawn_and_the_others_stay_as_they_were() -> None:
    for seed in range(40):
        some = drawn(seed, (Fault.LOST, Fault.DOWN))
        assert set(some.kinds) == {Fault.LOST, Fault.DOWN} & set(drawn(seed).kinds)
        assert some.storms == ()
        assert some.outages == (drawn(seed).outages if Fault.DOWN in some.kinds else ())
        assert some.steps_between_deaths is None
    assert drawn(1, ()).rates == {}


def test_an_outage_and_a_storm_hold_one_account_for_their_time() -> None:
    hour = timedelta(hours=1)
    plan = Forecast(
        (Fault.DOWN, Fault.THROTTLED),
        CLOSES,
        outages=[Spell("webshop", OPENS, OPENS + hour)],
        storms=[Spell("boutique", OPENS, OPENS + hour)],
    )
    weather = Weather(1, plan)
    found = [weather.blow(name, READ, OPENS + step) for step in (timedelta(), hour) for name in ACCOUNTS]
    assert found == [Blow.THROTTLED, Blow.DOWN, Blow.NONE, Blow.NONE]
    assert weather.struck == {Fault.DOWN: 1, Fault.THROTTLED: 1}


@pytest.mark.parametrize(
    ("kind", "blows"),
    [
        (Fault.TIMEOUT_BEFORE, {Blow.TIMEOUT_BEFORE}),
        (Fault.TIMEOUT_AFTER, {Blow.TIMEOUT_AFTER}),
        (Fault.ERRORS, {Blow.UNAVAILABLE, Blow.FAILED_BEFORE, Blow.FAILED_AFTER}),
        (Fault.SILENT, {Blow.SILENT}),
        (Fault.PARTIAL, {Blow.PARTIAL}),
    ],
)
def test_a_kind_strikes_as_its_rate_says_until_the_day_ends(kind: Fault, blows: set[Blow]) -> None:
    weather = Weather(1, Forecast((kind,), CLOSES, {kind: 1.0}))
    assert {weather.blow("webshop", SHOPIFY, OPENS) for _ in range(60)} == blows
    assert weather.struck[kind] == 60
    assert weather.blow("webshop", SHOPIFY, CLOSES) is Blow.NONE
    assert weather.blow("webshop", READ, OPENS) in (blows if kind not in (Fault.SILENT, Fault.PARTIAL) else {Blow.NONE})


def test_the_hub_dies_after_as_many_steps_as_were_drawn_and_not_after_the_day() -> None:
    weather = Weather(1, Forecast((Fault.KILLED,), CLOSES, steps_between_deaths=20.0))
    deaths = [step for step in range(2_000) if weather.is_last_step(OPENS)]
    assert 60 < len(deaths) < 160
    assert not any(weather.is_last_step(CLOSES) for _ in range(2_000))
    assert not any(Weather(1, Forecast((), CLOSES)).is_last_step(OPENS) for _ in range(2_000))


@pytest.mark.parametrize("request_", [SHOPIFY, SQUARE, MIRAKL, PRESTASHOP])
def test_the_writes_of_numbers_are_known_on_every_platform(request_: HttpRequest) -> None:
    assert is_stock_write(request_)
    assert not is_stock_write(HttpRequest("GET", request_.path, {}, request_.body))
    assert not is_stock_write(HttpRequest("POST", "/v2/orders/search", {}, b"{}"))


def test_of_a_write_that_loses_rows_every_other_one_is_left() -> None:
    quantities = json.loads(with_every_other_row(SHOPIFY).body)["variables"]["input"]["quantities"]
    assert quantities == [{"quantity": 0}, {"quantity": 2}]
    assert json.loads(with_every_other_row(SQUARE).body) == {"changes": [{"n": 0}, {"n": 2}]}
    assert with_every_other_row(MIRAKL).body == MIRAKL.body.replace(b'"B";"2"\n', b"")
    assert with_every_other_row(PRESTASHOP) == PRESTASHOP
