"""A fulfillment order is offered to several stores: the first to accept gets it with its units, and nobody else."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from nervure.operations import desk, giving_up, offers
from nervure.operations.counts import show
from nervure.operations.desk import Actor, DeskRefusedError, UnknownFulfillmentError
from nervure.operations.hub import Hub
from nervure.operations.moving import move_fulfillment
from nervure.operations.staff import receive
from nervure.orders.rules import Routing
from nervure.store.database import Database
from nervure.store.handling import HandlingStore
from nervure.store.offering import OFFER, OfferingStore
from nervure.store.picking import PickingStore
from nervure.store.places import HistoryOfPlaces
from nervure.store.routing import RoutingStore
from nervure.store.scarcity import ScarcityStore
from nervure.store.statements import CLAIM, MOVEMENT
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.orders import FULFILLMENT
from schemas.fulfillment import RejectReason
from schemas.locations import LocationKind
from schemas.orders import OrderState
from schemas.routing import LocationRouting, RoutingMethod, RoutingSettings, ScarcitySettings, Weekday
from tests.nervure.operations.fake_shops import fill
from tests.nervure.operations.scripted import ScriptedShop, advance, hear, looking, order_of, scripted_hub
from tests.nervure.operations.test_desk import all_holds, numbers_of, ordered, state_of
from tests.nervure.world import Bought, World, a_pickup, an_order, at_once, must_hold

STORES = ("paris", "lyon", "nice", "lille")
ANA, BO, CLO = Actor("Ana", "lyon"), Actor("Bo", "paris"), Actor("Clo", "nice")


def stores_on(database: Database, *, offer_to: int = 3, **own: LocationRouting) -> Hub:
    """Four stores that must accept within ten minutes, paris the best: 5, 4, 3 and 2 BOLT; 8 NUT in paris."""
    hub = scripted_hub(database, {"shop": ScriptedShop(), "till": ScriptedShop()})
    with database.write() as connection:
        world = World(connection)
        for code in ("nice", "lille"):
            world.location(code, kind=LocationKind.STORE)
        world.channel("shop", {"web": STORES})
        connection.execute(LOCATION.update().values(kind="store", accept_seconds=600.0))
        RoutingStore(connection, world.now).put(Routing(None, own, offer_to))
    for code, units in (("lyon", 2), ("nice", 3), ("lille", 2)):
        receive(hub, "BOLT", code, units, document=f"D-{code}")
    return hub


def offered(hub: Hub, order: str = "1", units: int = 2) -> int:
    number = ordered(hub, order, {"BOLT": units})
    assert giving_up.keep_times(hub) == (1, 0, 0)
    return number


def asked(hub: Hub, number: int) -> list[tuple[str, str]]:
    with looking(hub) as world:
        return [(location, state) for location, state, _ in PickingStore(world.connection, world.now).offers(number)]


def queue(hub: Hub, location: str) -> list[tuple[int, bool, int]]:
    """What a location sees: (number, whether another location holds it, how many others have it)."""
    with looking(hub) as world:
        jobs = PickingStore(world.connection, world.now).jobs(location)
    return [(job.number, job.is_asked, job.offered_to) for job in jobs]


def told(hub: Hub, number: int) -> list[tuple[str, str, str, str]]:
    """(where, what, who, why); where is empty at the location that the fulfillment order is at."""
    with looking(hub) as world:
        events = HandlingStore(world.connection, world.now).events(number)
    return [(e.location or "", e.kind.value, e.by, e.reason) for e in events]


def claimable(hub: Hub) -> dict[str, int]:
    with looking(hub) as world:
        return {code: world.claimable("BOLT", code) for code in STORES}


def test_one_store_holds_the_units_and_the_best_others_are_asked(both: Database) -> None:
    hub = stores_on(both)
    number = offered(hub)
    assert asked(hub, number) == [("lyon", "open"), ("nice", "open")]
    assert {code: queue(hub, code) for code in STORES} == {
        "paris": [(number, False, 2)],
        "lyon": [(number, True, 2)],
        "nice": [(number, True, 2)],
        "lille": [],
    }
    assert claimable(hub) == {"paris": 3, "lyon": 4, "nice": 3, "lille": 2}, "claimed at one place, once"
    assert told(hub, number) == [("", "offered", "", ""), ("lyon", "offered", "", ""), ("nice", "offered", "", "")]
    assert giving_up.keep_times(hub) == (0, 0, 0)
    all_holds(hub)


def test_the_first_to_accept_gets_the_claim_and_the_others_see_it_vanish(both: Database) -> None:
    hub = stores_on(both)
    number = offered(hub)
    changed, instead = offers.accept(hub, number, CLO)
    assert (changed, instead) == (True, number + 1)
    assert offers.accept(hub, number, CLO) == (False, instead), "told twice, done once"
    assert claimable(hub) == {"paris": 5, "lyon": 4, "nice": 1, "lille": 2}
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "nice", "accepted"): 2}
        assert world.claims() == {"released": 2, "held": 2}
    assert {code: queue(hub, code) for code in STORES} == {
        "paris": [],
        "lyon": [],
        "nice": [(instead, False, 0)],
        "lille": [],
    }
    assert asked(hub, number) == [("lyon", "taken"), ("nice", "accepted")]
    assert told(hub, number)[3:] == [("", "canceled", "", ""), ("", "taken", "", ""), ("lyon", "taken", "", "")]
    assert told(hub, instead) == [("", "accepted", "Clo", "")]
    sentence = f"another location has accepted fulfillment order {number} first"
    for late in (ANA, BO):
        with pytest.raises(DeskRefusedError, match=sentence) as refused:
            offers.accept(hub, number, late)
        assert refused.value.kind == "taken"
    with pytest.raises(UnknownFulfillmentError, match=f"there is no fulfillment order {number} at 'lille'"):
        offers.accept(hub, number, Actor("Dan", "lille"))
    assert desk.start_picking(hub, instead, CLO)
    all_holds(hub)


@pytest.mark.parametrize("step", ["accept", "pick"])
def test_the_store_that_holds_the_units_may_be_the_first(both: Database, step: str) -> None:
    hub = stores_on(both)
    number = offered(hub)
    if step == "accept":
        assert offers.accept(hub, number, BO) == (True, number)
    else:
        assert desk.start_picking(hub, number, BO)
    assert asked(hub, number) == [("lyon", "taken"), ("nice", "taken")]
    with pytest.raises(DeskRefusedError, match="another location has accepted"):
        offers.accept(hub, number, ANA)
    assert {code: len(queue(hub, code)) for code in STORES} == {"paris": 1, "lyon": 0, "nice": 0, "lille": 0}
    assert claimable(hub)["lyon"] == 4
    all_holds(hub)


def test_a_store_whose_units_are_gone_is_told_so_and_the_others_may_still_accept(both: Database) -> None:
    hub = stores_on(both)
    number = offered(hub)
    with hub.database.write() as connection:
        World(connection, hub.clock.now()).lose("BOLT", "nice", 2)
    with looking(hub) as world:
        before = world.rows(CLAIM), world.rows(FULFILLMENT)
    with pytest.raises(DeskRefusedError, match=f"units of fulfillment order {number} are not at 'nice' any more") as no:
        offers.accept(hub, number, CLO)
    assert no.value.kind == "lacks"
    with looking(hub) as world:
        assert (world.rows(CLAIM), world.rows(FULFILLMENT)) == before
    assert asked(hub, number) == [("lyon", "open"), ("nice", "lacking")]
    assert told(hub, number)[-1] == ("nice", "lacks", "Clo", "")
    assert queue(hub, "nice") == []
    with pytest.raises(DeskRefusedError, match="is not offered here any more"):
        offers.accept(hub, number, CLO)
    assert offers.accept(hub, number, ANA) == (True, number + 1)
    all_holds(hub)


def test_after_its_time_it_is_served_from_elsewhere_without_those_who_did_not_accept(both: Database) -> None:
    hub = stores_on(both)
    number = offered(hub)
    advance(hub, 600)
    assert giving_up.keep_times(hub) == (1, 1, 0), "the next store is asked at once"
    assert asked(hub, number) == [("lyon", "expired"), ("nice", "expired")]
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "lille", "allocated"): 2}
    assert told(hub, number)[3:] == [
        ("lyon", "timed_out", "", ""),
        ("nice", "timed_out", "", ""),
        ("", "timed_out", "", ""),
        ("", "canceled", "", ""),
    ]
    assert asked(hub, number + 1) == [], "nobody is asked twice for one order"
    with pytest.raises(DeskRefusedError, match=f"the time to accept fulfillment order {number} is over"):
        offers.accept(hub, number, ANA)
    advance(hub, 600)
    assert giving_up.keep_times(hub) == (0, 0, 0)
    with looking(hub) as world:
        assert world.open_tasks() == {"not_accepted": 1}, "nobody else is left: it stays, and a person is told"
    all_holds(hub)


def has_times(hub: Hub) -> bool:
    with looking(hub) as world:
        return OfferingStore(world.connection, hub.clock.now()).has_times()


def test_a_look_finds_what_is_to_be_offered_or_is_asked_in_vain_and_nothing_else(both: Database) -> None:
    hub = stores_on(both)
    assert not has_times(hub)
    number = ordered(hub, "1", {"BOLT": 2})
    assert has_times(hub)
    giving_up.keep_times(hub)
    assert not has_times(hub), "it is offered, and there is time"
    with hub.database.write() as connection:
        connection.execute(FULFILLMENT.update().values(accept_by=hub.clock.now() + timedelta(hours=1)))
    advance(hub, 600)
    assert has_times(hub), "the others have not accepted in time"
    giving_up.keep_times(hub)
    assert not has_times(hub)
    advance(hub, 3_000)
    assert has_times(hub), "nor has the store that holds the units"
    giving_up.keep_times(hub)
    [(instead, _, _)] = queue(hub, "lille")
    assert offers.accept(hub, instead, Actor("Dan", "lille")) == (True, instead)
    assert not has_times(hub)
    assert instead > number


def test_a_look_finds_what_is_still_asked_for_though_it_was_canceled(both: Database) -> None:
    hub = stores_on(both)
    offered(hub)
    assert not has_times(hub)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2}, state=OrderState.CANCELED, minute=1)))
    assert has_times(hub)
    giving_up.keep_times(hub)
    assert not has_times(hub)


def test_a_store_that_declines_is_not_asked_again_and_the_others_are_not_concerned(both: Database) -> None:
    hub = stores_on(both)
    number = offered(hub)
    assert giving_up.reject(hub, number, RejectReason.NO_TIME, ANA)
    assert not giving_up.reject(hub, number, RejectReason.NO_TIME, ANA)
    assert asked(hub, number) == [("lyon", "declined"), ("nice", "open")]
    assert told(hub, number)[-1] == ("lyon", "rejected", "Ana", "no_time")
    assert (queue(hub, "lyon"), queue(hub, "paris")) == ([], [(number, False, 1)])
    assert giving_up.reject(hub, number, RejectReason.CLOSED, BO), "another store's no is not known to be this one's"
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "nice", "allocated"): 2}, "not lyon, which was the next"
    assert giving_up.keep_times(hub) == (1, 0, 0)
    assert asked(hub, number) == [("lyon", "declined"), ("nice", "withdrawn")]
    assert asked(hub, number + 1) == [("lille", "open")]
    all_holds(hub)


def shares_not_found(world: World) -> dict[int, float]:
    """How much each location did not find, with no prior."""
    places, history = world.locations.ids().values(), HistoryOfPlaces(world.connection, world.now)
    history.measure_not_found()
    return history.not_found(RoutingSettings(prior_share=0), places)


def test_what_an_asked_store_does_not_find_is_lost_there_and_counted(both: Database) -> None:
    hub = stores_on(both)
    number = offered(hub)
    assert giving_up.reject(hub, number, RejectReason.NOT_FOUND, CLO, keeps={"BOLT": 1})
    with looking(hub) as world:
        assert (world.on_hand("BOLT", "nice"), world.on_hand("BOLT", "paris")) == (2, 5)
        last = sa.select(MOVEMENT.c.document, MOVEMENT.c.reason).order_by(MOVEMENT.c.id.desc()).limit(1)
        [document] = [row.document for row in world.connection.execute(last)]
        assert world.served("1") == {("1-1", "paris", "allocated"): 2}
        assert world.open_tasks() == {"count": 1}
        assert set(shares_not_found(world).values()) == {0}, "paris, which holds it, was not looked at"
    event = document.rpartition(":")[2]
    sheet, lines = show(hub, f"not-found-{number}-{event}")
    assert (sheet.location, [line.line.sku for line in lines]) == ("nice", ["BOLT"])
    all_holds(hub)


def test_a_store_gets_an_offer_only_of_what_it_has_whole(both: Database) -> None:
    hub = stores_on(both, offer_to=4)
    assert asked(hub, offered(hub, "1", 3)) == [("lyon", "open"), ("nice", "open")]
    receive(hub, "BOLT", "paris", 5, document="D9")
    number = ordered(hub, "2", {"PAIR": 1})
    assert giving_up.keep_times(hub) == (1, 0, 0)
    assert asked(hub, number) == [], "the nuts are in paris alone"


def test_what_a_warehouse_sends_and_what_a_customer_fetches_is_offered_to_nobody_else(both: Database) -> None:
    hub = stores_on(both)
    hear(hub, "till", order_of(a_pickup("1", {"BOLT": 1}, "counter", channel="till")))
    with both.write() as connection:
        connection.execute(LOCATION.update().where(LOCATION.c.code == "paris").values(kind="warehouse"))
    ordered(hub, "2", {"BOLT": 1})
    assert giving_up.keep_times(hub) == (2, 0, 0)
    with looking(hub) as world:
        assert world.rows(OFFER) == 0


def test_without_the_setting_one_store_is_asked(both: Database) -> None:
    hub = stores_on(both, offer_to=1)
    assert asked(hub, offered(hub)) == []


def test_the_cheapest_are_asked_first_by_the_method_of_routing(both: Database) -> None:
    hub = stores_on(both, offer_to=2)
    own = {"lyon": LocationRouting(handling="3.00"), "nice": LocationRouting(handling="1.00")}
    with both.write() as connection:
        RoutingStore(connection, hub.clock.now()).put(Routing(RoutingSettings(), {**own, "lille": own["lyon"]}, 2))
    assert asked(hub, offered(hub)) == [("nice", "open")]
    with both.write() as connection:
        by_rank = RoutingSettings(method=RoutingMethod.PRIORITY)
        RoutingStore(connection, hub.clock.now()).put(Routing(by_rank, own, 2))
    assert asked(hub, offered(hub, "2")) == [("lyon", "open")]


def test_what_units_are_worth_to_later_orders_counts_in_who_is_asked(both: Database) -> None:
    hub = stores_on(both, offer_to=2)
    own = {
        code: LocationRouting(handling=cost) for code, cost in (("lyon", "2.00"), ("nice", "1.00"), ("lille", "3.00"))
    }
    with both.write() as connection:
        settings = RoutingSettings(scarcity=ScarcitySettings(horizon_days=7))
        RoutingStore(connection, hub.clock.now()).put(Routing(settings, own, 2))
        world = World(connection, hub.clock.now())
        ScarcityStore(connection, hub.clock.now()).put({world.place("BOLT", "nice"): 600_000})
    assert asked(hub, offered(hub)) == [("lyon", "open")], "two units are worth 1.20 to others in nice"


def test_what_is_canceled_moved_or_sent_is_offered_no_more(both: Database) -> None:
    hub = stores_on(both)
    canceled, moved, sent = (offered(hub, name, 1) for name in ("1", "2", "3"))
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 1}, state=OrderState.CANCELED, minute=1)))
    move_fulfillment(hub, moved, "lille")
    desk.send(hub, sent, BO)
    assert queue(hub, "lyon") == []
    for number in (canceled, moved):
        with pytest.raises(DeskRefusedError, match=f"fulfillment order {number} is not offered here any more"):
            offers.accept(hub, number, ANA)
    with pytest.raises(DeskRefusedError, match=f"another location has accepted fulfillment order {sent} first"):
        offers.accept(hub, sent, ANA)
    giving_up.keep_times(hub)
    for number in (canceled, moved, sent):
        assert asked(hub, number) == [("lyon", "withdrawn"), ("nice", "withdrawn")]
    all_holds(hub)


def test_an_order_that_may_not_be_sent_any_more_is_accepted_by_nobody(both: Database) -> None:
    hub = stores_on(both)
    number = offered(hub)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2}, state=OrderState.AWAITING_PAYMENT, minute=1)))
    for who in (ANA, BO):
        with pytest.raises(DeskRefusedError, match="waits for its payment or its acceptance"):
            offers.accept(hub, number, who)
    assert queue(hub, "lyon") == []


def test_a_part_that_is_canceled_is_not_taken_over(both: Database) -> None:
    hub = stores_on(both)
    number = offered(hub, "1", 2)
    hear(hub, "shop", order_of(an_order("1", [Bought("BOLT", 2, canceled=1)], minute=1)))
    assert offers.accept(hub, number, ANA) == (True, number + 1)
    assert claimable(hub) == {"paris": 5, "lyon": 3, "nice": 3, "lille": 2}
    all_holds(hub)


def test_to_be_outrun_is_not_to_have_lost_anything(both: Database) -> None:
    """How often a location did not find what it was to send counts in routing: being slower does not."""
    hub = stores_on(both)
    number = offered(hub)
    offers.accept(hub, number, ANA)
    with looking(hub) as world:
        assert set(shares_not_found(world).values()) == {0}


def test_the_time_of_each_store_counts_while_it_is_open(both: Database) -> None:
    """The world begins on a Monday at 9:00 UTC. Nice opens at noon, lyon only on Tuesday."""
    late = LocationRouting(hours=dict.fromkeys(Weekday, "12:00-18:00"))
    closed = LocationRouting(hours={Weekday.TUESDAY: "09:00-18:00"})
    hub = stores_on(both, nice=late, lyon=closed)
    number = offered(hub)
    with looking(hub) as world:
        found = PickingStore(world.connection, world.now)
        assert [(where, when) for where, _, when in found.offers(number)] == [
            ("lyon", datetime(2026, 3, 3, 9, 10, tzinfo=UTC)),
            ("nice", datetime(2026, 3, 2, 12, 10, tzinfo=UTC)),
        ]
        [job] = found.jobs("paris")
        assert job.accept_by == world.now + timedelta(minutes=10), "paris has no hours: it is always open"
    advance(hub, 600)
    assert giving_up.keep_times(hub)[1] == 1
    assert asked(hub, number) == [("lyon", "withdrawn"), ("nice", "withdrawn")], "their time had not begun"


@pytest.mark.postgresql
def test_of_stores_that_accept_at_once_exactly_one_wins(postgresql: Database) -> None:
    _race(postgresql)


def test_of_stores_that_accept_at_once_on_sqlite_exactly_one_wins(sqlite: Database) -> None:
    _race(sqlite)


def _race(database: Database) -> None:
    fill(database)
    hub = stores_on(database, offer_to=4)
    for code in STORES:
        receive(hub, "BOLT", code, 30, document=f"R-{code}")
    before = sum(claimable(hub).values())
    actors = [Actor(f"{code}-{turn}", code) for code in STORES for turn in range(2)]
    winners = set()
    for turn in range(6):
        number = offered(hub, str(turn), 2)
        answers = at_once([partial(offers.accept, hub, number, who) for who in actors])
        won = [(who, answer) for who, answer in zip(actors, answers, strict=True) if isinstance(answer, tuple)]
        lost = [answer for answer in answers if not isinstance(answer, tuple)]
        assert [one.kind for one in lost if isinstance(one, DeskRefusedError)] == ["taken"] * len(lost), answers
        assert sorted(changed for _, (changed, _) in won) == [False, True], "its second tablet was told the same"
        [winner] = {who.location for who, _ in won}
        winners.add(winner)
        with looking(hub) as world:
            must_hold(world)
            assert world.served(str(turn)) == {(f"{turn}-1", winner, "accepted"): 2}
        assert sum(claimable(hub).values()) == before - 2 * (turn + 1), "claimed once"
        states = sorted(state for _, state in asked(hub, number))
        assert states == (["taken"] * 3 if winner == "paris" else ["accepted", "taken", "taken"])
    assert numbers_of(hub, "0")
    all_holds(hub)


@pytest.mark.postgresql
def test_accepted_while_its_time_ends_it_is_done_by_one(postgresql: Database) -> None:
    fill(postgresql)
    hub = stores_on(postgresql)
    for code in STORES:
        receive(hub, "BOLT", code, 30, document=f"R-{code}")
    for turn in range(6):
        number = offered(hub, str(turn), 2)
        advance(hub, 600)
        answers = at_once([partial(offers.accept, hub, number, ANA), partial(giving_up.keep_times, hub)])
        with looking(hub) as world:
            must_hold(world)
            [(where, state)] = [(where, state) for _, where, state in world.served(str(turn))]
        if isinstance(answers[0], tuple):
            assert (where, state) == ("lyon", "accepted")
        else:
            assert isinstance(answers[0], DeskRefusedError), answers
            assert (where, state) == ("lille", "allocated")
            assert offers.accept(hub, numbers_of(hub, str(turn))[-1], Actor("Dan", "lille"))[0]
        giving_up.keep_times(hub)
        assert state_of(hub, number) == "canceled"
    all_holds(hub)
