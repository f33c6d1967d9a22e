"""Carts, orders, moves and shipments in any order against plain dictionaries, on committed transactions."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from nervure.operations.hub import Hub
from nervure.operations.moving import MoveRefusedError, move_fulfillment
from nervure.operations.reservations import (
    NotEnoughStockError,
    ReservationError,
    Wish,
    expire_reservations,
    give_to_order,
    look_up,
    make_reservation,
    release_reservation,
)
from nervure.operations.staff import receive, ship_fulfillment
from nervure.orders.intake import take_in
from nervure.store.database import Database, open_database
from nervure.store.statements import CLAIM, LEVEL
from schemas.orders import OrderState
from tests.conftest import copy_of
from tests.nervure.operations.scripted import ScriptedShop, advance, looking, scripted_hub
from tests.nervure.world import SHOP, World, an_order, at, fresh_sqlite, merchant, must_hold

PARTS = {"BOLT": {"BOLT": 1}, "NUT": {"NUT": 1}, "PAIR": {"BOLT": 1, "NUT": 2}}
PLACES = ("paris", "lyon")
Key = tuple[str, str]
skus, places, few = st.sampled_from(sorted(PARTS)), st.sampled_from(PLACES), st.integers(1, 4)


@dataclass
class Cart:
    """What a cart asked for, at a place or (None) anywhere, and what it holds."""

    wishes: dict[str, int]
    place: str | None
    expires_at: float
    held: Counter[Key]
    state: str = "held"


@dataclass
class Bought:
    """One order of one line, and its parts by number of the fulfillment order: (place, units, has left)."""

    sku: str
    units: int
    served: dict[int, tuple[str, int, bool]] = field(default_factory=dict)
    is_canceled: bool = False

    @property
    def served_units(self) -> int:
        return sum(units for _, units, _ in self.served.values())


class ClaimsMachine(RuleBasedStateMachine):
    """Each rule is one operation of the hub. What it answers, and every number after it, is told by the model first."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.hub: Hub = scripted_hub(self.open(), {"shop": ScriptedShop()})
        with self.hub.database.write() as connection:
            merchant(World(connection), bolt_paris=4, bolt_lyon=3, nut_paris=5)
        self.on_hand: Counter[Key] = Counter({("BOLT", "paris"): 4, ("BOLT", "lyon"): 3, ("NUT", "paris"): 5})
        self.carts: dict[str, Cart] = {}
        self.orders: dict[str, Bought] = {}
        self.ended: dict[int, str] = {}
        self.minute = 0.0
        self.number = 0

    def open(self) -> Database:
        raise NotImplementedError

    def teardown(self) -> None:
        self.stack.close()

    # -- the model ---------------------------------------------------------------------------------------------

    def reserved(self) -> Counter[Key]:
        return sum((cart.held for cart in self.carts.values() if cart.state == "held"), Counter())

    def allocated(self) -> Counter[Key]:
        found: Counter[Key] = Counter()
        for order in self.orders.values():
            for place, units, has_left in order.served.values():
                for part, per in PARTS[order.sku].items():
                    found[part, place] += 0 if has_left else units * per
        return found

    def claimable(self, key: Key) -> int:
        return self.on_hand[key] - self.reserved()[key] - self.allocated()[key]

    def available(self, sku: str, place: str) -> int:
        return min(self.claimable((part, place)) // per for part, per in PARTS[sku].items())

    def absorb(self) -> None:
        """Takes over from the hub where it serves each order from; what it may choose freely, and nothing else."""
        with looking(self.hub) as world:
            for name, order in self.orders.items():
                left = {number: one for number, one in order.served.items() if one[2]}
                order.served = left | {
                    number: (place, units, False)
                    for number in world.fulfillment_numbers(name)
                    if number not in left
                    for place, units in self._part(world, number)
                }

    @staticmethod
    def _part(world: World, number: int) -> list[tuple[str, int]]:
        codes = {one: code for code, one in world.locations.ids().items()}
        lines = world.fulfillment.lines(fulfillment_order_id=number)
        return [(codes[line.location_id], line.units) for line in lines]

    # -- carts -------------------------------------------------------------------------------------------------

    @rule(sku=skus, other=st.none() | skus, place=st.none() | places, units=few, minutes=st.integers(1, 20))
    def reserve(self, sku: str, other: str | None, place: str | None, units: int, minutes: int) -> None:
        wishes = {sku: units} | ({other: 1} if place is not None and other not in {None, sku} else {})
        demand: Counter[str] = Counter()
        for name, count in wishes.items():
            demand.update({part: per * count for part, per in PARTS[name].items()})
        if place is None:
            is_there = sum(max(self.available(sku, one), 0) for one in PLACES) >= units
        else:
            is_there = all(self.claimable((part, place)) >= count for part, count in demand.items())
        self.number += 1
        name = f"cart {self.number}"
        cart = Cart(wishes, place, self.minute + minutes, Counter())
        if not is_there:
            with pytest.raises(NotEnoughStockError):
                self._ask(name, cart, cart.expires_at)
            return
        made = self._ask(name, cart, cart.expires_at)
        cart.held = Counter({(one.sku, one.location): one.units for one in made.held})
        total: Counter[str] = Counter()
        for (part, where), count in cart.held.items():
            total[part] += count
            assert count <= self.claimable((part, where))
            assert place in {None, where}
        assert total == demand
        self.carts[name] = cart

    def _ask(self, name: str, cart: Cart, expires_at: float) -> Any:
        wishes = [Wish(sku, units, cart.place) for sku, units in cart.wishes.items()]
        channel = "shop" if cart.place is None else None
        return make_reservation(self.hub, name, wishes, expires_at=at(expires_at), channel=channel)

    @precondition(lambda self: self.carts)
    @rule(data=st.data(), minutes=st.integers(1, 20))
    def extend(self, data: st.DataObject, minutes: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.carts)))
        cart = self.carts[name]
        if cart.state != "held":
            with pytest.raises(ReservationError):
                self._ask(name, cart, self.minute + minutes)
            return
        cart.expires_at = max(cart.expires_at, self.minute + minutes)
        assert self._ask(name, cart, self.minute + minutes).expires_at == at(cart.expires_at)

    @precondition(lambda self: self.carts)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.carts)))
        cart = self.carts[name]
        if cart.state == "consumed":
            with pytest.raises(ReservationError):
                release_reservation(self.hub, name)
            return
        assert release_reservation(self.hub, name) == (cart.state == "held")
        if cart.state == "held":
            cart.state = "released"
        self.absorb()

    @rule(minutes=st.integers(1, 12))
    def time_passes(self, minutes: int) -> None:
        self.minute += minutes
        advance(self.hub, minutes * 60)

    @rule()
    def expire(self) -> None:
        due = [cart for cart in self.carts.values() if cart.state == "held" and cart.expires_at <= self.minute]
        assert expire_reservations(self.hub) == len(due)
        for cart in due:
            cart.state = "expired"
        self.absorb()

    # -- orders ------------------------------------------------------------------------------------------------

    @rule(sku=skus, units=few, data=st.data(), way=st.sampled_from(["names", "told before", "told after", "no cart"]))
    def order(self, sku: str, units: int, data: st.DataObject, way: str) -> None:
        self.number += 1
        name = f"o{self.number}"
        of_cart = data.draw(st.sampled_from(sorted(self.carts))) if self.carts and way != "no cart" else None
        told = an_order(name, {sku: units}, minute=self.minute)
        if of_cart and way == "names":
            told = told.model_copy(update={"reservation": of_cart})
        cart = self.carts[of_cart] if of_cart else None
        if of_cart and way == "told before":
            self._give(of_cart, name)
        self.hub.database.run(lambda connection: take_in(told, SHOP, self.hub.desk(connection)))
        self.orders[name] = Bought(sku, units)
        if of_cart and way == "told after":
            self._give(of_cart, name)
        held = Counter(cart.held) if cart and cart.state == "held" else Counter[Key]()
        if cart and cart.state == "held":
            cart.state = "consumed"
        self.absorb()
        if cart and cart.wishes == {sku: cart.wishes.get(sku)} and way != "told after":
            wanted = min(cart.wishes[sku], units) if held else 0
            there = {place for _, place in held}
            assert sum(count for place, count, _ in self.orders[name].served.values() if place in there) >= wanted
        if cart and held:
            assert (look_up(self.hub, str(of_cart)).state, look_up(self.hub, str(of_cart)).order) == ("consumed", name)

    def _give(self, cart: str, order: str) -> None:
        if self.carts[cart].state == "consumed":
            with pytest.raises(ReservationError):
                give_to_order(self.hub, cart, "shop", order)
        else:
            give_to_order(self.hub, cart, "shop", order)

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.orders)))
        order = self.orders[name]
        self.minute += 1
        advance(self.hub, 60)
        told = an_order(name, {order.sku: order.units}, minute=self.minute, state=OrderState.CANCELED)
        self.hub.database.run(lambda connection: take_in(told, SHOP, self.hub.desk(connection)))
        order.is_canceled = True
        order.served = {number: one for number, one in order.served.items() if one[2]}
        self.absorb()

    @precondition(lambda self: any(order.served for order in self.orders.values()))
    @rule(data=st.data())
    def ship(self, data: st.DataObject) -> None:
        order, number = self._a_part(data)
        place, units, has_left = order.served[number]
        assert ship_fulfillment(self.hub, number) == (not has_left)
        if not has_left:
            order.served[number] = (place, units, True)
            for part, per in PARTS[order.sku].items():
                self.on_hand[part, place] -= units * per

    def _a_part(self, data: st.DataObject) -> tuple[Bought, int]:
        parts = [(name, number) for name, order in self.orders.items() for number in order.served]
        name, number = data.draw(st.sampled_from(sorted(parts)))
        return self.orders[name], number

    @precondition(lambda self: any(order.served for order in self.orders.values()))
    @rule(data=st.data(), there=places)
    def move(self, data: st.DataObject, there: str) -> None:
        order, number = self._a_part(data)
        place, units, has_left = order.served[number]
        is_there = place == there or self.available(order.sku, there) >= units
        if has_left or not is_there:
            with pytest.raises(MoveRefusedError):
                move_fulfillment(self.hub, number, there)
            return
        moved, is_new = move_fulfillment(self.hub, number, there)
        assert is_new == (place != there)
        assert move_fulfillment(self.hub, number, there) == (moved, False)
        self.absorb()
        assert order.served[moved] == (there, units, False)

    @rule(sku=st.sampled_from(["BOLT", "NUT"]), place=places, units=st.integers(1, 3))
    def goods_come_in(self, sku: str, place: str, units: int) -> None:
        self.number += 1
        assert receive(self.hub, sku, place, units, document=f"D{self.number}")
        self.on_hand[sku, place] += units
        self.absorb()

    # -- what holds after every operation ----------------------------------------------------------------------

    @invariant()
    def the_numbers_are_what_the_model_says(self) -> None:
        with looking(self.hub) as world:
            names = {world.place(sku, place): (sku, place) for sku in ("BOLT", "NUT") for place in PLACES}
            reserved, allocated = self.reserved(), self.allocated()
            for row in world.connection.execute(LEVEL.select()):
                key = names[row.item_id, row.location_id]  # type: ignore[index]  # a Place is that pair
                assert (row.on_hand, row.reserved, row.allocated) == (self.on_hand[key], reserved[key], allocated[key])
                assert row.on_hand - row.reserved - row.allocated >= 0
            must_hold(world)

    @invariant()
    def every_claim_ends_once(self) -> None:
        with looking(self.hub) as world:
            for row in world.connection.execute(CLAIM.select()):
                assert (row.state == "held") == (row.ended_at is None)
                if row.id in self.ended:
                    assert row.state == self.ended[row.id]
                elif row.state != "held":
                    self.ended[row.id] = row.state

    @invariant()
    def nobody_waits_for_what_is_there(self) -> None:
        with looking(self.hub) as world:
            for name, order in self.orders.items():
                [(is_open, served, short)] = world.lines(name).values()
                gone = sum(units for _, units, has_left in order.served.values() if has_left)
                assert is_open == (gone if order.is_canceled else order.units)
                assert served == order.served_units
                if short:
                    assert max(self.available(order.sku, place) for place in PLACES) <= 0


@pytest.mark.requirement("R02", "R04", "R08", "R11")
def test_any_history_of_claims_on_sqlite_is_what_plain_dictionaries_say() -> None:
    class OnSqlite(ClaimsMachine):
        def open(self) -> Database:
            return self.stack.enter_context(fresh_sqlite())

    run_state_machine_as_test(OnSqlite, settings=settings(max_examples=20, stateful_step_count=25))


@pytest.mark.soak
@pytest.mark.requirement("R02", "R04", "R08", "R11")
def test_many_histories_of_claims_are_what_plain_dictionaries_say() -> None:
    class OnSqlite(ClaimsMachine):
        def open(self) -> Database:
            return self.stack.enter_context(fresh_sqlite())

    run_state_machine_as_test(OnSqlite, settings=settings(max_examples=600, stateful_step_count=40))


@pytest.mark.postgresql
@pytest.mark.requirement("R02", "R04", "R08", "R11")
def test_any_history_of_claims_on_postgresql_is_what_plain_dictionaries_say(
    postgresql_url: str, migrated_template: str
) -> None:
    class OnPostgresql(ClaimsMachine):
        def open(self) -> Database:
            url = self.stack.enter_context(copy_of(postgresql_url, migrated_template))
            database = open_database(url)
            self.stack.callback(database.close)
            return database

    run_state_machine_as_test(OnPostgresql, settings=settings(max_examples=5, stateful_step_count=20))
