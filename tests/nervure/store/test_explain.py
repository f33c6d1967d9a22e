"""Random merchants: every number of now and of any past moment is derived to the unit, from what the log kept."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from random import Random
from typing import Any

import pytest

from nervure.inventory.claims import claim
from nervure.inventory.derivation import Node, Units, as_data, evaluate, parts_of
from nervure.inventory.policies import Policy
from nervure.inventory.stock import Against, ClaimKind, InsufficientStockError
from nervure.publication.earned import Delays, Stakes, grounds
from nervure.store.earned import EarnedStore, Kept
from nervure.store.explain import ExplainStore
from nervure.store.lots import LotStore
from nervure.store.skus import SkuStore
from schemas.locations import LocationKind
from schemas.orders import OrderState
from schemas.policies import PolicyKind
from schemas.stock import AdjustmentReason, Condition, MovementKind
from tests.nervure.derive import SKUS, derive
from tests.nervure.world import START, Bought, World, a_return, a_till_sale, an_order, at, merchant

Numbers = dict[tuple[str, str, str], int]

PLACES = ("paris", "lyon", "acme")
STEPS = 24
A_DAY = 24 * 60


def shown(world: World) -> Numbers:
    """Every number as the availability function gives it now."""
    store = ExplainStore(world.connection, world.now)
    points = {
        (point.channel, point.stock_point, sku): (item, point.point_id)
        for sku, item in world.catalogue.item_ids(SKUS).items()
        for point in store.points(item, None)
    }
    numbers = world.salable.of(set(points.values()))
    return {name: numbers[key] for name, key in points.items()}


class Merchant:
    """Somebody who does one thing after the other, a few hours apart, without much of a plan."""

    def __init__(self, world: World, seed: int) -> None:
        self.random = Random(seed)
        merchant(world, bolt_paris=6, nut_paris=9, bolt_lyon=3, nut_lyon=4)
        world.location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=5 * 3600)
        world.channel("shop", {"web": ["paris", "lyon", "acme"]})
        self.orders: dict[str, str] = {}

    def act(self, world: World, number: int) -> None:
        steps: tuple[Callable[[World, str], object], ...] = (
            self.receive,
            self.receive_what_expires,
            self.receive_what_expires,
            self.lose,
            self.order,
            self.order,
            self.order,
            self.cancel_some,
            self.ship,
            self.sell_at_the_till,
            self.take_back,
            self.reserve,
            self.release,
            self.keep_safe,
            self.decide,
            self.decide,
            self.decide,
            self.take_a_decision_back,
            self.change_the_pool,
            self.change_the_kit,
            self.hear_the_supplier,
        )
        self.random.choice(steps)(world, f"{number}")

    def receive(self, world: World, _: str) -> None:
        condition = self.random.choice((Condition.SELLABLE, Condition.SELLABLE, Condition.DAMAGED))
        owner = self.random.choice(("us", "us", "acme"))
        sku, place, units = self.random.choice(SKUS[:2]), self.random.choice(PLACES), self.random.randint(1, 6)
        world.move(sku, place, units, owner=owner, condition=condition)
        if condition is Condition.SELLABLE:
            world.goods_in(sku, place, 1)

    def receive_what_expires(self, world: World, _: str) -> None:
        sku, days = self.random.choice(SKUS[:2]), self.random.randint(1, 4)
        lot = f"L{days}-{world.now:%d}"
        item = world.catalogue.item_ids([sku])[sku]
        LotStore(world.connection, world.now).put(item, lot, date.fromordinal(world.now.date().toordinal() + days))
        place = self.random.choice(PLACES[:2])
        world.move(sku, place, self.random.randint(1, 6), lot=lot)
        world.goods_in(sku, place, 1)

    def lose(self, world: World, _: str) -> None:
        world.lose(self.random.choice(SKUS[:2]), self.random.choice(PLACES[:2]), self.random.randint(1, 4))

    def order(self, world: World, name: str) -> None:
        channel, sku = self.random.choice(("shop", "market")), self.random.choice(SKUS)
        self.orders[name] = channel
        world.take_in(an_order(name, [Bought(sku, self.random.randint(1, 5))], channel=channel))

    def cancel_some(self, world: World, _: str) -> None:
        if not self.orders:
            return
        name = self.random.choice(sorted(self.orders))
        line = next(iter(world.lines(name)))
        units = world.lines(name)[line][0]
        sku = next(one.sku for one in self._bought(world, name))
        if units:
            ordered = sum(one.units for one in self._bought(world, name))
            canceled = ordered - units + self.random.randint(1, units)
            minute = (world.now - START).total_seconds() / 60
            lines = [Bought(sku, ordered, canceled)]
            world.take_in(an_order(name, lines, channel=self.orders[name], minute=minute))

    def _bought(self, world: World, name: str) -> Iterator[Bought]:
        skus = {item: sku for sku, item in world.catalogue.item_ids(SKUS).items()}
        for line in world.orders.lines(world.order_id(name)):
            yield Bought(skus[line.item_id], line.units_ordered)

    def ship(self, world: World, _: str) -> None:
        if self.orders:
            world.ship_all(self.random.choice(sorted(self.orders)))

    def sell_at_the_till(self, world: World, name: str) -> None:
        world.take_in(a_till_sale(f"T{name}", {self.random.choice(SKUS): 1}, "counter", channel="till"))

    def take_back(self, world: World, name: str) -> None:
        condition = self.random.choice((Condition.SELLABLE, Condition.DAMAGED))
        world.take_back(a_return(f"R{name}", {self.random.choice(SKUS): 1}, condition=condition))

    def reserve(self, world: World, name: str) -> None:
        place = world.place(self.random.choice(SKUS[:2]), self.random.choice(PLACES[:2]))
        try:
            takes = claim(world.stock, {place: 2}, kind=ClaimKind.RESERVATION, against=Against.AVAILABLE_TO_PROMISE)
        except InsufficientStockError:
            return
        world.stock.reserve(takes, reference=f"cart {name}", expires_at=at(90 * A_DAY))

    def release(self, world: World, name: str) -> None:
        for number in range(int(name)):
            if held := world.stock.held_by_reference(f"cart {number}"):
                world.stock.end_claims(held, "released")
                return

    def keep_safe(self, world: World, _: str) -> None:
        world.safety_stock(self.random.choice(SKUS[:2]), self.random.choice(PLACES), self.random.randint(0, 3))

    def decide(self, world: World, _: str) -> None:
        made = self._policy(world, self.random.randint(0, 8))
        if made.kind is PolicyKind.EARNED:
            assert made.channel_id is not None
            assert made.item_id is not None
            why = grounds(made.units, {1: 0.01}, Delays((60.0,)), Stakes(3, 1))
            EarnedStore(world.connection, world.now).put([Kept(made.channel_id, made.item_id, why)])
        else:
            world.policies.put(made)

    def take_a_decision_back(self, world: World, _: str) -> None:
        world.policies.clear(self._policy(world, 0))

    def _policy(self, world: World, units: int) -> Policy:
        kind = self.random.choice(list(PolicyKind))
        item = world.catalogue.item_ids(SKUS)[self.random.choice(SKUS)]
        channel = world.channel_id(self.random.choice(("shop", "market", "till")))
        until = date.fromordinal(world.now.date().toordinal() + self.random.randint(0, 3))
        match kind:
            case PolicyKind.SHARE:
                return Policy(kind, units * 12, channel, self.random.choice((None, item)))
            case PolicyKind.CAP:
                return Policy(kind, units, channel, self.random.choice((None, item)))
            case PolicyKind.BUFFER | PolicyKind.EARNED:
                return Policy(kind, units, channel, item)
            case PolicyKind.BACKORDER | PolicyKind.PREORDER:
                return Policy(kind, units, self.random.choice((None, channel)), item, until)

    def change_the_pool(self, world: World, _: str) -> None:
        pool = self.random.sample(PLACES, self.random.randint(1, 3))
        world.channel("shop", {"web": pool}, buffer_units=self.random.randint(0, 2))

    def change_the_kit(self, world: World, _: str) -> None:
        # What was sold as a kit stays what it was: here nobody has one under way when it changes.
        if not any(one.sku == "PAIR" for name in self.orders for one in self._bought(world, name)):
            world.kit("PAIR", {"BOLT": self.random.randint(1, 2), "NUT": self.random.randint(1, 3)})

    def hear_the_supplier(self, world: World, _: str) -> None:
        world.locations.set_as_of(world.locations.ids()["acme"], world.now)
        world.move("BOLT", "acme", 2, MovementKind.ADJUSTED, reason=AdjustmentReason.CORRECTION)


def live(world: World, seed: int) -> dict[datetime, Numbers]:
    """A random life of a merchant; answers what was shown after each of its steps."""
    person = Merchant(world, seed)
    recorded: dict[datetime, Numbers] = {}
    minute = 1.0
    for number in range(STEPS):
        minute += person.random.choice((3, 120, 400, A_DAY))
        later = world.later(minute)
        person.act(later, number)
        later.policies.note_days()
        recorded[later.now] = shown(later)
    return recorded


def every_tree(world: World, seed: int) -> int:
    """Derives each number of each moment anew; answers how many there were."""
    recorded = live(world, seed)
    count = 0
    for moment, numbers in recorded.items():
        trees = derive(world, moment)
        assert {name: evaluate(tree) for name, tree in trees.items()} == numbers, f"world {seed}, {moment}"
        assert {name: reckon(as_data(tree)) for name, tree in trees.items()} == numbers
        count += len(trees)
    return count


def reckon(said: dict[str, Any]) -> int:  # noqa: PLR0911 - one answer for each operation
    """Works the JSON of a tree out by hand, without looking at the numbers that it states for composed nodes."""
    parts = [reckon(part) for part in said.get("parts", ())]
    match said["operation"], said:
        case "units", {"units": int(units)}:
            return units
        case "total", _:
            return sum(parts)
        case "scarcest", _:
            return min(parts, default=0)
        case "packed", {"per": int(per)}:
            return parts[0] // per
        case "share", {"percent": int(percent)}:
            return parts[0] * percent // 100
        case "at_most", {"limit": int(limit)}:
            return min(parts[0], limit)
        case "not_below_zero", _:
            return max(parts[0], 0)
    raise AssertionError(said["operation"])


@pytest.mark.requirement("R17", "R37")
def test_a_number_of_any_moment_is_derived_to_the_unit(world: World) -> None:
    assert every_tree(world, 0) == STEPS * len(SKUS) * 3


@pytest.mark.requirement("R17", "R37")
@pytest.mark.parametrize("seed", range(1, 5))
def test_a_number_of_any_moment_is_derived_to_the_unit_in_other_worlds(sqlite_world: World, seed: int) -> None:
    assert every_tree(sqlite_world, seed) == STEPS * len(SKUS) * 3


@pytest.mark.soak
@pytest.mark.requirement("R17", "R37")
@pytest.mark.parametrize("seed", range(5, 1_000))
def test_a_number_of_any_moment_is_derived_to_the_unit_in_a_thousand_worlds(sqlite_world: World, seed: int) -> None:
    assert every_tree(sqlite_world, seed) == STEPS * len(SKUS) * 3


def test_the_random_merchants_use_everything_that_a_number_follows_from(sqlite_world: World) -> None:
    words = set()
    for seed in range(5):
        with sqlite_world.undone() as world:
            for moment in list(live(world, seed))[::6]:
                for tree in derive(world, moment).values():
                    words |= {type(node).__name__ for node in _nodes(tree)}
                    words |= {tag for node in _nodes(tree) for tag in node.tags}
    wanted = {"Scarcest", "Packed", "Share", "AtMost", "NotBelowZero", "claims", "safety", "buffer", "backorder"}
    assert wanted - words == set()


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for part in parts_of(node):
        yield from _nodes(part)


def test_a_claim_that_was_split_counts_whole_for_the_time_before(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.later(10).take_in(an_order("1", {"BOLT": 4}))
    world.later(20).take_in(an_order("1", [Bought("BOLT", 4, canceled=3)], minute=20))
    numbers = {minute: evaluate(derive(world, at(minute))["shop", "web", "BOLT"]) for minute in (9, 10, 19, 20)}
    assert numbers == {9: 5, 10: 1, 19: 1, 20: 4}


def test_an_order_that_was_canceled_is_told_for_the_time_when_it_was_not(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.later(10).take_in(an_order("1", {"BOLT": 4}))
    world.later(20).take_in(an_order("1", {"BOLT": 4}, state=OrderState.CANCELED, minute=20))
    before, after = (derive(world, at(minute))["shop", "web", "BOLT"] for minute in (15, 25))
    assert [node.document for node in _nodes(before) if isinstance(node, Units)][-1] == "order:shop:1"
    assert (evaluate(before), evaluate(after)) == (1, 5)


@pytest.mark.requirement("R12")
def test_a_part_that_was_merged_into_another_is_told_as_it_was_and_as_it_is(world: World) -> None:
    merchant(world, bolt_paris=4, nut_paris=9)
    before = shown(world.later(5))
    items = world.catalogue.item_ids(["BOLT", "NUT"])
    SkuStore(world.connection, at(10)).point_to(items["NUT"], items["BOLT"])
    assert evaluate(derive(world, at(5))["shop", "web", "PAIR"]) == before["shop", "web", "PAIR"] == 4
    assert evaluate(derive(world, at(15))["shop", "web", "PAIR"]) == shown(world.later(15))["shop", "web", "PAIR"] == 3
