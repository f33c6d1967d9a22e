"""A replayed history ends with everything that must be 0 at 0, and with every row accounted for."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from nervure.store.database import Database
from simulation.catalogue import SUPPLIER, WAREHOUSE
from simulation.history import Event, EventKind, History, read_history
from simulation.reenactment import stock_for
from simulation.replay import Replay, ReplayReport
from tests.nervure.world import fresh_sqlite
from tests.reference import shared

DAWN = datetime(2010, 12, 1, 8, 0, tzinfo=UTC)
SKUS = tuple(f"{number}" for number in range(21001, 21013))


def sale(number: int, minute: float, customer: str = "", **units: int) -> Event:
    lines = tuple((sku.removeprefix("s"), count) for sku, count in units.items())
    return Event(EventKind.SALE, DAWN + timedelta(minutes=minute), f"{number}", lines, customer, "France")


def small_day() -> History:
    """Forty invoices of twelve goods: every kind of event, and one good that everybody wants."""
    events: list[Event] = []
    for number in range(40):
        sku, other = SKUS[number % 12], SKUS[(number * 5 + 1) % 12]
        units = {f"s{sku}": 1 + number % 3, f"s{other}": 2} if other != sku else {f"s{sku}": 2}
        units["s21001"] = units.get("s21001", 0) + 1
        events.append(sale(1000 + number, number * 8, f"c{number % 7}" if number % 3 else "", **units))

    for minute, kind, invoice, line, of in (
        (20, EventKind.TAKE_BACK, "C1-0", ("21001", 1), "1001"),
        (100, EventKind.TAKE_BACK, "C2-0", ("21004", 1), "1003"),
        (500, EventKind.TAKE_BACK, "C3-0", ("21002", 1), "1001"),
        (510, EventKind.TAKE_BACK, "C4-0", ("21005", 3), "never"),
        (200, EventKind.BLIND_RETURN, "C5", ("21006", 2), None),
        (240, EventKind.ADJUSTMENT, "A1", ("21007", -1), None),
        (250, EventKind.ADJUSTMENT, "A2", ("21008", 3), None),
    ):
        events.append(Event(kind, DAWN + timedelta(minutes=minute), invoice, (line,), "c1", "France", of=of))
    events.sort(key=lambda event: event.at)
    titles = {sku: f"Thing {sku}" for sku in SKUS}
    return History(
        events=events,
        titles=titles,
        prices=dict.fromkeys(SKUS, Decimal("2.50")),
        rows_read=sum(len(event.lines) for event in events) + 1,
        refused=Counter({"not goods: POST": 1}),
    )


def must_be_right(report: ReplayReport) -> None:
    verdict = report.verdict
    zeros = (
        verdict.lost,
        verdict.duplicated,
        verdict.oversold_in_hub,
        verdict.unconfirmed,
        verdict.wrong_at_rest,
        verdict.units_not_conserved,
        verdict.rules_broken,
        verdict.dead_letters,
    )
    assert zeros == (0,) * 8, verdict.details
    assert verdict.holds


def no_word(_: str) -> None:
    """Nobody listens."""


@pytest.mark.requirement("R03", "R21", "R24", "R37")
def test_a_small_day_ends_right(database: Database) -> None:
    history = small_day()
    said: list[str] = []
    report = Replay(history, database, speed=6_000, tell=said.append).run()
    must_be_right(report)
    assert 38 <= report.verdict.orders <= 40, "an order is not placed where the shelf has nothing at all"
    assert (report.rows_read, dict(report.rows_refused)) == (history.rows_read, {"not goods: POST": 1})
    assert (report.blind_returns, report.adjustments) == (1, 2)
    assert report.taken_back + report.taken_back_unsold == 6
    assert report.taken_back_unsold >= 3
    assert set(report.requests) == {"webshop", "boutique", "marketplace", "tills", "supplier"}
    assert report.webhooks > 0
    assert said[0] == "opened with 12 items on 4 channels"
    assert said[-1] == "2010-12-01: 47 of 47 events"
    written = report.as_json()
    assert (written["lost"], written["rows_read"], written["speed"]) == (0, history.rows_read, 6_000)


def test_a_day_with_wrong_records_ends_right_and_lets_nobody_down_who_could_be_served() -> None:
    with fresh_sqlite() as database:
        report = Replay(small_day(), database, speed=6_000, tell=no_word, accuracy=0.0).run()
    must_be_right(report)
    assert report.wrong_records == 36, "every record of the three stores"
    written = report.as_json()
    assert written["accuracy"] == 0.0
    assert written["staff"]["units not found"] >= written["staff"]["picks that found too little"] > 0
    assert written["staff"]["counts"] > 0
    assert written["servable_orders"] == report.servable.orders > 0
    assert written["short_though_there"] == report.servable.short


@pytest.mark.requirement("R33")
def test_a_day_of_real_orders_ends_right() -> None:
    history = read_history([shared("data", "online_retail", "2010-12-23.csv.gz")])
    with fresh_sqlite() as database:
        report = Replay(history, database, speed=4_000, tell=no_word).run()
    must_be_right(report)
    assert (report.rows_read, sum(report.rows_refused.values())) == (963, 6)
    assert (report.blind_returns, report.adjustments) == (18, 1)


def test_a_history_without_goods_cannot_be_replayed() -> None:
    with fresh_sqlite() as database, pytest.raises(ValueError, match="the history holds no sale, return or adjust"):
        Replay(History(), database, speed=1.0, tell=no_word)


def test_one_good_in_four_has_less_than_was_asked_for() -> None:
    wanted = {f"{number}": 100 for number in range(20_000, 20_400)}
    events = [Event(EventKind.SALE, DAWN, "1", tuple(wanted.items()), "", "")]
    stock = stock_for(History(events=events, titles=dict.fromkeys(wanted, "")))
    assert stock == stock_for(History(events=events, titles=dict.fromkeys(reversed(wanted), "")))
    units: Counter[str] = Counter()
    for (sku, place), count in stock.items():
        assert count == 0 or place != SUPPLIER.code or stock[sku, WAREHOUSE.code] > 0
        units[sku] += count
    scarce = sum(units[sku] < wanted[sku] for sku in wanted)
    assert 0.2 < scarce / len(wanted) < 0.3
