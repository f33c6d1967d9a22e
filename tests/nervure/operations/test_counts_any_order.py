"""Counts, tickets and echoes are heard in any order, and end at the same stock: that of a model that knows them all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervure.clock import ManualClock
from nervure.operations.facts import apply
from nervure.operations.hub import Hub
from nervure.publication.answers import Landing
from nervure.store.database import Database
from schemas.documents import Fact
from schemas.publications import PublicationState
from schemas.stock import StockObservation
from tests.nervure.operations.scripted import ScriptedShop, scripted_hub
from tests.nervure.world import World, a_till_sale, an_order, at, merchant, must_hold, thrown_away

START_UNITS = 20
NOW = at(120)


@dataclass(frozen=True)
class Ticket:
    """One till sale: `units` of BOLT at `minute`, and `nuts`."""

    minute: float
    units: int = 1
    nuts: int = 0


@dataclass(frozen=True)
class Said:
    """A number stated of the store at `minute`: counted by a person, or a system's own."""

    minute: float
    units: int
    version: str | None = None


def ticket(one: Ticket, number: int) -> Fact:
    lines = {"BOLT": one.units} | ({"NUT": one.nuts} if one.nuts else {})
    sale = a_till_sale(f"t{number}", lines, "counter", channel="till", minute=one.minute)
    return sale.model_copy(update={"placed_at": at(one.minute)})


def stated(one: Said, *, counted: bool, sku: str = "BOLT") -> Fact:
    return StockObservation(
        channel="till",
        listing_external_id=f"L-{sku}",
        stock_point="counter",
        units=one.units,
        observed_at=at(one.minute),
        version=one.version,
        is_physical_count=counted,
    )


class Store:
    """A store with 20 BOLT whose till was told so at minute 0; at minute 120 the hub has heard nothing since."""

    def __init__(self, database: Database, world: World, master: str | None) -> None:
        self.hub: Hub = scripted_hub(database, {"shop": ScriptedShop(), "till": ScriptedShop()}, clock=ManualClock(NOW))
        self.world = world
        merchant(world)
        world.location("lyon", master=master)
        world.move("BOLT", "lyon", START_UNITS, minute=-60)
        world.refresh()
        self.told(at(0))
        self.world = World(world.connection, NOW)

    def told(self, moment: datetime) -> None:
        """Every channel is told its number, and confirms."""
        world = World(self.world.connection, moment)
        for channel in ("shop", "market", "till"):
            flights = world.flights.launch(channel, 100, f"{channel}{moment}")
            landings = [(one, Landing(PublicationState.CONFIRMED)) for one in flights]
            world.flights.land(landings, f"{channel}{moment}")

    def hear(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            apply(self.hub, self.world.connection, [fact])

    def on_hand(self, sku: str = "BOLT") -> int:
        return self.world.on_hand(sku, "lyon")


@contextmanager
def a_store(database: Database, master: str | None) -> Iterator[Store]:
    with thrown_away(database) as connection:
        yield Store(database, World(connection, at(0)), master)


def ends(store: Store, facts: Sequence[Fact]) -> set[int]:
    """The stocks that all orders of arrival of these facts end at; what orders have in common is heard once."""
    if not facts:
        must_hold(store.world, oversold=[("BOLT", "lyon")] if store.world.claimable("BOLT", "lyon") < 0 else [])
        return {store.on_hand()}
    found: set[int] = set()
    for position, fact in enumerate(facts):
        with store.world.undone():
            store.hear([fact])
            found |= ends(store, [*facts[:position], *facts[position + 1 :]])
    return found


def counted_end(counts: Sequence[Said], tickets: Sequence[Ticket], *, hidden: int = 0) -> int:
    """The stock by the times of things: each count is compared with what was there then."""
    on_hand = START_UNITS
    happened: list[tuple[float, int, Ticket | Said]] = [(one.minute, 0, one) for one in tickets]
    happened += [(one.minute, 1 + int(one.version or 0), one) for one in counts]
    for _, _, one in sorted(happened, key=lambda what: what[:2]):
        if isinstance(one, Ticket):
            on_hand -= one.units
        else:
            on_hand += max(one.units - on_hand, 0) + min(one.units - (on_hand - hidden), 0)
    return on_hand


TICKETS = {
    "before, between and after": (Ticket(5), Ticket(15, 2), Ticket(25)),
    "all before": (Ticket(5), Ticket(6), Ticket(7, 3)),
    "all between": (Ticket(12), Ticket(15), Ticket(18)),
    "all after": (Ticket(21), Ticket(25, 4), Ticket(30)),
    "at the instant of a count": (Ticket(10), Ticket(20), Ticket(20.001)),
}
COUNTS = {
    "two that differ": (Said(10, 17), Said(20, 19)),
    "the first was right": (Said(10, 20), Said(20, 11)),
    "two at one instant": (Said(20, 13, "9"), Said(20, 18, "10")),
    "two at one instant without a version": (Said(20, 18), Said(20, 13)),
}
MASTERS = pytest.mark.parametrize("master", [None, "till"], ids=["the hub is the master", "the till is the master"])


def expected(counts: Sequence[Said], tickets: Sequence[Ticket]) -> int:
    last = max(counts, key=lambda one: (one.minute, int(one.version or 0), -one.units))
    return last.units - sum(one.units for one in tickets if one.minute > last.minute)


def all_of(counts: Sequence[Said], tickets: Sequence[Ticket], *, counted: bool) -> list[Fact]:
    facts = [stated(one, counted=counted) for one in counts]
    return facts + [ticket(one, number) for number, one in enumerate(tickets)]


@pytest.mark.requirement("R03")
@MASTERS
def test_two_counts_and_three_tickets_end_the_same_in_every_order(shared_sqlite: Database, master: str | None) -> None:
    counts, tickets = COUNTS["two that differ"], TICKETS["before, between and after"]
    with a_store(shared_sqlite, master) as store:
        assert ends(store, all_of(counts, tickets, counted=True)) == {expected(counts, tickets)}


@pytest.mark.soak
@pytest.mark.requirement("R03", "R21")
@MASTERS
@pytest.mark.parametrize("when", TICKETS)
@pytest.mark.parametrize("which", COUNTS)
def test_any_counts_and_tickets_end_the_same_in_every_order(
    shared: Database, master: str | None, which: str, when: str
) -> None:
    counts, tickets = COUNTS[which], TICKETS[when]
    facts = all_of(counts, tickets, counted=True)
    # The till tells of its count by its running number too.
    last = max(counts, key=lambda one: (one.minute, int(one.version or 0), -one.units))
    sold = sum(one.units for one in tickets if last.minute < one.minute <= 22)
    facts.append(stated(Said(22, last.units - sold), counted=False))
    with a_store(shared, master) as store:
        assert ends(store, facts) == {expected(counts, tickets)}


@pytest.mark.requirement("R03")
@pytest.mark.parametrize(
    "counts",
    [
        (Said(10, 23), Said(20, 19)),
        (Said(10, 12), Said(20, 17)),
        (Said(10, 17), Said(20, 16)),
        (Said(10, 18), Said(20, 4)),
    ],
    ids=["more, then between", "less, then between", "twice between", "between, then less"],
)
def test_units_set_aside_may_be_counted_or_not_in_every_order(shared_sqlite: Database, counts: Sequence[Said]) -> None:
    """Four units of the store are promised to a web order: a count between the two numbers says nothing."""
    tickets = (Ticket(5), Ticket(15, 2))
    with a_store(shared_sqlite, None) as store:
        world = World(store.world.connection, at(1))
        world.channel("shop", {"web": ["lyon"]})
        world.take_in(an_order("web", {"BOLT": 4}))
        assert world.allocated("BOLT", "lyon") == 4
        assert ends(store, all_of(counts, tickets, counted=True)) == {counted_end(counts, tickets, hidden=4)}


@dataclass(frozen=True)
class Shelf:
    """What a till shows: it was told 20 at minute 0, sells, and is edited by hand at minutes 8 and 18."""

    tickets: Sequence[Ticket]
    edits: tuple[int, int]

    def shows(self, minute: float) -> Said:
        sold = sum(one.units for one in self.tickets if 0 < one.minute <= minute)
        edited = sum(units for at_minute, units in zip((8, 18), self.edits, strict=True) if at_minute <= minute)
        return Said(minute, START_UNITS - sold + edited)

    @property
    def end(self) -> int:
        return START_UNITS - sum(one.units for one in self.tickets) + sum(self.edits)


RUNNING = {
    "before, between and after": Shelf((Ticket(5), Ticket(15, 2), Ticket(25)), (3, -1)),
    "nothing but echoes": Shelf((Ticket(5), Ticket(15), Ticket(25)), (0, 0)),
    "sold before our number was told": Shelf((Ticket(-5, 2), Ticket(15), Ticket(20)), (-4, 2)),
    "edited forth and back": Shelf((Ticket(12), Ticket(15), Ticket(19)), (5, -5)),
}


@pytest.mark.requirement("R03", "R21")
@pytest.mark.parametrize("case", ["before, between and after", "sold before our number was told"])
def test_running_numbers_and_tickets_end_the_same_in_every_order(shared_sqlite: Database, case: str) -> None:
    shelf = RUNNING[case]
    with a_store(shared_sqlite, "till") as store:
        facts = all_of([shelf.shows(10), shelf.shows(20)], shelf.tickets, counted=False)
        assert ends(store, facts) == {shelf.end}


@pytest.mark.soak
@pytest.mark.requirement("R03", "R21")
@pytest.mark.parametrize("case", RUNNING)
def test_running_numbers_tickets_and_an_echo_of_a_push_end_the_same_in_every_order(shared: Database, case: str) -> None:
    shelf = RUNNING[case]
    with a_store(shared, "till") as store:
        facts = all_of([shelf.shows(0.5), shelf.shows(10), shelf.shows(20)], shelf.tickets, counted=False)
        assert ends(store, facts) == {shelf.end}


@pytest.mark.requirement("R03", "R21")
def test_a_running_number_goes_on_from_a_count_that_was_heard_after_it(shared_sqlite: Database) -> None:
    """One is sold at minute 5, 23 are counted at 20, one is sold at 21, and the till shows 22 at 22."""
    with a_store(shared_sqlite, "till") as store:
        counted, shown = stated(Said(20, 23), counted=True), stated(Said(22, 22), counted=False)
        sold = [ticket(Ticket(minute), number) for number, minute in enumerate((5, 21))]
        assert ends(store, [counted, shown, *sold]) == {22}


@pytest.mark.requirement("R03", "R21")
def test_what_the_till_was_not_told_yet_is_not_missing_there(shared_sqlite: Database) -> None:
    """Goods that the hub received are on no number of the till before a push is confirmed."""
    shelf = RUNNING["before, between and after"]
    with a_store(shared_sqlite, "till") as store:
        World(store.world.connection, at(1)).move("BOLT", "lyon", 4, minute=1)
        store.world.refresh()
        facts = all_of([shelf.shows(10), shelf.shows(20)], shelf.tickets[:2], counted=False)
        assert ends(store, facts) == {shelf.end + 1 + 4}, "the last ticket is not among them"


@pytest.mark.requirement("R21", "R35")
def test_where_the_hub_is_the_master_running_numbers_move_no_stock_in_any_order(shared_sqlite: Database) -> None:
    shelf = RUNNING["before, between and after"]
    with a_store(shared_sqlite, None) as store:
        facts = all_of([shelf.shows(10), shelf.shows(20)], shelf.tickets[:2], counted=False)
        assert ends(store, facts) == {START_UNITS - 3}


MINUTES = st.integers(1, 40)


@settings(max_examples=25)
@given(
    counts=st.lists(st.builds(Said, MINUTES, st.integers(0, 30)), max_size=4, unique_by=lambda one: one.minute),
    tickets=st.lists(st.builds(Ticket, MINUTES, st.integers(1, 4)), max_size=7),
    order=st.randoms(use_true_random=False),
    master=st.sampled_from([None, "till"]),
)
def test_many_counts_and_tickets_heard_twice_in_any_order_end_where_the_model_does(
    shared_sqlite: Database, counts: list[Said], tickets: list[Ticket], order: Random, master: str | None
) -> None:
    facts = all_of(counts, tickets, counted=True) * 2
    order.shuffle(facts)
    with a_store(shared_sqlite, master) as store:
        store.hear(facts)
        assert store.on_hand() == counted_end(counts, tickets)
        assert store.world.on_hand_at("BOLT", "lyon", 20) == counted_end(
            [one for one in counts if one.minute <= 20], [one for one in tickets if one.minute <= 20]
        ), "the ledger is right at every moment"


@settings(max_examples=25)
@given(
    bolts=st.lists(
        st.builds(Said, MINUTES, st.integers(0, 30)), min_size=1, max_size=3, unique_by=lambda one: one.minute
    ),
    nuts=st.lists(
        st.builds(Said, MINUTES, st.integers(0, 30)), min_size=1, max_size=3, unique_by=lambda one: one.minute
    ),
    tickets=st.lists(st.builds(Ticket, MINUTES, st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=5),
    order=st.randoms(use_true_random=False),
)
def test_tickets_of_two_items_and_counts_of_both_in_any_order_end_where_each_item_does_alone(
    shared_sqlite: Database, bolts: list[Said], nuts: list[Said], tickets: list[Ticket], order: Random
) -> None:
    facts = all_of(bolts, tickets, counted=True) + [stated(one, counted=True, sku="NUT") for one in nuts]
    order.shuffle(facts)
    with a_store(shared_sqlite, None) as store:
        store.world.move("NUT", "lyon", START_UNITS, minute=-60)
        store.hear(facts)
        assert store.on_hand() == counted_end(bolts, tickets)
        assert store.on_hand("NUT") == counted_end(nuts, [Ticket(one.minute, one.nuts) for one in tickets])


@settings(max_examples=25)
@given(
    edits=st.tuples(st.integers(-3, 5), st.integers(-3, 5)),
    tickets=st.lists(st.builds(Ticket, st.integers(-5, 40), st.just(1)), max_size=6),
    looks=st.lists(st.integers(19, 40), max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_many_running_numbers_and_tickets_in_any_order_end_where_the_shelf_does(
    shared_sqlite: Database, edits: tuple[int, int], tickets: list[Ticket], looks: list[int], order: Random
) -> None:
    shelf = Shelf(tickets, edits)
    facts = all_of([shelf.shows(10), shelf.shows(18), *map(shelf.shows, looks)], tickets, counted=False)
    facts += facts[::2]
    order.shuffle(facts)
    with a_store(shared_sqlite, "till") as store:
        store.hear(facts)
        assert store.on_hand() == shelf.end
