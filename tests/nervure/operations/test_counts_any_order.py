"""Counts, tickets and echoes are heard in any order, and end at the same stock: that of a model which knows them all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import permutations
from math import factorial

import pytest

from nervure.clock import ManualClock
from nervure.operations.facts import apply
from nervure.operations.hub import Hub
from nervure.store.database import Database
from schemas.documents import Fact
from schemas.publications import PublicationState
from schemas.stock import StockObservation
from tests.nervure.operations.scripted import ScriptedShop, scripted_hub
from tests.nervure.world import World, a_till_sale, at, merchant, must_hold, thrown_away

START_UNITS = 20
NOW = at(120)


@dataclass(frozen=True)
class Ticket:
    """One till sale: `units` at `minute`."""

    minute: float
    units: int = 1


@dataclass(frozen=True)
class Said:
    """A number stated of the store at `minute`: counted by a person, or a system's own."""

    minute: float
    units: int
    version: str | None = None


def ticket(one: Ticket, number: int) -> Fact:
    sale = a_till_sale(f"t{number}", {"BOLT": one.units}, "counter", channel="till", minute=one.minute)
    return sale.model_copy(update={"placed_at": at(one.minute)})


def stated(one: Said, *, counted: bool) -> Fact:
    return StockObservation(
        channel="till",
        listing_external_id="L-BOLT",
        stock_point="counter",
        units=one.units,
        observed_at=at(one.minute),
        version=one.version,
        is_physical_count=counted,
    )


class Store:
    """A store with 20 BOLT whose till was told so at minute 0; the hub is at minute 120, and has heard nothing since."""

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
        from nervure.publication.answers import Landing

        world = World(self.world.connection, moment)
        for channel in ("shop", "market", "till"):
            flights = world.publications.launch(channel, 100, f"{channel}{moment}")
            landings = [(one, Landing(PublicationState.CONFIRMED)) for one in flights]
            world.publications.land(landings, f"{channel}{moment}")

    def hear(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            apply(self.hub, self.world.connection, [fact])

    def on_hand(self) -> int:
        return self.world.on_hand("BOLT", "lyon")


@contextmanager
def a_store(database: Database, master: str | None) -> Iterator[Store]:
    with thrown_away(database) as connection:
        yield Store(database, World(connection, at(0)), master)


def ends(store: Store, orders: Iterator[Sequence[Fact]] | Sequence[Sequence[Fact]]) -> dict[int, Sequence[Fact]]:
    """The stocks that these orders of arrival end at, each with one order that does."""
    found: dict[int, Sequence[Fact]] = {}
    for facts in orders:
        with store.world.undone():
            store.hear(facts)
            found.setdefault(store.on_hand(), facts)
            must_hold(store.world, oversold=[("BOLT", "lyon")] if store.world.claimable("BOLT", "lyon") < 0 else [])
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


@pytest.mark.requirement("R03", "R21")
@MASTERS
def test_counts_tickets_and_an_echo_end_the_same_in_every_order(shared_sqlite: Database, master: str | None) -> None:
    counts, tickets = COUNTS["two that differ"], TICKETS["before, between and after"]
    facts = [stated(one, counted=True) for one in counts]
    facts += [ticket(one, number) for number, one in enumerate(tickets)]
    facts.append(stated(Said(22, counts[1].units), counted=False))
    with a_store(shared_sqlite, master) as store:
        assert ends(store, permutations(facts)).keys() == {expected(counts, tickets)}
    assert factorial(len(facts)) == 720


@pytest.mark.soak
@pytest.mark.requirement("R03", "R21")
@MASTERS
@pytest.mark.parametrize("when", TICKETS)
@pytest.mark.parametrize("which", COUNTS)
def test_any_counts_and_tickets_end_the_same_in_every_order(
    shared: Database, master: str | None, which: str, when: str
) -> None:
    counts, tickets = COUNTS[which], TICKETS[when]
    facts = [stated(one, counted=True) for one in counts]
    facts += [ticket(one, number) for number, one in enumerate(tickets)]
    facts.append(stated(Said(22, counts[1].units), counted=False) if which != "two at one instant" else facts[0])
    with a_store(shared, master) as store:
        if which == "two that differ" or which == "the first was right":
            assert ends(store, permutations(facts)).keys() == {expected(counts, tickets)}
        else:
            assert ends(store, permutations(facts[:-1])).keys() == {expected(counts, tickets)}
