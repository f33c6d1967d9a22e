"""The loops of windows, on a clock moved by hand and on the machine's."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from connectors.errors import CredentialsError, ThrottledError, UnavailableError
from nervure.clock import ManualClock, SystemClock
from nervure.operations import asking, keeping, loops, windows
from nervure.operations.drain import drain
from nervure.operations.pull import store
from nervure.operations.reservations import Wish, make_reservation
from nervure.operations.results import Results
from nervure.operations.staff import ship_fulfillment
from nervure.operations.windows import Loops, Window
from nervure.store.channels import ChannelStore
from nervure.store.database import Database
from nervure.store.inbox import BODY, InboxStore
from nervure.store.outbox import OUTBOX
from nervure.store.statements import CLAIM
from nervure.store.tables.orders import ORDER, PERSON
from tests.nervure.operations.fake_shops import FakeShop, broken_document, fake_hub, fill, order_document
from tests.nervure.world import START, World, a_till_sale, an_order, at, fresh_sqlite


@pytest.fixture
def database() -> Iterator[Database]:
    with fresh_sqlite() as found:
        fill(found)
        yield found


def run(window: Window, loops: Callable[[Window], Loops]) -> Results:
    window.run(loops(window))
    window.tally.take()
    return window.tally.whole()


def test_the_dispatcher_handles_what_was_heard_and_keeps_what_it_cannot_read(database: Database) -> None:
    hub = fake_hub(database, ManualClock(START), {"shop": FakeShop()})
    store(hub, "shop", (order_document(an_order("1", {"BOLT": 2})), broken_document(7)))
    results = run(Window(hub, 30), loops.draining)
    assert results.counts == Counter({("shop", "order"): 2, ("inbox", "dead letters"): 1})
    assert len(results.latencies) == 2
    assert results.problems == {}
    letters = loops.take_dead_letters(hub, 10)
    assert [(letter.channel, letter.reason) for letter in letters] == [("shop", "order broken-7 is not JSON")]
    assert loops.take_dead_letters(hub, 10) == []
    loops.tell_again(hub, letters)
    assert loops.take_dead_letters(hub, 10) == letters
    with database.read() as connection:
        assert World(connection).allocated("BOLT", "paris") == 2


def test_orders_are_asked_for_when_due_and_one_failing_channel_holds_nobody(database: Database) -> None:
    shop, till = FakeShop(), FakeShop()
    market = FakeShop(error=CredentialsError("market answered 401: sign-in refused, check the credential"))
    shop.documents = [order_document(an_order("1", {"BOLT": 1}))]
    till.error = ThrottledError("wait", retry_after_seconds=3_600)
    hub = fake_hub(database, ManualClock(START), {"shop": shop, "market": market, "till": till})
    results = run(Window(hub, 30), asking.pulling_orders)
    assert results.counts["shop", "new documents"] == 1
    assert results.counts["till", "throttled"] == 1
    assert results.problems == {"market": "market answered 401: sign-in refused, check the credential"}
    assert till.asked == 1


def test_an_account_that_works_again_is_no_problem_any_more(database: Database) -> None:
    shop = FakeShop(error=CredentialsError("refused"))
    hub = fake_hub(database, ManualClock(START), {"shop": shop})
    window = Window(hub, 10)
    turn = asking.pulling_orders(window)["shop"]
    turn()
    window.tally.take()
    assert window.tally.whole().problems == {"shop": "refused"}
    shop.error = None
    hub.database.run(lambda c: ChannelStore(c, START).want_orders("shop"))
    turn()
    assert window.tally.whole().problems == {}
    assert window.tally.whole().warnings == {"shop": "worked again later: refused"}


def test_publishing_shows_every_number_although_one_channel_is_down(database: Database) -> None:
    shop, till = FakeShop(), FakeShop()
    market = FakeShop(error=UnavailableError("market is down"))
    hub = fake_hub(database, ManualClock(START), {"shop": shop, "market": market, "till": till})
    # Every loop that naps moves the one clock on: the window must be longer than all their naps together.
    results = run(Window(hub, 600), loops.publishing)
    assert {key.stock_id: units for key, units in shop.shown.items()} == {"S-BOLT": 7, "S-NUT": 8, "S-PAIR": 4}
    assert {key.stock_id: units for key, units in till.shown.items()} == {"S-BOLT": 2, "S-NUT": 0, "S-PAIR": 0}
    assert results.counts["shop", "confirmed"] == 3
    assert results.counts["till", "confirmed"] == 3
    with database.read() as connection:
        assert World(connection).states()["shop"] == {"confirmed": 3}
        assert World(connection).states()["market"] == {"pending": 3}


def test_a_channel_that_hangs_holds_neither_the_others_nor_the_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "GRACE_SECONDS", 0.1)
    gate = threading.Event()
    shop, market = FakeShop(), FakeShop(gate=gate)
    hub = fake_hub(database, SystemClock(), {"shop": shop, "market": market})
    results = run(Window(hub, 1.5), loops.publishing)
    gate.set()
    assert len(shop.shown) == 3
    assert results.warnings == {"market": "was still waiting for an answer when the window ended; the next one goes on"}
    for thread in threading.enumerate():
        if thread.daemon and thread.name.startswith("Thread-"):
            thread.join(5)


def test_messages_to_a_channel_that_hangs_hold_those_to_the_others_no_longer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "GRACE_SECONDS", 0.1)
    gate = threading.Event()
    shop, market = FakeShop(), FakeShop(gate=gate)
    hub = fake_hub(database, SystemClock(), {"shop": shop, "market": market})
    for channel in ("market", "shop"):
        store(hub, channel, (order_document(an_order(f"of {channel}", {"BOLT": 1}, channel=channel)),))
    while drain(hub).handled:
        pass
    with database.read() as connection:
        numbers = [World(connection).fulfillment_numbers(f"of {channel}") for channel in ("market", "shop")]
    for [number] in numbers:
        ship_fulfillment(hub, number)
    results = run(Window(hub, 1.5), loops.draining)
    with database.read() as connection:
        query = sa.select(OUTBOX.c.target, OUTBOX.c.state).order_by(OUTBOX.c.id)
        assert [tuple(row) for row in connection.execute(query)] == [("market", "leased"), ("shop", "done")]
    gate.set()
    assert results.counts == Counter({("shop", "messages tried"): 1})
    assert list(results.warnings) == ["market messages"]
    for thread in threading.enumerate():
        if thread.daemon and thread.name.startswith("Thread-"):
            thread.join(5)


def test_messages_to_whom_the_settings_do_not_name_wait_and_are_warned_of(database: Database) -> None:
    with database.write() as connection:
        World(connection).outbox.enqueue("shipment", "gone", "fulfillment:1", {"fulfillment_order": 1})
    hub = fake_hub(database, ManualClock(START), {"shop": FakeShop()})
    assert run(Window(hub, 30), loops.draining).counts == Counter()
    warnings = run(Window(hub, 5), keeping.sweeping).warnings
    assert warnings == {"gone": "1 message waits for it, and the settings do not name it"}
    with database.read() as connection:
        assert [row.state for row in connection.execute(OUTBOX.select())] == ["waiting"]


def test_a_window_ends_soon_when_it_is_told_to(database: Database) -> None:
    hub = fake_hub(database, SystemClock(), {"shop": FakeShop()})
    window = Window(hub, 600)
    threading.Timer(0.2, window.stop.set).start()
    begun = time.monotonic()
    run(window, keeping.sweeping)
    assert time.monotonic() - begun < 5


def test_a_loop_survives_a_turn_that_fails(database: Database) -> None:
    window = Window(fake_hub(database, ManualClock(START), {}), 30)
    turns: list[int] = []

    def turn() -> float:
        turns.append(1)
        if len(turns) == 1:
            raise ZeroDivisionError
        return 10.0

    window.run({"loop": turn})
    window.tally.take()
    assert len(turns) == 4  # at 0, 5 (after the failure), 15 and 25 seconds
    assert window.tally.whole().warnings == {"loop": "a turn failed: ZeroDivisionError; it is tried again"}


def test_stock_is_read_once_in_a_period_however_many_windows_there_are(database: Database) -> None:
    shop = FakeShop()
    clock = ManualClock(START)
    hub = fake_hub(database, clock, {"shop": shop})
    run(Window(hub, 300), asking.pulling_stock)
    run(Window(hub, 200), asking.pulling_stock)
    assert shop.asked == 1
    run(Window(hub, 200), asking.pulling_stock)
    assert shop.asked == 2


def test_an_expired_reservation_gives_its_units_back(database: Database) -> None:
    hub = fake_hub(database, ManualClock(START), {})
    make_reservation(hub, "cart", [Wish("BOLT", 3, "paris")], expires_at=at(1))
    assert run(Window(hub, 30), keeping.sweeping).counts == Counter()
    hub = fake_hub(database, ManualClock(at(2)), {})
    assert run(Window(hub, 30), keeping.sweeping).counts == Counter({("reservations", "expired"): 1})
    with database.read() as connection:
        assert World(connection).claimable("BOLT", "paris") == 5
        assert [row.state for row in connection.execute(CLAIM.select())] == ["released"]


def test_what_was_oversold_and_is_covered_again_is_no_task_any_more(database: Database) -> None:
    with database.write() as connection:
        World(connection).take_in(a_till_sale("t1", {"NUT": 1}, "counter", channel="till"))
    hub = fake_hub(database, ManualClock(START), {})
    assert run(Window(hub, 30), keeping.sweeping).counts == Counter()
    with database.write() as connection:
        World(connection).receive("NUT", "lyon", 1)
    results = run(Window(fake_hub(database, ManualClock(START), {}), 30), keeping.sweeping)
    assert results.counts == Counter({("tasks", "closed by themselves"): 1})
    with database.read() as connection:
        assert World(connection).open_tasks() == {}


def test_personal_data_is_forgotten_when_its_time_is_over_and_not_before(database: Database) -> None:
    hub = fake_hub(database, ManualClock(START), {"shop": FakeShop()})
    store(hub, "shop", (order_document(an_order("1", {"BOLT": 1})), broken_document(1)))
    run(Window(hub, 5), loops.draining)
    with database.write() as connection:
        order = connection.execute(sa.select(ORDER.c.id)).scalar_one()
        connection.execute(PERSON.delete())
        connection.execute(
            PERSON.insert().values(order_id=order, name="Jane", address_lines=[], expires_at=START + timedelta(days=90))
        )
    day = timedelta(days=1)
    before = run(Window(fake_hub(database, ManualClock(START + 29 * day), {}), 5), keeping.forgetting)
    assert before.counts == Counter()
    after = run(Window(fake_hub(database, ManualClock(START + 91 * day), {}), 5), keeping.forgetting)
    assert after.counts == Counter({("inbox", "documents forgotten"): 1, ("orders", "persons forgotten"): 1})
    with database.read() as connection:
        assert len(connection.execute(BODY.select()).all()) == 1  # the dead letter's waits for somebody
        assert InboxStore(connection, START).dead()[0].document_id == "broken-1"


def test_a_rule_that_does_not_hold_needs_a_person(database: Database) -> None:
    hub = fake_hub(database, ManualClock(START), {})
    assert run(Window(hub, 5), keeping.checking).problems == {}
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE stock_level SET on_hand = on_hand + 1 WHERE id = 1")
    results = run(Window(hub, 5), keeping.checking)
    assert results.counts["rules", "violations"] == 1
    assert [sentence.endswith("Please report it.") for sentence in results.problems.values()] == [True]
