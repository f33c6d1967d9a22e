"""People at the desks of the emulated merchant: what they do not find they say, and what they count is right."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from nervure.clock import ManualClock
from nervure.operations.drain import drain
from nervure.operations.giving_up import keep_times
from nervure.operations.hub import Hub
from nervure.operations.pull import pull_catalogue, pull_orders
from nervure.store.audit import AuditStore
from nervure.store.reports import ReportStore
from simulation import store_staff
from simulation.accounts import open_accounts, open_supplier
from simulation.catalogue import STORES, WAREHOUSE, Good
from simulation.hubs import open_hub, write_merchant
from simulation.platform import BasketLine, CatalogueEntry, Shopper
from simulation.shelves import Shelves
from simulation.store_staff import ACCEPT_WITHIN, SHIP_AFTER, StoreStaff
from simulation.world import World
from tests.nervure.world import fresh_sqlite

DAWN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PARIS, LILLE, NICE = (store.code for store in STORES)
PARISIAN = Shopper("Ada Martin", "ada@shopper.example", "FR", "75011", "Paris", "1 rue des Essais")
MUG = "MUG"


class Shop:
    """A merchant with one article, its hub, and its people."""

    def __init__(self, hub: Hub, world: World, shelves: Shelves, clock: ManualClock) -> None:
        self.hub, self.world, self.shelves, self.clock = hub, world, shelves, clock
        self.staff = StoreStaff(hub, shelves, "1")

    def buy(self, units: int) -> None:
        self.world.buy("boutique", [BasketLine(MUG, units)], PARISIAN, "1")
        self.clock.advance(60)
        pull_orders(self.hub, "boutique")
        drain(self.hub)

    def later(self, wait: timedelta) -> None:
        self.clock.advance(wait.total_seconds())

    def served(self) -> Counter[tuple[str, str]]:
        with self.hub.database.read() as connection:
            served = list(AuditStore(connection).served())
        return Counter({(one.location, one.state): one.units for one in served})

    def on_hand(self) -> dict[tuple[str, str], int]:
        with self.hub.database.read() as connection:
            return {(level.sku, level.location): level.on_hand for level in AuditStore(connection).levels()}

    def declined(self) -> list[str]:
        with self.hub.database.read() as connection:
            return sorted(place for _, _, place, _ in AuditStore(connection).declines(self.clock.now()))

    def tasks(self) -> set[str]:
        with self.hub.database.read() as connection:
            return {task.kind for task in ReportStore(connection, self.clock.now()).tasks()}


@pytest.fixture
def shop() -> Iterator[Shop]:
    """Paris has three mugs, Lille two, the warehouse nine: so say the records."""
    clock = ManualClock(DAWN)
    accounts = {account.name: account for account in open_accounts()}
    goods = [Good(CatalogueEntry(MUG, "Mug", Decimal("9.00")))]
    stock = {(MUG, PARIS): 3, (MUG, LILLE): 2, (MUG, NICE): 0, (MUG, WAREHOUSE.code): 9}
    world = World(goods, stock, accounts, open_supplier(), clock)
    world.open()
    world.accounts["boutique"].emulator.set_shelf(MUG, "1", 14, clock.now())
    with fresh_sqlite() as database:
        hub = open_hub(world, database)
        write_merchant(hub, world, accept_within_seconds=ACCEPT_WITHIN.total_seconds())
        pull_catalogue(hub, "boutique")
        drain(hub)
        yield Shop(hub, world, Shelves(stock, accuracy=1.0, seed="1"), clock)


def test_what_lies_there_is_sent_when_its_time_has_come(shop: Shop) -> None:
    shop.buy(2)
    assert shop.staff.round(in_a_hurry=False) == 1
    assert shop.served() == {(PARIS, "accepted"): 2}
    assert shop.staff.round(in_a_hurry=False) == 0
    shop.later(SHIP_AFTER)
    assert shop.staff.round(in_a_hurry=False) == 1
    assert shop.served() == {(PARIS, "shipped"): 2}
    assert shop.shelves.there[MUG, PARIS] == 1
    assert shop.shelves.differences(shop.on_hand()) == []
    assert (shop.staff.has_counted(), shop.staff.figures) == (True, {"parcels": 1})


def test_what_is_not_found_is_sent_from_elsewhere_and_counted(shop: Shop) -> None:
    shop.shelves.move((MUG, PARIS), -2)
    shop.shelves.wrong[MUG, PARIS] = 2
    shop.buy(3)
    shop.staff.round(in_a_hurry=True)
    assert shop.served() == {(PARIS, "accepted"): 3}
    shop.staff.round(in_a_hurry=True)
    assert shop.served() == {(PARIS, "shipped"): 1, (LILLE, "accepted"): 2}
    assert shop.shelves.wrong[MUG, PARIS] == 0, "what was written off is what was missing"
    assert not shop.staff.has_counted()
    for _ in range(3):
        shop.staff.round(in_a_hurry=True)
    assert shop.served() == {(PARIS, "shipped"): 1, (LILLE, "shipped"): 2}
    assert shop.staff.has_counted()
    assert shop.staff.figures == {"picks that found too little": 1, "units not found": 2, "parcels": 2, "counts": 1}
    assert shop.shelves.differences(shop.on_hand()) == []
    assert shop.tasks() == set()


def test_a_count_finds_what_no_record_knew(shop: Shop) -> None:
    shop.shelves.move((MUG, PARIS), -1)
    shop.shelves.wrong[MUG, PARIS] = 1
    shop.buy(3)
    shop.staff.round(in_a_hurry=True)
    shop.staff.round(in_a_hurry=True)
    shop.shelves.move((MUG, PARIS), 4)
    shop.shelves.wrong[MUG, PARIS] -= 4
    shop.staff.round(in_a_hurry=True)
    assert shop.on_hand()[MUG, PARIS] == 0
    assert shop.shelves.differences(shop.on_hand()) == [], "what was counted waits for somebody else"
    shop.staff.round(in_a_hurry=True)
    assert shop.on_hand()[MUG, PARIS] == 0, "it had been counted before they came"
    assert shop.shelves.wrong[MUG, PARIS] == -4
    assert shop.shelves.differences(shop.on_hand()) == []


def test_who_has_no_time_is_not_asked_again_at_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_staff, "NO_TIME_SHARE", 1.0)
    shop.buy(2)
    shop.staff.round(in_a_hurry=False)
    assert shop.served() == {(WAREHOUSE.code, "allocated"): 2}
    assert shop.staff.figures == {"rejected for want of time": 2}
    assert shop.declined() == [LILLE, PARIS]


def test_who_forgets_an_order_is_not_asked_again_at_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_staff, "NO_TIME_SHARE", 0.0)
    monkeypatch.setattr(store_staff, "FORGOTTEN_SHARE", 1.0)
    shop.buy(2)
    keep_times(shop.hub)
    assert shop.staff.round(in_a_hurry=False) == 0
    shop.later(ACCEPT_WITHIN)
    keep_times(shop.hub)
    assert shop.served() == {(LILLE, "allocated"): 2}
    assert shop.declined() == [PARIS]
    for _ in range(2):
        shop.staff.round(in_a_hurry=True)
    assert shop.served() == {(LILLE, "shipped"): 2}
