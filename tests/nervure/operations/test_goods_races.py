"""Goods that come in, leave and arrive at once, on real PostgreSQL connections."""

from datetime import date
from functools import partial

import pytest

from nervure.inventory.claims import claim
from nervure.inventory.purchases import Counted, Receipt
from nervure.inventory.stock import Against, ClaimKind, InsufficientStockError
from nervure.operations.hub import Hub
from nervure.operations.incoming import incoming
from nervure.operations.purchases import ExpectedLine, close, expect, receive
from nervure.operations.transfers import Arrival, Arrived, Dispatch, TransferError, arrive, cancel, dispatch
from nervure.store.database import Database
from tests.nervure.operations.fake_shops import fill
from tests.nervure.operations.scripted import ScriptedShop, looking, scripted_hub, tasks
from tests.nervure.world import World, at, at_once, must_hold

pytestmark = pytest.mark.postgresql

MARCH_9 = date(2026, 3, 9)


@pytest.fixture
def hub(postgresql_at: Database) -> Hub:
    """5 BOLT and 8 NUT in paris, 2 BOLT in lyon."""
    fill(postgresql_at)
    return scripted_hub(postgresql_at, {"shop": ScriptedShop()})


def to_come(hub: Hub) -> list[int]:
    return [one.units for one in incoming(hub)]


def on_hand(hub: Hub, *places: str, sku: str = "BOLT") -> list[int]:
    with looking(hub) as world:
        must_hold(world)
        return [world.on_hand(sku, place) for place in places]


def send(hub: Hub, name: str, units: int) -> bool:
    return dispatch(hub, Dispatch(name, "BOLT", "paris", "lyon", units))


def test_receipts_of_one_line_that_come_at_once_are_all_counted_and_each_note_once(hub: Hub) -> None:
    expect(hub, "PO-7", [ExpectedLine("BOLT", "paris", 10, MARCH_9)])
    notes = [partial(receive, hub, Receipt(f"N{number % 6}", "BOLT", "paris", 2), "PO-7") for number in range(12)]
    counted = at_once(notes)
    assert sum(one is None for one in counted) == 6
    assert not [one for one in counted if isinstance(one, Exception)]
    assert (to_come(hub), on_hand(hub, "paris")) == ([], [17])
    assert [task.text for task in tasks(hub)] == ["12 units came in, 10 were expected"]


def test_a_purchase_that_many_write_at_once_has_each_line_once(hub: Hub) -> None:
    skus = ("BOLT", "NUT")
    lines = [[ExpectedLine(skus[number % 2], "paris", 10, MARCH_9)] for number in range(8)]
    said = at_once([partial(expect, hub, "PO-7", one) for one in lines])
    assert not [one for one in said if isinstance(one, Exception)]
    assert to_come(hub) == [10, 10]


def test_a_receipt_and_the_close_of_its_purchase_lose_nothing(hub: Hub) -> None:
    for number in range(6):
        name = f"PO-{number}"
        expect(hub, name, [ExpectedLine("NUT", "lyon", 3, MARCH_9)])
        counted, missing = at_once(
            [partial(receive, hub, Receipt(name, "NUT", "lyon", 3), name), partial(close, hub, name)]
        )
        assert isinstance(counted, Counted)
        # Either it came before the close, and nothing is missing, or after it, and somebody is told.
        assert (counted.over, counted.line.units_received) == (3 if missing else 0, 3)
    assert to_come(hub) == []
    assert on_hand(hub, "lyon", sku="NUT") == [18]


def test_first_dispatches_at_once_share_one_place_in_transit_and_take_no_unit_twice(hub: Hub) -> None:
    sent = at_once([partial(send, hub, f"T-{number}", 1) for number in range(8)])
    refused = [one for one in sent if isinstance(one, Exception)]
    assert {type(one) for one in refused} == {TransferError}
    assert (sent.count(True), len(refused)) == (5, 3)
    assert on_hand(hub, "paris", "in-transit", "lyon") == [0, 5, 2]


def test_a_dispatch_that_is_heard_by_many_at_once_is_sent_once(hub: Hub) -> None:
    assert sorted(at_once([partial(send, hub, "T-1", 2)] * 6), key=str) == [False] * 5 + [True]
    assert on_hand(hub, "paris", "in-transit") == [3, 2]


def test_arrivals_of_one_transfer_at_once_bring_no_unit_twice(hub: Hub) -> None:
    send(hub, "T-1", 5)
    whole = at_once([partial(arrive, hub, Arrival("T-1"))] * 4)
    assert sorted(whole, key=str) == [Arrived(0)] * 3 + [Arrived(5)]
    assert on_hand(hub, "paris", "in-transit", "lyon") == [0, 0, 7]


def test_of_two_arrivals_that_are_too_much_together_one_is_refused(hub: Hub) -> None:
    send(hub, "T-1", 5)
    came = at_once([partial(arrive, hub, Arrival("T-1", "BOLT", 3, f"A{number}")) for number in range(2)])
    assert came.count(Arrived(3)) == 1
    [refused] = [one for one in came if isinstance(one, Exception)]
    assert isinstance(refused, TransferError)
    assert on_hand(hub, "paris", "in-transit", "lyon") == [0, 2, 5]


def test_one_arrival_that_is_heard_by_many_at_once_counts_once(hub: Hub) -> None:
    send(hub, "T-1", 5)
    came = at_once([partial(arrive, hub, Arrival("T-1", "BOLT", 2, "A1"))] * 5)
    assert (came.count(Arrived(2)), came.count(None)) == (1, 4)
    assert on_hand(hub, "paris", "in-transit", "lyon") == [0, 3, 4]


def test_a_cancellation_and_an_arrival_at_once_share_the_units(hub: Hub) -> None:
    for number in range(4):
        name = f"T-{number}"
        send(hub, name, 1)
        came, returned = at_once([partial(arrive, hub, Arrival(name)), partial(cancel, hub, name)])
        assert (came, returned) in [(Arrived(1), 0), (Arrived(0), 1)]
    [paris, transit, lyon] = on_hand(hub, "paris", "in-transit", "lyon")
    assert (paris + lyon, transit) == (7, 0)


@pytest.mark.requirement("R01")
def test_a_dispatch_and_claims_for_the_last_units_never_take_one_twice(hub: Hub) -> None:
    def reserve(number: int) -> bool:
        def work(world: World) -> bool:
            demand = {world.place("BOLT", "paris"): 1}
            takes = claim(world.stock, demand, kind=ClaimKind.RESERVATION, against=Against.CLAIMABLE)
            world.stock.reserve(takes, reference=f"cart {number}", expires_at=at(15))
            return True

        return hub.database.run(lambda connection: work(World(connection)))

    send(hub, "T-0", 3)
    outcomes = at_once(
        [partial(send, hub, f"T-{number}", 1) for number in range(1, 5)]
        + [partial(reserve, number) for number in range(4)]
    )
    refused = [one for one in outcomes if isinstance(one, Exception)]
    assert {type(one) for one in refused} <= {TransferError, InsufficientStockError}
    assert outcomes.count(True) == 2, "two units were left"
    with looking(hub) as world:
        assert world.claimable("BOLT", "paris") == 0
    [paris, transit] = on_hand(hub, "paris", "in-transit")
    assert paris + transit == 5
