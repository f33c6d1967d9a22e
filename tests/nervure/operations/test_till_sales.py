"""A till sale leaves the shelf once, whichever of its ticket and its count is stamped or heard first (R15)."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.transport import HttpRequest
from nervure.operations.hub import Hub
from nervure.operations.publish import publish
from nervure.store.database import Database
from nervure.store.tables.catalogue import LOCATION
from schemas.capabilities import Capabilities, DecrementMoment
from schemas.documents import RawDocument
from schemas.orders import OrderState
from schemas.stock import StockObservation
from simulation.platform import BasketLine, CatalogueEntry
from simulation.platforms.square import ACCESS_TOKEN, SquareEmulator
from tests.nervure.operations.scripted import (
    ScriptedShop,
    advance,
    document,
    hear,
    looking,
    order_of,
    scripted_hub,
    settle,
)
from tests.nervure.world import World, a_till_sale, an_order, at, capable, must_hold
from tests.simulation.merchants import SHOPPER, Merchant, open_merchant

TILL = capable(decrements_at=DecrementMoment.PAYMENT, restocks_on_cancel=False)


def ruled(database: Database, capabilities: Capabilities = TILL) -> Hub:
    """Five bolts in a store whose till counts for itself, and a till that shows them."""
    with database.write() as connection:
        world = World(connection)
        world.location("paris", master="shop")
        world.channel("shop", {"web": ["paris"]})
    hub = scripted_hub(database, {"shop": ScriptedShop()}, capabilities={"shop": capabilities})
    settle(hub)
    advance(hub, 300)
    publish(hub, "shop")
    advance(hub, 1500)
    return hub


def counted(units: int, minute: float, *, physically: bool = False) -> RawDocument:
    return document(
        f"count {units} at {minute}",
        StockObservation(
            channel="shop",
            listing_external_id="L-BOLT",
            stock_point="web",
            units=units,
            observed_at=at(minute),
            is_physical_count=physically,
        ),
    )


def on_hand(hub: Hub) -> int:
    with looking(hub) as world:
        must_hold(world)
        return world.on_hand("BOLT", "paris")


@pytest.mark.parametrize("lag", [-0.01, 0, 0.01], ids=["ticket stamped first", "both at once", "count stamped first"])
@pytest.mark.parametrize("first", ["ticket", "count"])
def test_a_sale_is_taken_off_once_whichever_of_ticket_and_count_comes_first(
    filled: Database, lag: float, first: str
) -> None:
    hub = ruled(filled)
    ticket = order_of(a_till_sale("T1", {"BOLT": 2}, "web", minute=10 + lag, left=9.98))
    heard = [ticket, counted(3, 10)]
    for raw in heard if first == "ticket" else reversed(heard):
        hear(hub, "shop", raw)
    assert on_hand(hub) == 3


def test_a_ticket_sent_after_somebody_counted_what_it_had_left_takes_nothing_off_again(filled: Database) -> None:
    hub = ruled(filled)
    hear(hub, "shop", counted(3, 8, physically=True))
    assert on_hand(hub) == 3
    hear(hub, "shop", order_of(a_till_sale("T1", {"BOLT": 2}, "web", minute=20, left=6)))
    assert on_hand(hub) == 3


@pytest.mark.parametrize("left", [None, 10])
def test_a_ticket_opened_before_and_paid_after_our_number_arrived_is_taken_off_once(
    filled: Database, left: float | None
) -> None:
    hub = ruled(filled)  # the number arrived at minute 5; the ticket was opened at minute 0
    hear(hub, "shop", order_of(a_till_sale("T1", {"BOLT": 2}, "web", minute=10, left=left)))
    hear(hub, "shop", counted(3, 10.01))
    assert on_hand(hub) == 3


@pytest.mark.parametrize("moment", [DecrementMoment.PAYMENT, DecrementMoment.DEBIT])
def test_an_order_that_counts_when_it_is_paid_moves_the_channels_number_then(
    filled: Database, moment: DecrementMoment
) -> None:
    hub = ruled(filled, capable(decrements_at=moment))
    for state, minute in ((OrderState.AWAITING_PAYMENT, 1), (OrderState.OPEN, 10)):
        hear(hub, "shop", order_of(an_order("1", {"BOLT": 2}, state=state, minute=minute)))
    with looking(hub) as world:
        [number] = [number for number in world.publications.numbers("shop") if number.sku == "BOLT"]
    assert (number.channel_units, number.salable_quantity) == (3, 3)


# -- with stamps as the emulated platform gives them -----------------------------------------------------------


def counting_tills(database: Database, seed: int) -> Merchant:
    """A merchant whose tills rule the counts of their store in Paris, where three mugs are."""
    merchant = open_merchant(database, lag_seed=seed)
    with database.write() as connection:
        connection.execute(LOCATION.update().where(LOCATION.c.code == "ST-PARIS").values(master="tills"))
    merchant.open()
    merchant.clock.advance(60)
    return merchant


def mugs_in_paris(merchant: Merchant) -> int:
    with looking(merchant.hub) as world:
        return world.on_hand("MUG", "ST-PARIS")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("has_webhooks", [True, False], ids=["count first", "ticket first"])
def test_what_square_sells_is_off_the_shelf_once_however_its_stamps_lie(
    sqlite: Database, seed: int, has_webhooks: bool
) -> None:
    merchant = counting_tills(sqlite, seed)
    merchant.buy("tills", MUG=1)
    if has_webhooks:
        merchant.deliver()
        settle(merchant.hub)
    merchant.rest(has_webhooks=has_webhooks)
    assert (mugs_in_paris(merchant), merchant.shelf("tills")["MUG"], merchant.shelf("webshop")["MUG"]) == (2, 2, 8)
    assert merchant.verdict().holds


def test_square_stamps_ticket_and_count_apart_in_both_directions() -> None:
    first: set[str] = set()
    for seed in range(8):
        emulator = SquareEmulator(lag_seed=seed)
        emulator.load([CatalogueEntry("MUG", "Mug", Decimal("7.50"))], ["L"], at(0))
        emulator.set_shelf("MUG", "L", 5, at(1))
        emulator.buy([BasketLine("MUG", 1)], SHOPPER, "L", at(2))
        paid, written, counted_at = said_of_the_sale(emulator)
        assert paid <= min(written, counted_at) <= max(written, counted_at) <= at(2)
        assert (written - paid).total_seconds() <= 0.5
        first.add("ticket" if written < counted_at else "count")
    assert first == {"ticket", "count"}


def said_of_the_sale(emulator: SquareEmulator) -> tuple[datetime, datetime, datetime]:
    """When the sale was paid, when its ticket was written, and when the count says it was calculated."""
    search = {"location_ids": ["L"], "limit": 10}
    [order] = asked(emulator, "/v2/orders/search", search)["orders"]
    [count] = asked(emulator, "/v2/inventory/counts/batch-retrieve", {"location_ids": ["L"]})["counts"]
    stamps = (order["tenders"][0]["created_at"], order["updated_at"], count["calculated_at"])
    paid, written, counted_at = map(datetime.fromisoformat, stamps)
    return paid, written, counted_at


def asked(emulator: SquareEmulator, path: str, question: object) -> Any:
    headers = {"authorization": f"Bearer {ACCESS_TOKEN}", "square-version": "2025-08-20"}
    return json.loads(emulator.handle(HttpRequest("POST", path, headers, json.dumps(question).encode()), at(3)).body)
