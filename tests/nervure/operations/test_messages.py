"""What the outbox holds is told once; what cannot be told now is told later, what never can becomes a task."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
import sqlalchemy as sa

from connectors.errors import CredentialsError, RefusedError, ThrottledError, UnavailableError
from nervure.operations import desk, giving_up, messages
from nervure.operations.hub import Hub
from nervure.operations.messages import send_messages, send_to
from nervure.operations.staff import receive, ship_fulfillment
from nervure.store.database import Database
from nervure.store.handling import HandlingStore
from nervure.store.messages import LEASE_SECONDS, MessageStore
from nervure.store.outbox import OUTBOX
from schemas.fulfillment import Parcel, Shipment
from schemas.orders import OrderState
from tests.nervure.operations.scripted import ScriptedShop, advance, hear, looking, order_of, scripted_hub, tasks
from tests.nervure.world import START, Bought, a_pickup, an_order, at, capable, must_hold


def shipped(database: Database, shop: ScriptedShop, **capabilities: object) -> Hub:
    """An order of two bolts whose parcel has left."""
    hub = scripted_hub(database, {"shop": shop}, capabilities={"shop": capable(**capabilities)})
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    with looking(hub) as world:
        [number] = world.fulfillment_numbers("1")
    parcel = Parcel(carrier="Colissimo", tracking_number="6A1")
    assert [ship_fulfillment(hub, number, parcel=parcel, shipped_at=at(1)) for _ in range(2)] == [True, False]
    return hub


def outbox(hub: Hub) -> list[tuple[str, int, float]]:
    """State, tries, and seconds until the next one."""
    with looking(hub) as world:
        rows = world.connection.execute(OUTBOX.select().order_by(OUTBOX.c.id)).all()
    return [(row.state, row.attempts, (row.next_at - hub.clock.now()).total_seconds()) for row in rows]


def test_a_shipment_is_told_once(both: Database) -> None:
    shop = ScriptedShop()
    hub = shipped(both, shop)
    assert [send_messages(hub) for _ in range(3)] == [1, 0, 0]
    [shipment] = shop.shipments.values()
    assert (shipment.order, shipment.location, shipment.shipped_at, shipment.completes_order) == (
        "1",
        "paris",
        at(1),
        True,
    )
    assert [(line.order_line, line.units) for line in shipment.lines] == [("1-1", 2)]
    assert shipment.parcel == Parcel(carrier="Colissimo", tracking_number="6A1")
    assert shop.asked == 1


def test_a_channel_that_takes_no_shipments_is_not_asked(filled: Database) -> None:
    shop = ScriptedShop()
    hub = shipped(filled, shop, can_push_shipments=False)
    assert send_messages(hub) == 1
    assert (shop.asked, outbox(hub)[0][0]) == (0, "done")


def test_a_refused_message_becomes_a_task_and_is_not_sent_again(both: Database) -> None:
    shop = ScriptedShop(error=RefusedError("order 1 was archived"))
    hub = shipped(both, shop)
    with looking(hub) as world:
        [number] = world.fulfillment_numbers("1")
    assert send_messages(hub) == 1
    assert [(task.kind, task.subject, task.text) for task in tasks(hub)] == [
        ("message_refused", f"shipment:fulfillment:{number}", "order 1 was archived")
    ]
    advance(hub, 100_000)
    assert (send_messages(hub), outbox(hub)[0][:2]) == (0, ("dead", 1))


def test_a_message_that_may_succeed_later_waits_longer_and_longer(both: Database) -> None:
    shop = ScriptedShop(error=UnavailableError("shop is down"))
    hub = shipped(both, shop)
    waits = []
    for _ in range(11):
        assert send_messages(hub) == 1
        [(state, _, seconds)] = outbox(hub)
        assert state == "waiting"
        waits.append(seconds)
        advance(hub, seconds - 0.5)
        assert send_messages(hub) == 0, "not before its time"
        advance(hub, 0.5)
    assert waits == [4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    shop.error = None
    send_messages(hub)
    assert (outbox(hub)[0][:2], tasks(hub)) == (("done", 12), [])
    assert len(shop.shipments) == 1


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(ThrottledError("wait", retry_after_seconds=37), 37), (CredentialsError("sign-in refused"), 900)],
    ids=["throttled", "needs a person"],
)
def test_how_long_a_message_waits_follows_from_what_went_wrong(
    filled: Database, error: Exception, seconds: float
) -> None:
    hub = shipped(filled, ScriptedShop(error=error))  # type: ignore[arg-type]  # both are connector errors
    send_messages(hub)
    assert outbox(hub) == [("waiting", 1, seconds)]


def test_one_failing_message_holds_back_no_other(both: Database) -> None:
    shop, market = ScriptedShop(error=UnavailableError("down")), ScriptedShop()
    hub = scripted_hub(both, {"shop": shop, "market": market})
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 1})))
    hear(hub, "market", order_of(an_order("2", {"BOLT": 1}, channel="market")))
    with looking(hub) as world:
        numbers = [number for order in ("1", "2") for number in world.fulfillment_numbers(order)]
    for number in numbers:
        ship_fulfillment(hub, number)
    assert send_messages(hub) == 2
    assert [one.order for one in market.shipments.values()] == ["2"]


def fetched(database: Database, shop: ScriptedShop, **capabilities: object) -> tuple[Hub, int]:
    """A pickup of two bolts that waits for its customer in lyon."""
    declared = {"till": capable(**{"can_push_ready": True} | capabilities)}
    hub = scripted_hub(database, {"shop": ScriptedShop(), "till": shop}, capabilities=declared)
    hear(hub, "till", order_of(a_pickup("1", {"BOLT": 2}, "counter", channel="till")))
    with looking(hub) as world:
        [number] = world.fulfillment_numbers("1")
    desk.start_picking(hub, number)
    desk.pack(hub, number, unscanned=True)
    assert [desk.make_ready(hub, number)[0] for _ in range(2)] == [True, False]
    return hub, number


def last_steps(hub: Hub, number: int) -> list[tuple[str, str]]:
    with looking(hub) as world:
        events = HandlingStore(world.connection, world.now).events(number)
    return [(event.kind.value, event.reason) for event in events if event.kind.value not in {"picking", "packed"}]


def test_a_channel_is_told_once_that_a_pickup_is_ready(both: Database) -> None:
    shop = ScriptedShop()
    hub, number = fetched(both, shop)
    assert [send_messages(hub) for _ in range(3)] == [1, 0, 0]
    [notice] = shop.ready
    assert (notice.channel, notice.order, notice.location) == ("till", "1", "lyon")
    assert [(line.order_line, line.units) for line in notice.lines] == [("1-1", 2)]
    assert last_steps(hub, number) == [("ready", ""), ("notified", "")]


def test_a_ready_notice_is_tried_again_and_noted_once(both: Database) -> None:
    shop = ScriptedShop(error=UnavailableError("down"))
    hub, number = fetched(both, shop)
    for _ in range(3):
        assert send_messages(hub) == 1
        advance(hub, outbox(hub)[0][2])
    shop.error = None
    # Another window holds the same message: its lease had run out while its call was under way.
    with both.write() as connection:
        [message] = MessageStore(connection, hub.clock.now()).lease("till", 9)
    messages._send(hub, message)
    messages._send(hub, message)
    assert outbox(hub)[0][:2] == ("done", 4)
    assert last_steps(hub, number) == [("ready", ""), ("notified", "")]


def test_a_refused_ready_notice_is_seen_at_the_desk_and_at_the_office(both: Database) -> None:
    shop = ScriptedShop(error=RefusedError("order 1 was archived"))
    hub, number = fetched(both, shop)
    assert send_messages(hub) == 1
    assert [(task.kind, task.subject, task.text) for task in tasks(hub)] == [
        ("message_refused", f"ready:fulfillment:{number}", "order 1 was archived")
    ]
    assert last_steps(hub, number) == [("ready", ""), ("not_notified", "order 1 was archived")]
    assert outbox(hub)[0][:2] == ("dead", 1)


@pytest.mark.parametrize("has_a_word", [True, False], ids=["not declared", "not set up"])
def test_a_channel_that_cannot_be_told_is_seen_at_the_desk(filled: Database, has_a_word: bool) -> None:
    shop = ScriptedShop(has_a_word_for_ready=has_a_word)
    hub, number = fetched(filled, shop, can_push_ready=not has_a_word)
    assert send_messages(hub) == 1
    assert (shop.asked, outbox(hub)[0][0]) == (0 if has_a_word else 1, "done")
    assert last_steps(hub, number) == [("ready", ""), ("not_notified", "")]
    assert tasks(hub) == []


def test_what_waits_no_more_is_not_told(filled: Database) -> None:
    shop = ScriptedShop()
    hub, number = fetched(filled, shop)
    giving_up.return_to_sale(hub, number)
    assert send_messages(hub) == 1
    assert (shop.ready, outbox(hub)[0][0]) == ([], "done")
    assert "notified" not in [kind for kind, _ in last_steps(hub, number)]


def test_the_second_part_of_a_pickup_tells_the_whole(filled: Database) -> None:
    shop = ScriptedShop()
    hub = scripted_hub(filled, {"till": shop}, capabilities={"till": capable(can_push_ready=True)})
    hear(hub, "till", order_of(a_pickup("1", {"BOLT": 3}, "counter", channel="till")))
    receive(hub, "BOLT", "lyon", 1, document="D1")
    with looking(hub) as world:
        numbers = world.fulfillment_numbers("1")
    assert len(numbers) == 2, "two were there, one came later"
    for number in numbers:
        desk.start_picking(hub, number)
        desk.pack(hub, number, unscanned=True)
        desk.make_ready(hub, number)
        send_messages(hub)
    assert [[line.units for line in notice.lines] for notice in shop.ready] == [[2], [3]]


def test_a_slow_channel_gives_back_what_it_had_no_time_for(filled: Database) -> None:
    @dataclass
    class Slow(ScriptedShop):
        """Every parcel takes it 50 seconds."""

        def push_shipment(self, shipment: Shipment) -> None:
            advance(hub, 50)
            super().push_shipment(shipment)

    shop = Slow()
    hub = scripted_hub(filled, {"shop": shop})
    for order in "1234":
        hear(hub, "shop", order_of(an_order(order, {"BOLT": 1})))
        with looking(hub) as world:
            [number] = world.fulfillment_numbers(order)
        ship_fulfillment(hub, number)
    assert send_to(hub, "shop") == 2, "the next one would begin in the second half of the lease"
    assert [(state, attempts) for state, attempts, _ in outbox(hub)] == [
        ("done", 1),
        ("done", 1),
        ("waiting", 0),
        ("waiting", 0),
    ]
    assert [send_to(hub, "shop") for _ in range(2)] == [2, 0]
    assert [one.order for one in shop.shipments.values()] == ["1", "2", "3", "4"]


def test_nobody_is_called_about_a_refusal_that_came_after_the_message_had_arrived(filled: Database) -> None:
    shop = ScriptedShop()
    hub = shipped(filled, shop)

    def slow(shipment: Shipment) -> None:
        """While this one waits for an answer its lease ends, and another window tells the same shipment."""
        shop.shipments[shipment.external_id] = shipment
        advance(hub, LEASE_SECONDS + 1)
        del shop.push_shipment
        assert send_to(hub, "shop") == 1
        raise RefusedError("it has left already")

    shop.push_shipment = slow  # type: ignore[method-assign]  # once
    assert send_to(hub, "shop") == 1
    assert (outbox(hub)[0][0], tasks(hub)) == ("done", [])


def test_a_message_whose_sender_died_is_sent_when_its_lease_is_over(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = ScriptedShop()
    hub = shipped(filled, shop)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(shop, "push_shipment", killed)
        with pytest.raises(KeyboardInterrupt):
            send_messages(hub)
    advance(hub, LEASE_SECONDS)
    assert send_messages(hub) == 0
    advance(hub, 1)
    assert send_messages(hub) == 1
    assert len(shop.shipments) == 1


def test_every_line_is_accepted_that_can_be_served_and_only_once(both: Database) -> None:
    shop = ScriptedShop()
    hub = scripted_hub(both, {"shop": shop}, capabilities={"shop": capable(must_accept_orders=True)})
    waiting = an_order("1", {"BOLT": 2, "NUT": 9}, state=OrderState.AWAITING_ACCEPTANCE)
    hear(hub, "shop", order_of(waiting))
    hear(hub, "shop", order_of(waiting.model_copy(update={"updated_at": START + timedelta(seconds=1)})))
    while send_messages(hub):
        pass
    assert shop.accepted == [("1", {"1-1": True, "1-2": False})]


def partly_shipped(database: Database, shop: ScriptedShop, bought: list[Bought]) -> Hub:
    """An order of which everything that is in Paris has left, and the channel was told."""
    hub = scripted_hub(database, {"shop": shop})
    hear(hub, "shop", order_of(an_order("1", bought)))
    with looking(hub) as world:
        first = world.fulfillment_numbers("1")[0]
    parcel = Parcel(carrier="Colissimo", tracking_number="6A1")
    assert ship_fulfillment(hub, first, parcel=parcel, shipped_at=at(1))
    send_messages(hub)
    assert [shipment.completes_order for shipment in shop.shipments.values()] == [False]
    advance(hub, 60)
    return hub


def test_an_order_whose_rest_is_canceled_is_told_as_complete_once(both: Database) -> None:
    shop = ScriptedShop()
    hub = partly_shipped(both, shop, [Bought("BOLT", 6)])  # five in Paris, two in Lyon
    [before] = shop.shipments.values()
    for minute in (1, 2):
        hear(hub, "shop", order_of(an_order("1", [Bought("BOLT", 6, 1)], minute=minute)))
    send_messages(hub)
    [after] = shop.shipments.values()
    assert (after.completes_order, after.lines, after.parcel) == (True, before.lines, before.parcel)
    with looking(hub) as world:
        references = list(world.connection.execute(sa.select(OUTBOX.c.reference).order_by(OUTBOX.c.id)).scalars())
        [number] = world.fulfillment_numbers("1")
        must_hold(world)
    assert references == [f"fulfillment:{number}", f"fulfillment:{number}:completes"]


def test_an_order_whose_shortfall_is_canceled_is_told_as_complete(both: Database) -> None:
    shop = ScriptedShop()
    hub = partly_shipped(both, shop, [Bought("BOLT", 5), Bought("NUT", 50)])
    with looking(hub) as world:
        assert world.open_tasks()["shortfall"] == 1
        short = world.lines("1")["1-2"][2]
        rest = world.fulfillment_numbers("1")[1:]
    for number in rest:
        ship_fulfillment(hub, number)
    send_messages(hub)
    assert not any(shipment.completes_order for shipment in shop.shipments.values())
    hear(hub, "shop", order_of(an_order("1", [Bought("BOLT", 5), Bought("NUT", 50, short)], minute=1)))
    send_messages(hub)
    assert [shipment.completes_order for shipment in shop.shipments.values()].count(True) == 1
    with looking(hub) as world:
        assert world.open_tasks() == {}


def test_an_order_of_which_something_is_still_here_is_not_told_as_complete(both: Database) -> None:
    shop = ScriptedShop()
    hub = partly_shipped(both, shop, [Bought("BOLT", 7)])
    hear(hub, "shop", order_of(an_order("1", [Bought("BOLT", 7, 1)], minute=1)))
    assert send_messages(hub) == 0
    with looking(hub) as world:
        assert world.rows(OUTBOX) == 1


def test_an_order_that_is_canceled_before_anything_left_is_not_told_as_shipped(both: Database) -> None:
    shop = ScriptedShop()
    hub = scripted_hub(both, {"shop": shop})
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    hear(hub, "shop", order_of(an_order("1", [Bought("BOLT", 2, 2)], minute=1)))
    with looking(hub) as world:
        assert world.rows(OUTBOX) == 0
