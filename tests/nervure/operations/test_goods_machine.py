"""Goods in and transfers against plain dictionaries: any history, and each statement made again at any time."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import count
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from nervure.inventory.purchases import Receipt
from nervure.operations.hub import Hub
from nervure.operations.incoming import incoming
from nervure.operations.purchases import ExpectedLine, close, expect, receive
from nervure.operations.transfers import Arrival, Arrived, Dispatch, TransferError, arrive, cancel, dispatch
from nervure.store.database import Database, open_database
from tests.conftest import copy_of
from tests.nervure.operations.scripted import ScriptedShop, looking, scripted_hub, tasks
from tests.nervure.world import World, fresh_sqlite, must_hold

PLACES = ("paris", "lyon", "nice")
OPENING = 10
MARCH_9 = date(2026, 3, 9)
_NUMBERS = count(1)
SEARCH = settings(phases=[Phase.explicit, Phase.generate])
"""Every statement commits: to look for the shortest history that fails would take longer than to read a longer one."""


@dataclass
class Merchant:
    """Two items of its own in a database that many merchants share, and what should be true of them."""

    hub: Hub
    skus: tuple[str, str]
    on_hand: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Units by (sku, place), in transit included."""
    expected: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """Units expected by (purchase, sku, place)."""
    received: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    closed: set[str] = field(default_factory=set)
    over: set[tuple[str, str, str]] = field(default_factory=set)
    under_way: dict[tuple[str, str], int] = field(default_factory=dict)
    """Units by (transfer, sku)."""
    routes: dict[str, tuple[str, str]] = field(default_factory=dict)

    def incoming(self) -> Counter[tuple[str, str, str]]:
        """Units to come by (document, sku, place)."""
        found: Counter[tuple[str, str, str]] = Counter()
        for (purchase, sku, place), units in self.expected.items():
            if purchase not in self.closed:
                found[f"purchase:{purchase}", sku, place] = max(units - self.received[purchase, sku, place], 0)
        for (transfer, sku), units in self.under_way.items():
            found[f"transfer:{transfer}", sku, self.routes[transfer][1]] = units
        return +found

    def seen(self) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str, str]]]:
        """What the hub says of units on hand, and of units to come."""
        with looking(self.hub) as world:
            must_hold(world)
            places = [*PLACES, *(["in-transit"] if "in-transit" in world.locations.ids() else [])]
            there = Counter({(sku, place): world.on_hand(sku, place) for sku in self.skus for place in places})
        coming = Counter(
            {(one.document, one.sku, one.location): one.units for sku in self.skus for one in incoming(self.hub, sku)}
        )
        return +there, coming

    def over_receipts(self) -> set[str]:
        ours = tuple(f", {sku} at " for sku in self.skus)
        found = (task.about for task in tasks(self.hub) if task.kind == "over_receipt")
        return {about for about in found if any(one in about for one in ours)}


def merchant_in(database: Database) -> Merchant:
    """Opens with 10 of each item at each place."""
    number = next(_NUMBERS)
    skus = (f"BOLT {number}.", f"NUT  {number}.")
    hub = scripted_hub(database, {"shop": ScriptedShop()})
    merchant = Merchant(hub, skus)
    with database.write() as connection:
        world = World(connection)
        world.items(*skus)
        for place in PLACES:
            world.location(place)
            for sku in skus:
                world.receive(sku, place, OPENING)
                merchant.on_hand[sku, place] = OPENING
    return merchant


units = st.integers(1, 4)
items = st.integers(0, 1)
places = st.sampled_from(PLACES)


class GoodsMachine(RuleBasedStateMachine):
    """Every rule makes one new statement; one rule makes an old one again, which must change nothing."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.model = merchant_in(self.database)
        self.hub = self.model.hub
        self.purchases: list[str] = []
        self.said: list[Callable[[], object]] = []

    def name(self, kind: str) -> str:
        return f"{kind}-{next(_NUMBERS)}"

    def say(self, statement: Callable[[], Any]) -> Any:
        self.said.append(statement)
        return statement()

    # -- purchases ---------------------------------------------------------------------------------------------

    @rule(item=items, place=places, units=units, data=st.data())
    def expect(self, item: int, place: str, units: int, data: st.DataObject) -> None:
        sku = self.model.skus[item]
        open_ones = [one for one in self.purchases if one not in self.model.closed]
        name = data.draw(st.sampled_from([*open_ones, ""])) or self.name("PO")
        if (name, sku, place) in self.model.expected:
            return
        self.say(partial(expect, self.hub, name, [ExpectedLine(sku, place, units, MARCH_9)]))
        self.purchases = [*dict.fromkeys([*self.purchases, name])]
        self.model.expected[name, sku, place] = units
        if self.model.received[name, sku, place] <= units:
            self.model.over.discard((name, sku, place))

    @precondition(lambda self: self.purchases)
    @rule(item=items, place=places, units=units, data=st.data())
    def receive(self, item: int, place: str, units: int, data: st.DataObject) -> None:
        sku, name = self.model.skus[item], data.draw(st.sampled_from(self.purchases))
        key = (name, sku, place)
        still = 0 if name in self.model.closed else max(self.model.expected.get(key, 0) - self.model.received[key], 0)
        counted = self.say(partial(receive, self.hub, Receipt(self.name("N"), sku, place, units), name))
        self.model.received[key] += units
        self.model.on_hand[sku, place] += units
        assert (counted.over, counted.line.units_received) == (max(units - still, 0), self.model.received[key])
        if counted.over:
            self.model.over.add(key)

    @precondition(lambda self: self.purchases)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.purchases))
        missing = self.say(partial(close, self.hub, name))
        assert (missing is None) == (name in self.model.closed)
        if missing is not None:
            found = {(one.sku, one.location): one.units for one in missing}
            coming = self.model.incoming()
            assert found == {(sku, at): n for (d, sku, at), n in coming.items() if d == f"purchase:{name}"}
        self.model.closed.add(name)

    # -- transfers ---------------------------------------------------------------------------------------------

    @rule(item=items, origin=places, destination=places, units=st.integers(1, 6), both=st.booleans())
    def dispatch(self, item: int, origin: str, destination: str, units: int, both: bool) -> None:
        if origin == destination:
            return
        name = self.name("T")
        for sku in self.model.skus if both else (self.model.skus[item],):
            order = Dispatch(name, sku, origin, destination, units)
            if units > self.model.on_hand[sku, origin]:
                with pytest.raises(TransferError, match=r"may leave"):
                    dispatch(self.hub, order)
                continue
            assert self.say(partial(dispatch, self.hub, order))
            self.model.routes[name] = (origin, destination)
            self.model.under_way[name, sku] = units
            self._carry(sku, origin, "in-transit", units)

    @precondition(lambda self: self.model.under_way)
    @rule(units=units, lost=st.booleans(), found=st.booleans(), data=st.data())
    def arrive(self, units: int, lost: bool, found: bool, data: st.DataObject) -> None:
        name, sku = data.draw(st.sampled_from(sorted(self.model.under_way)))
        there = self.model.under_way[name, sku]
        statement = partial(arrive, self.hub, Arrival(name, sku, units, self.name("A")), found=found, lost=lost)
        if units > there and not found:
            with pytest.raises(TransferError, match=r"are under way"):
                statement()
            return
        gone = max(there - units, 0) if lost else 0
        assert self.say(statement) == Arrived(units, max(units - there, 0), gone)
        self._carry(sku, "in-transit", self.model.routes[name][1], min(units, there))
        self.model.on_hand[sku, self.model.routes[name][1]] += max(units - there, 0)
        self.model.on_hand[sku, "in-transit"] -= gone
        self.model.under_way[name, sku] = max(there - units, 0) - gone

    @precondition(lambda self: self.model.routes)
    @rule(data=st.data(), what=st.sampled_from(["all", "lost", "canceled"]))
    def end(self, data: st.DataObject, what: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.routes)))
        left = {sku: units for (transfer, sku), units in self.model.under_way.items() if transfer == name}
        origin, destination = self.model.routes[name]
        if what == "canceled":
            assert self.say(partial(cancel, self.hub, name)) == sum(left.values())
        elif what == "lost":
            assert self.say(partial(arrive, self.hub, Arrival(name), lost=True)) == Arrived(0, lost=sum(left.values()))
        else:
            assert self.say(partial(arrive, self.hub, Arrival(name))) == Arrived(sum(left.values()))
        for sku, units in left.items():
            if what == "lost":
                self.model.on_hand[sku, "in-transit"] -= units
            else:
                self._carry(sku, "in-transit", origin if what == "canceled" else destination, units)
            self.model.under_way[name, sku] = 0

    def _carry(self, sku: str, origin: str, destination: str, units: int) -> None:
        self.model.on_hand[sku, origin] -= units
        self.model.on_hand[sku, destination] += units

    # -- again -------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def say_something_again(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.said))()

    @invariant()
    def the_hub_says_what_the_model_says(self) -> None:
        there, coming = self.model.seen()
        assert there == +self.model.on_hand
        assert coming == self.model.incoming()
        assert self.model.over_receipts() == {f"purchase {p}, {sku} at {at}" for p, sku, at in self.model.over}


@contextmanager
def machine_on(database: Database) -> Iterator[type[GoodsMachine]]:
    class OnDatabase(GoodsMachine):
        pass

    OnDatabase.database = database
    yield OnDatabase


@pytest.fixture(scope="module")
def shelf_sqlite() -> Iterator[Database]:
    """A database that every example adds a merchant to."""
    with fresh_sqlite() as database:
        yield database


@pytest.fixture(scope="module")
def shelf_postgresql(postgresql_url: str, migrated_template: str) -> Iterator[Database]:
    with copy_of(postgresql_url, migrated_template) as url:
        database = open_database(url)
        yield database
        database.close()


@pytest.mark.requirement("R03", "R11")
def test_any_history_of_goods_on_sqlite_is_what_plain_dictionaries_say(shelf_sqlite: Database) -> None:
    with machine_on(shelf_sqlite) as machine:
        run_state_machine_as_test(machine, settings=settings(SEARCH, max_examples=12, stateful_step_count=20))


@pytest.mark.postgresql
@pytest.mark.requirement("R03", "R11")
def test_any_history_of_goods_on_postgresql_is_what_plain_dictionaries_say(shelf_postgresql: Database) -> None:
    with machine_on(shelf_postgresql) as machine:
        run_state_machine_as_test(machine, settings=settings(SEARCH, max_examples=4, stateful_step_count=20))


@pytest.mark.soak
@pytest.mark.requirement("R03", "R11")
def test_many_long_histories_of_goods_are_what_plain_dictionaries_say(shelf_sqlite: Database) -> None:
    with machine_on(shelf_sqlite) as machine:
        run_state_machine_as_test(machine, settings=settings(SEARCH, max_examples=100, stateful_step_count=50))


# -- any order -------------------------------------------------------------------------------------------------


@given(data=st.data())
@settings(SEARCH, max_examples=15)
@pytest.mark.requirement("R03", "R43")
def test_receipts_and_arrivals_in_any_order_and_any_number_end_at_the_same_stock(
    shelf_sqlite: Database, data: st.DataObject
) -> None:
    merchant = merchant_in(shelf_sqlite)
    hub, (bolt, nut) = merchant.hub, merchant.skus
    po, transfer = f"PO-{next(_NUMBERS)}", f"T-{next(_NUMBERS)}"
    notes = data.draw(st.lists(st.tuples(items, units), max_size=4))
    arrivals = data.draw(st.lists(units, max_size=2))
    first: list[Callable[[], object]] = [
        partial(expect, hub, po, [ExpectedLine(bolt, "paris", 6, MARCH_9)]),
        partial(dispatch, hub, Dispatch(transfer, bolt, "lyon", "nice", 9)),
    ]
    then: list[Callable[[], object]] = [
        partial(expect, hub, po, [ExpectedLine(nut, "paris", 3, MARCH_9)]),
        *(
            partial(receive, hub, Receipt(f"{po} {number}", merchant.skus[item], "paris", count), po)
            for number, (item, count) in enumerate(notes)
        ),
        *(partial(arrive, hub, Arrival(transfer, bolt, count, f"A{number}")) for number, count in enumerate(arrivals)),
    ]
    for statement in data.draw(st.permutations(first * 2)):
        statement()
    for statement in data.draw(st.permutations(first + then + then)):
        statement()
    received = {sku: sum(count for item, count in notes if merchant.skus[item] == sku) for sku in merchant.skus}
    arrived = sum(arrivals)
    merchant.on_hand.update({(bolt, "paris"): received[bolt], (nut, "paris"): received[nut]})
    merchant.on_hand.update({(bolt, "lyon"): -9, (bolt, "in-transit"): 9 - arrived, (bolt, "nice"): arrived})
    there, coming = merchant.seen()
    assert there == +merchant.on_hand
    assert coming == +Counter(
        {
            (f"purchase:{po}", bolt, "paris"): max(6 - received[bolt], 0),
            (f"purchase:{po}", nut, "paris"): max(3 - received[nut], 0),
            (f"transfer:{transfer}", bolt, "nice"): 9 - arrived,
        }
    )
    over = {f"purchase {po}, {sku} at paris" for sku, limit in ((bolt, 6), (nut, 3)) if received[sku] > limit}
    assert merchant.over_receipts() == over
