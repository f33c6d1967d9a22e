"""Claims that race on real PostgreSQL connections (R01)."""

import random
import time
from functools import partial

import pytest

from nervure.invariants import check_all
from nervure.inventory.claims import claim
from nervure.inventory.stock import Against, ClaimKind, InsufficientStockError, Take
from nervure.store.audit import AuditStore
from nervure.store.database import Database
from schemas.stock import MovementKind
from tests.nervure.world import World, a_till_sale, at, at_once, must_hold, overtaken

CLAIMANTS = 64


def shelf(database: Database, *, ours: int, theirs: int = 0) -> None:
    with database.write() as connection:
        world = World(connection)
        world.items("BOLT")
        world.location("paris")
        if ours:
            world.receive("BOLT", "paris", ours)
        if theirs:
            world.receive("BOLT", "paris", theirs, owner="acme")


def reserve_one(world: World, reference: str, sku: str = "BOLT") -> list[Take]:
    demand = {world.place(sku, "paris"): 1}
    takes = claim(world.stock, demand, kind=ClaimKind.RESERVATION, against=Against.AVAILABLE_TO_PROMISE)
    world.stock.reserve(takes, reference=reference, expires_at=at(15))
    return takes


def race(database: Database, sku: str = "BOLT", name: str = "cart") -> tuple[int, int]:
    """All claimants reach for one unit each in one instant; answers how many got it, and how many were refused."""

    def reach(number: int) -> list[Take]:
        return database.run(lambda connection: reserve_one(World(connection), f"{name} {number}", sku))

    outcomes = at_once([partial(reach, number) for number in range(CLAIMANTS)])
    refused = [one for one in outcomes if isinstance(one, Exception)]
    assert {type(one) for one in refused} <= {InsufficientStockError}
    return len(outcomes) - len(refused), len(refused)


@pytest.mark.postgresql
@pytest.mark.requirement("R01", "R19")
@pytest.mark.parametrize("units", [1, 7])
def test_of_64_claimants_exactly_as_many_succeed_as_there_are_units(postgresql_at: Database, units: int) -> None:
    shelf(postgresql_at, ours=units)
    assert race(postgresql_at) == (units, CLAIMANTS - units)
    with postgresql_at.read() as connection:
        world = World(connection)
        assert world.claims() == {"held": units}
        assert world.claimable("BOLT", "paris") == 0
        must_hold(world)


@pytest.mark.postgresql
@pytest.mark.requirement("R01", "R09")
def test_units_of_two_owners_at_one_place_are_all_claimed_and_none_twice(postgresql_at: Database) -> None:
    shelf(postgresql_at, ours=2, theirs=3)
    assert race(postgresql_at) == (5, CLAIMANTS - 5)
    with postgresql_at.read() as connection:
        must_hold(World(connection))


@pytest.mark.postgresql
@pytest.mark.requirement("R01")
def test_who_waited_for_a_level_decides_on_what_is_left_of_it(postgresql_at: Database) -> None:
    shelf(postgresql_at, ours=1, theirs=1)
    takes = overtaken(
        postgresql_at,
        slow=lambda world: reserve_one(world, "slow"),
        fast=lambda world: (reserve_one(world, "fast"), world.level_id("BOLT", "paris", owner="acme")),
    )
    [take], theirs = takes
    assert take.level_id == theirs
    with postgresql_at.read() as connection:
        assert World(connection).claims() == {"held": 2}


@pytest.mark.postgresql
@pytest.mark.requirement("R01")
def test_who_waited_for_the_last_unit_is_refused(postgresql_at: Database) -> None:
    shelf(postgresql_at, ours=1)
    with pytest.raises(InsufficientStockError):
        overtaken(
            postgresql_at,
            slow=lambda world: reserve_one(world, "slow"),
            fast=lambda world: reserve_one(world, "fast"),
        )
    with postgresql_at.read() as connection:
        assert World(connection).claims() == {"held": 1}


@pytest.mark.postgresql
@pytest.mark.requirement("R03")
def test_movements_that_race_on_one_level_are_all_booked_without_a_gap(postgresql_at: Database) -> None:
    shelf(postgresql_at, ours=10)

    def sell(number: int) -> int:
        return postgresql_at.run(
            lambda connection: len(
                World(connection).move("BOLT", "paris", -1, MovementKind.SOLD, cause=f"ticket {number % 8}")
            )
        )

    outcomes = at_once([partial(sell, number) for number in range(16)])
    assert sorted(outcomes, key=str) == [0] * 8 + [1] * 8
    with postgresql_at.read() as connection:
        world = World(connection)
        assert world.on_hand("BOLT", "paris") == 2
        must_hold(world)


@pytest.mark.postgresql
@pytest.mark.requirement("R03")
def test_a_sale_that_waited_for_a_count_knows_that_it_is_inside(postgresql_at: Database) -> None:
    shelf(postgresql_at, ours=10)
    overtaken(
        postgresql_at,
        slow=lambda world: world.count("BOLT", "paris", 8, minute=20),
        fast=lambda world: world.move("BOLT", "paris", -2, MovementKind.SOLD, minute=10),
        now=at(30),
    )
    with postgresql_at.read() as connection:
        world = World(connection)
        assert world.on_hand("BOLT", "paris") == 8
        must_hold(world)


@pytest.mark.postgresql
@pytest.mark.requirement("R11")
def test_a_claim_that_two_release_at_once_is_released_once(postgresql_at: Database) -> None:
    shelf(postgresql_at, ours=3)
    with postgresql_at.write() as connection:
        reserve_one(World(connection), "cart")
        held = World(connection).stock.held_by_reference("cart")

    def end(state: str) -> int:
        return postgresql_at.run(lambda connection: len(World(connection).stock.end_claims(held, state)))

    assert sorted(at_once([partial(end, "released"), partial(end, "released")]), key=str) == [0, 1]
    with postgresql_at.read() as connection:
        world = World(connection)
        assert (world.claims(), world.claimable("BOLT", "paris")) == ({"released": 1}, 3)
        must_hold(world)


@pytest.mark.soak
@pytest.mark.postgresql
@pytest.mark.requirement("R01", "R09", "R19")
def test_in_a_thousand_races_exactly_as_many_succeed_as_there_are_units(postgresql_at: Database) -> None:
    chance = random.Random(1)
    with postgresql_at.write() as connection:
        World(connection).location("paris")
    for seed in range(1_000):
        sku, ours, theirs = f"BOLT-{seed}", chance.randint(0, CLAIMANTS), chance.choice([0, 0, 3])
        with postgresql_at.write() as connection:
            world = World(connection)
            world.items(sku)
            for units, owner in ((ours, "us"), (theirs, "acme")):
                if units:
                    world.receive(sku, "paris", units, owner=owner)
        units = min(ours + theirs, CLAIMANTS)
        assert race(postgresql_at, sku, f"seed {seed}") == (units, CLAIMANTS - units)
    with postgresql_at.read() as connection:
        must_hold(World(connection))


STORES = 200
TICKETS_A_MINUTE = 2_000


def sell_at_many_tills(database: Database, seconds: float) -> int:
    """Eight workers ring up tickets of a few lines at 200 stores until the time is over; answers how many."""
    codes = [f"store-{number}" for number in range(STORES)]
    skus = ("BOLT", "NUT", "PAIR")
    with database.write() as connection:
        world = World(connection)
        world.items("BOLT", "NUT")
        world.kit("PAIR", {"BOLT": 1, "NUT": 2})
        for code in codes:
            world.location(code)
        world.channel("till", {code: [code] for code in codes})
        world.list_on("till", *skus)
        for code in codes:
            world.receive("BOLT", code, 50)
            world.receive("NUT", code, 50)
    until = time.monotonic() + seconds

    def work(worker: int) -> int:
        chance, number = random.Random(worker), 0
        while time.monotonic() < until:
            lines = {sku: chance.randint(1, 2) for sku in chance.sample(skus, chance.randint(1, 3))}
            ticket = a_till_sale(f"{worker}-{number}", lines, chance.choice(codes), channel="till")
            database.run(lambda connection, ticket=ticket: World(connection).take_in(ticket))  # type: ignore[misc]
            number += 1
        return number

    outcomes = at_once([partial(work, worker) for worker in range(8)])
    assert [one for one in outcomes if isinstance(one, Exception)] == []
    with database.read() as connection:
        assert [one.text for one in check_all(AuditStore(connection))] == []
    return sum(one for one in outcomes if isinstance(one, int))


@pytest.mark.postgresql
@pytest.mark.requirement("R01", "R03")
def test_tickets_of_200_stores_at_once_all_end_well(postgresql: Database) -> None:
    assert sell_at_many_tills(postgresql, 3.0) > 0


@pytest.mark.soak
@pytest.mark.postgresql
@pytest.mark.requirement("R01", "R03")
def test_2000_tickets_a_minute_over_200_stores_all_end_well(postgresql_at: Database) -> None:
    tickets = sell_at_many_tills(postgresql_at, 60.0)
    print(f"\n{tickets} tickets in a minute")
    assert tickets >= TICKETS_A_MINUTE
