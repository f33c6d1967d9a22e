"""A database that was restored knows old numbers: nothing is sent before everything has been heard again (R47)."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from connectors.errors import ConnectorError, UnavailableError
from connectors.records import Page
from connectors.transport import HttpRequest, HttpResponse, Send
from nervure.operations.drain import drain
from nervure.operations.hub import Hub
from nervure.operations.loops import publishing
from nervure.operations.messages import send_messages
from nervure.operations.publish import publish, refresh
from nervure.operations.pull import pull_orders, pull_stock
from nervure.operations.reservations import Wish, make_reservation
from nervure.operations.restores import (
    Recovery,
    awaited,
    beat,
    declare_restored,
    notice,
    recovery,
    settle_suppliers,
    stop_hearing,
)
from nervure.operations.windows import Window
from nervure.store.coverage import CoverageStore
from nervure.store.database import Database, open_database
from nervure.store.reports import ReportStore
from nervure.store.restores import RestoreStore
from simulation.platform import ShelfCause
from tests.conftest import copy_of
from tests.nervure.operations.scripted import ScriptedShop, advance, order_of, scripted_hub, settle, tasks
from tests.nervure.operations.test_publish_emulated import is_write
from tests.nervure.world import START, an_order, at_once
from tests.simulation.merchants import POINTS, Merchant, open_merchant

ALL = tuple(POINTS)


def copy(database: Path, backup: Path) -> None:
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)


@contextmanager
def put_back(merchant: Merchant, meanwhile: Callable[[], None]) -> Iterator[None]:
    """Takes a backup of the hub's database, lets things happen, and puts the backup back: a new hub opens it."""
    url = merchant.hub.database.engine.url
    merchant.hub.database.engine.dispose()
    if merchant.hub.database.path is not None:
        path = merchant.hub.database.path
        backup = path.with_name("backup.db")
        copy(path, backup)
        meanwhile()
        merchant.hub.database.close()
        for companion in ("-wal", "-shm"):
            Path(f"{path}{companion}").unlink(missing_ok=True)
        shutil.copy(backup, path)
        with opened(merchant, f"sqlite:///{path}"):
            yield
        return
    server = url.set(database="postgres").render_as_string(hide_password=False)
    with copy_of(server, str(url.database)) as dump:
        meanwhile()
        with opened(merchant, dump):
            yield


@contextmanager
def opened(merchant: Merchant, url: str) -> Iterator[None]:
    """A new process opens the database."""
    old, database = merchant.hub, open_database(url)
    merchant.hub = Hub(
        database=database,
        clock=old.clock,
        accounts=old.accounts,
        suppliers=old.suppliers,
        wire=old.wire,
        callback_url=old.callback_url,
    )
    try:
        yield
    finally:
        database.close()


def written(merchant: Merchant, since: dict[str, int]) -> dict[str, list[tuple[str, int]]]:
    """Numbers that the hub has written on each platform."""
    return {
        name: [
            (change.sku, change.units)
            for change in account.emulator.shelf_log[since[name] :]
            if change.cause is ShelfCause.WRITTEN
        ]
        for name, account in merchant.world.accounts.items()
    }


def logs(merchant: Merchant) -> dict[str, int]:
    return {name: len(account.emulator.shelf_log) for name, account in merchant.world.accounts.items()}


def hear_levels(merchant: Merchant) -> None:
    for name in ALL:
        pull_stock(merchant.hub, name)
    while drain(merchant.hub).handled:
        pass
    while refresh(merchant.hub):
        pass


def waiting(merchant: Merchant) -> set[str]:
    return {hearing.channel for hearing in awaited(merchant.hub)}


@pytest.mark.requirement("R47")
def test_after_a_restore_no_old_number_is_sent(database: Database) -> None:
    merchant = open_merchant(database)
    notice(merchant.hub)
    merchant.open()
    beat(merchant.hub)
    before = {name: merchant.shelf(name) for name in ALL}

    def meanwhile() -> None:
        for name in ALL:
            merchant.buy(name, MUG=1)
        beat(merchant.hub)
        merchant.rest()
        assert merchant.shelf("webshop")["MUG"] == 5

    with put_back(merchant, meanwhile):
        assert notice(merchant.hub) is not None
        assert notice(merchant.hub) is None, "it is noticed once, by whoever comes first"
        since, shelves = logs(merchant), {name: merchant.shelf(name) for name in ALL}
        merchant.turn()
        assert written(merchant, since) == {name: [] for name in ALL}
        assert waiting(merchant) == set(ALL), "orders are not enough: what is shown must be read too"
        hear_levels(merchant)
        for name in ALL:
            publish(merchant.hub, name)
        assert waiting(merchant) == {"marketplace"}, "its orders may be asked for once in some minutes"
        while waiting(merchant):
            assert written(merchant, since) == {name: [] for name in ALL}
            merchant.clock.advance(15)
            merchant.turn()
        merchant.rest()
        assert {name: merchant.shelf(name) for name in ALL} == shelves != before
        for numbers in written(merchant, since).values():
            assert not {("MUG", 9), ("MUG", 8), ("MUG", 7), ("MUG", 6)} & set(numbers)
        verdict = merchant.verdict()
        assert verdict.holds, verdict.details
        found = recovery(merchant.hub)
        assert found is not None
        assert ([(channel, units) for channel, _, units in found.heard_again], found.hearings) == (
            [(name, 0) for name in sorted(ALL)],
            [],
        )
        assert [task.kind for task in tasks(merchant.hub)] == ["database_restored"]


@pytest.mark.requirement("R47")
def test_one_channel_that_cannot_be_heard_holds_all_that_sell_from_its_locations(sqlite: Database) -> None:
    merchant = open_merchant(sqlite)
    notice(merchant.hub)
    merchant.open()

    def down(_: Send, __: HttpRequest) -> HttpResponse:
        raise UnavailableError("down")

    declare_restored(merchant.hub)
    merchant.disturb["boutique"] = down
    since = logs(merchant)
    merchant.turn()
    for name in ALL:
        with suppress(ConnectorError):
            pull_stock(merchant.hub, name)
    merchant.world.accounts["webshop"].emulator.set_shelf("MUG", POINTS["webshop"], 77, merchant.clock.now())
    for _ in range(3):
        merchant.turn()
        merchant.clock.advance(30)
    assert waiting(merchant) == {"boutique"}
    with merchant.hub.database.read() as connection:
        reports = ReportStore(connection, merchant.clock.now()).channels()
    assert {report.name: report.brakes for report in reports} == dict.fromkeys(ALL, ("hears first",))
    assert written(merchant, since) == {name: [] for name in ALL}
    assert stop_hearing(merchant.hub, "boutique")
    assert not stop_hearing(merchant.hub, "boutique")
    pull_stock(merchant.hub, "webshop")
    merchant.turn()
    merchant.turn()
    assert merchant.shelf("webshop")["MUG"] == 9


@pytest.mark.requirement("R47")
def test_what_is_shown_is_read_while_the_hub_hears_and_nothing_is_written(sqlite: Database) -> None:
    merchant = open_merchant(sqlite)
    notice(merchant.hub)
    merchant.open()
    declare_restored(merchant.hub)
    writes: list[str] = []

    def watch(answer: Send, request: HttpRequest) -> HttpResponse:
        if is_write(request):
            writes.append(request.path)
        return answer(request)

    merchant.disturb.update(dict.fromkeys(ALL, watch))
    merchant.buy("tills", MUG=1)
    merchant.turn()
    assert writes == []
    with merchant.hub.database.read() as connection:
        reports = ReportStore(connection, merchant.clock.now()).channels()
        [covered] = CoverageStore(connection, merchant.clock.now()).channels(["webshop"])
    assert {report.brakes for report in reports} == {("hears first",)}
    assert "it, or who sells the same stock, must be heard first" in {reason.text for reason in covered.reasons}
    hear_levels(merchant)
    merchant.rest()
    assert merchant.shelf("webshop")["MUG"] == 8


@pytest.mark.requirement("R47")
def test_an_order_that_waits_to_be_understood_holds_the_numbers(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": (shop := ScriptedShop())})
    with filled.write() as connection:
        RestoreStore(connection, hub.clock.now()).hear_first("shop")
    settle(hub)
    pull_orders(hub, "shop")
    pull_stock(hub, "shop")
    assert publish(hub, "shop").total == 3
    with filled.write() as connection:
        RestoreStore(connection, hub.clock.now()).hear_first("shop")
        connection.execute(sa.text("UPDATE inbox SET state = 'waiting'"))
    advance(hub, 1)

    shop.pages = [Page((order_of(an_order("1", {"BOLT": 1})),))]
    pull_orders(hub, "shop")
    pull_stock(hub, "shop")
    assert (publish(hub, "shop").total, len(awaited(hub))) == (0, 1)
    while drain(hub).handled:
        pass
    assert (publish(hub, "shop").total, len(awaited(hub))) == (0, 1), "understood, and not in the numbers yet"
    refresh(hub)
    assert publish(hub, "shop").total > 0
    assert awaited(hub) == []


@pytest.mark.requirement("R47")
def test_a_channel_that_has_nothing_to_be_sent_holds_the_others_no_longer_than_until_it_is_heard(
    both: Database,
) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop(), "market": ScriptedShop(), "till": ScriptedShop()})
    settle(hub)
    with both.write() as connection:
        RestoreStore(connection, hub.clock.now()).hear_first()
    first, *rest = sorted(hearing.channel for hearing in awaited(hub))
    for channel in rest:
        pull_orders(hub, channel)
        pull_stock(hub, channel)
    advance(hub, 1)
    refresh(hub)
    assert (publish(hub, "shop").total, [one.channel for one in awaited(hub)]) == (0, [first])
    pull_orders(hub, first)
    pull_stock(hub, first)
    refresh(hub)
    assert publish(hub, "shop").total > 0, "nobody has published to the others"
    assert awaited(hub) == []


@pytest.mark.requirement("R47")
def test_a_hub_that_was_silent_for_long_hears_first_too(sqlite: Database) -> None:
    hub = scripted_hub(sqlite, {"shop": ScriptedShop()})
    assert notice(hub) is None
    beat(hub)
    advance(hub, 170)
    assert notice(hub) is None
    advance(hub, 20)
    assert notice(hub) == "it was silent"
    assert notice(hub) is None
    assert recovery(hub) is None, "a silence is no restore"


@pytest.mark.requirement("R47")
def test_a_copy_of_seconds_ago_is_noticed_by_the_mark_beside_the_database(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    path = filled.path
    assert path is not None
    notice(hub)
    beat(hub)
    copy(path, path.with_name("copy.db"))
    beat(hub)
    assert notice(hub) is None, "the mark is as new as the database"
    filled.close()
    shutil.copy(path.with_name("copy.db"), path)
    for companion in ("-wal", "-shm"):
        Path(f"{path}{companion}").unlink(missing_ok=True)
    assert notice(hub) == "an older copy was put in place"
    assert notice(hub) is None
    path.with_name(f"{path.name}.beat").write_text("?", "utf-8")
    assert notice(hub) is None, "a mark that cannot be read says nothing"
    beat(hub)
    assert path.with_name(f"{path.name}.beat").read_text("utf-8") == '{"beat": 4}'


@pytest.mark.requirement("R47")
def test_a_restore_that_is_long_over_is_not_taken_for_the_one_that_is_told_of(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    notice(hub)
    beat(hub)
    assert declare_restored(hub).restore.id == 1
    beat(hub)
    advance(hub, 7200)
    assert notice(hub) == "it was silent"
    found = declare_restored(hub).restore
    assert (found.id, found.known_until) == (2, START)


def test_a_new_database_beside_the_mark_of_another_one_is_no_restore(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    path = filled.path
    assert path is not None
    path.with_name(f"{path.name}.beat").write_text('{"beat": 500}', "utf-8")
    assert [notice(hub), notice(hub)] == [None, None]
    with filled.read() as connection:
        assert RestoreStore(connection, hub.clock.now()).last_beat() == 500


@pytest.mark.requirement("R47")
def test_whoever_notices_or_says_it_at_once_makes_one_restore_of_it(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    notice(hub)
    advance(hub, 7200)
    noticed = at_once([partial(notice, hub)] * 6)
    assert sorted(map(str, noticed)) == ["None"] * 5 + ["it was silent"]
    told = at_once([partial(declare_restored, hub)] * 6)
    assert {one.restore.id for one in told if isinstance(one, Recovery)} == {1}
    assert len(told) == 6


def test_whoever_publishes_says_that_the_hub_lives(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    turn = publishing(Window(hub, 60))["life"]
    assert [turn(), turn()] == [15.0, 15.0]
    with filled.read() as connection:
        assert RestoreStore(connection, hub.clock.now()).last_beat() == 2


@pytest.mark.requirement("R47")
def test_a_reservation_that_ended_between_backup_and_restore_is_named(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    notice(hub)
    for reference, minutes in (("cart-1", 1), ("cart-2", 600)):
        later = hub.clock.now() + timedelta(minutes=minutes)
        make_reservation(hub, reference, [Wish("BOLT", 1, "paris")], expires_at=later, channel="shop")
    advance(hub, 3600)
    assert declare_restored(hub).ended_reservations == ["cart-1"]
    assert declare_restored(hub).restore.id == 1, "said twice it is one restore"


@pytest.mark.requirement("R47")
@pytest.mark.parametrize("have_them", [True, False])
def test_what_suppliers_may_have_had_before_waits_for_a_word_and_gets_a_name_of_its_own(
    sqlite: Database, *, have_them: bool
) -> None:
    merchant = open_merchant(sqlite)
    notice(merchant.hub)
    merchant.open()
    beat(merchant.hub)
    supplier = merchant.world.supplier

    def meanwhile() -> None:
        beat(merchant.hub)
        merchant.buy("webshop", TRAY=11)
        merchant.rest()
        assert set(supplier._orders) == {"nervure-3"}

    with put_back(merchant, meanwhile):
        notice(merchant.hub)
        merchant.turn()
        hear_levels(merchant)
        for _ in range(30):
            merchant.turn()
            merchant.clock.advance(15)
        found = recovery(merchant.hub)
        assert found is not None
        assert [(supplier_name, order) for _, supplier_name, order in found.at_suppliers] == [("wholesale", "#1001")]
        assert set(supplier._orders) == {"nervure-3"}
        assert settle_suppliers(merchant.hub, have_them=have_them) == 1
        send_messages(merchant.hub)
        assert set(supplier._orders) == ({"nervure-3"} if have_them else {"nervure-3", "nervure-r1-3"})
