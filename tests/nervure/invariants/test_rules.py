"""Each rule sees the corruption that it is there for, and names what is wrong and by how much."""

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from nervure.invariants import RULES, check_all
from nervure.inventory.ledger import book
from nervure.inventory.purchases import Receipt, receipt_entry, receive
from nervure.inventory.stock import ClaimKind, Take
from nervure.inventory.transfers import Sent, sent_entries
from nervure.store.audit import AuditStore
from nervure.store.publications import PUBLICATION
from nervure.store.purchases import PURCHASE_RECEIPT, PurchaseStore
from nervure.store.statements import CLAIM, LEVEL, MOVEMENT
from nervure.store.tables.channels import POINT_LOCATION
from nervure.store.tables.orders import FULFILLMENT_LINE, LINE, SHORTFALL
from nervure.store.tasks import TASK
from nervure.store.transfers import TRANSFER_LINE, TransferStore
from schemas.orders import OrderState
from schemas.stock import Condition
from tests.nervure.world import START, World, a_till_sale, an_order, at, merchant


def filled(world: World) -> World:
    """Two orders, one of them short, a reservation, and a till sale: everything holds."""
    merchant(world, bolt_paris=5, nut_paris=8, bolt_lyon=2)
    world.take_in(an_order("1", {"BOLT": 3}))
    world.take_in(an_order("2", {"NUT": 9}))
    world.take_in(a_till_sale("t1", {"BOLT": 1}, "counter", channel="till"))
    take = Take(world.level_id("BOLT", "paris"), world.place("BOLT", "paris"), 1)
    assert world.stock.take([take], ClaimKind.RESERVATION)
    world.stock.reserve([take], reference="cart", expires_at=at(9))
    goods(world)
    assert violations(world) == []
    return world


def goods(world: World) -> None:
    """Of a purchase 3 SCREW have come to lyon, and 1 of them is on its way to paris."""
    world.items("SCREW")
    store = PurchaseStore(world.connection, world.now)
    screw = world.place("SCREW", "lyon")
    purchase = store.open("PO-7", "acme")
    store.add_line(purchase.id, screw, 3, START.date())
    entry = receipt_entry(Receipt("N1", "SCREW", "lyon", 3), screw, world.now)
    receive(entry, purchase, world.stock, store)
    transfers = TransferStore(world.connection, world.now)
    transit = transfers.transit_location()
    assert transit is not None
    paris = world.place("SCREW", "paris").location_id
    route = transfers.open("T-1", screw.location_id, paris, transit_id=transit, expected_on=None)
    [line] = transfers.send(route.id, screw.item_id, "any", Condition.SELLABLE, [Sent("us", "", 1)])
    book(world.stock, sent_entries(route, line, world.now))


def violations(world: World) -> list[tuple[str, str, str]]:
    return [
        (one.rule, re.sub(r"^movement \d+", "movement N", one.subject), one.text)
        for one in check_all(AuditStore(world.connection))
    ]


def run(world: World, statement: sa.Executable) -> None:
    world.connection.execute(statement)


def bolts(world: World) -> int:
    return world.level_id("BOLT", "paris")


def first_movement(world: World) -> sa.ColumnElement[bool]:
    return sa.and_(MOVEMENT.c.stock_level_id == bolts(world), MOVEMENT.c.sequence == 1)


def allocation(world: World) -> sa.ColumnElement[bool]:
    return sa.and_(CLAIM.c.stock_level_id == bolts(world), CLAIM.c.kind == "allocation")


GOODS = "goods_accounted"
CLAIMS, CONSERVED = "claims_within_stock", "units_conserved"
ACCOUNTED, PUBLISHED = "lines_accounted", "every_listing_published"
PLANTED = {
    "choices_kept",
    "claims_left",
    "constraints_hold",
    "corrections_fit",
    "counts_heard",
    "holds_claimed",
    "levels_booked",
    "lines_served",
    "orders_whole",
    "recipes_whole",
    "rows_unaltered",
    "serials_claimed",
}
"""Rules that test_planted_corruptions.py shows to find something."""

CORRUPTIONS: dict[str, tuple[Callable[[World], None], list[tuple[str, str, str]]]] = {
    "a level says one unit more": (
        lambda w: run(w, LEVEL.update().where(LEVEL.c.id == bolts(w)).values(on_hand=6)),
        [(CONSERVED, "BOLT at paris", "on hand 6, movements give 5 (+1)")],
    ),
    "a movement is gone": (
        lambda w: run(w, MOVEMENT.delete().where(first_movement(w))),
        [
            (CONSERVED, "BOLT at paris", "on hand 5, movements give 0 (+5)"),
            (CONSERVED, "BOLT at paris", "sequence 1, 0 movements, the last is 0"),
        ],
    ),
    "a movement says other units": (
        lambda w: run(w, MOVEMENT.update().where(first_movement(w)).values(units=4)),
        [(CONSERVED, "BOLT at paris", "on hand 5, movements give 4 (+1)")],
    ),
    "a movement is of another level": (
        lambda w: run(
            w, MOVEMENT.update().where(first_movement(w)).values(stock_level_id=w.level_id("NUT", "paris"), sequence=2)
        ),
        [
            (CONSERVED, "BOLT at paris", "on hand 5, movements give 0 (+5)"),
            (CONSERVED, "BOLT at paris", "sequence 1, 0 movements, the last is 0"),
            (CONSERVED, "NUT at paris", "on hand 8, movements give 13 (-5)"),
            (CONSERVED, "NUT at paris", "sequence 1, 2 movements, the last is 2"),
        ],
    ),
    "a movement was numbered anew": (
        lambda w: run(w, MOVEMENT.update().where(first_movement(w)).values(sequence=7)),
        [(CONSERVED, "BOLT at paris", "sequence 1, 1 movements, the last is 7")],
    ),
    "a level counts its movements wrong": (
        lambda w: run(w, LEVEL.update().where(LEVEL.c.id == bolts(w)).values(sequence=2)),
        [(CONSERVED, "BOLT at paris", "sequence 2, 1 movements, the last is 1")],
    ),
    "more is claimed than is there": (
        lambda w: run(w, LEVEL.update().where(LEVEL.c.id == bolts(w)).values(on_hand=3)),
        [
            (CLAIMS, "BOLT at paris", "4 units are claimed, 3 are there"),
            (CONSERVED, "BOLT at paris", "on hand 3, movements give 5 (-2)"),
        ],
    ),
    "a claim is gone": (
        lambda w: run(w, CLAIM.delete().where(allocation(w))),
        [(CLAIMS, "BOLT at paris", "says 1 reserved and 3 allocated, its claims hold 1 and 0")],
    ),
    "a claim holds other units": (
        lambda w: run(w, CLAIM.update().where(allocation(w)).values(units=2)),
        [(CLAIMS, "BOLT at paris", "says 1 reserved and 3 allocated, its claims hold 1 and 2")],
    ),
    "a claim ended without giving back": (
        lambda w: run(w, CLAIM.update().where(allocation(w)).values(state="released")),
        [(CLAIMS, "BOLT at paris", "says 1 reserved and 3 allocated, its claims hold 1 and 0")],
    ),
    "a level forgot its reservation": (
        lambda w: run(w, LEVEL.update().where(LEVEL.c.id == bolts(w)).values(reserved=0)),
        [(CLAIMS, "BOLT at paris", "says 0 reserved and 3 allocated, its claims hold 1 and 3")],
    ),
    "a level claims for nobody": (
        lambda w: run(w, LEVEL.update().where(LEVEL.c.id == bolts(w)).values(allocated=4)),
        [(CLAIMS, "BOLT at paris", "says 1 reserved and 4 allocated, its claims hold 1 and 3")],
    ),
    "a line is served with fewer units": (
        lambda w: run(w, FULFILLMENT_LINE.update().where(FULFILLMENT_LINE.c.id == line_of(w, "1-1")).values(units=2)),
        [(ACCOUNTED, "shop order 1 line 1-1", "3 ordered, 2 accounted for")],
    ),
    "a shortfall is gone": (
        lambda w: run(w, SHORTFALL.delete()),
        [(ACCOUNTED, "shop order 2 line 2-1", "9 ordered, 8 accounted for")],
    ),
    "nobody was told of a shortfall": (
        lambda w: run(w, TASK.delete().where(TASK.c.kind == "shortfall")),
        [(ACCOUNTED, "shop order 2 line 2-1", "1 unit is short and nobody was told")],
    ),
    "units were canceled twice": (
        lambda w: run(w, LINE.update().where(LINE.c.external_id == "1-1").values(units_canceled=1)),
        [(ACCOUNTED, "shop order 1 line 1-1", "3 ordered, 4 accounted for")],
    ),
    "a transfer forgot that units are under way": (
        lambda w: run(w, TRANSFER_LINE.update().values(units_arrived=1)),
        [
            (GOODS, "SCREW us sellable in transit", "says 0, the ledger 1"),
            (GOODS, "transfer T-1, units arrived", "says 1, the ledger 0"),
        ],
    ),
    "units in transit are of no transfer": (
        lambda w: run(w, TRANSFER_LINE.delete()),
        [
            (GOODS, "SCREW us sellable in transit", "says 0, the ledger 1"),
            (
                GOODS,
                "movement N of SCREW at lyon",
                "left with a transfer whose line is not there, must be a line of a transfer",
            ),
        ],
    ),
    "a transfer speaks of another owner": (
        lambda w: run(w, TRANSFER_LINE.update().values(owner="acme")),
        [
            (GOODS, "SCREW acme sellable in transit", "says 1, the ledger 0"),
            (GOODS, "SCREW us sellable in transit", "says 0, the ledger 1"),
            (GOODS, "transfer T-1, units sent", "says 1, the ledger 0"),
        ],
    ),
    "a purchase counted other units": (
        lambda w: run(w, PURCHASE_RECEIPT.update().values(units=2)),
        [(GOODS, "purchase PO-7, receipt hub|N1|SCREW|lyon", "says 2, the ledger 3")],
    ),
    "a purchase counted what is not in the ledger": (
        lambda w: run(w, PURCHASE_RECEIPT.update().values(cause_key="other")),
        [(GOODS, "purchase PO-7, receipt other", "says 3, the ledger 0")],
    ),
    "a publication is gone": (
        lambda w: run(w, PUBLICATION.delete().where(PUBLICATION.c.id == w.publication_id("shop", "BOLT", "web"))),
        [(PUBLISHED, "publications", "1 bound listings have none at a stock point of their channel")],
    ),
    "a stock point stands for nothing, and its numbers go on": (
        lambda w: run(
            w, POINT_LOCATION.delete().where(POINT_LOCATION.c.stock_point_id == w.point_id("till", "counter"))
        ),
        [(PUBLISHED, "publications", "3 are open at stock points that the settings do not name")],
    ),
}


def line_of(world: World, external_id: str) -> int:
    query = sa.select(FULFILLMENT_LINE.c.id).join(LINE, LINE.c.id == FULFILLMENT_LINE.c.order_line_id)
    return int(world.connection.execute(query.where(LINE.c.external_id == external_id)).scalar_one())


@pytest.mark.requirement("R13")
@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_planted_corruption_is_named_by_its_rule(world: World, corruption: str) -> None:
    plant, expected = CORRUPTIONS[corruption]
    plant(filled(world))
    concerned = {rule for rule, _, _ in expected}
    assert [one for one in violations(world) if one[0] in concerned] == expected


def test_every_rule_has_a_corruption_here_or_where_rows_are_planted() -> None:
    named = {rule for _, expected in CORRUPTIONS.values() for rule, _, _ in expected}
    assert named | PLANTED == {rule.__module__.rpartition(".")[2] for rule in RULES}


@pytest.mark.requirement("R33")
def test_a_listing_that_is_not_bound_needs_no_publication(world: World) -> None:
    filled(world)
    world.list_on("shop", "GHOST")
    assert violations(world) == []


def test_an_order_whose_units_are_not_claimed_yet_is_not_accounted(world: World) -> None:
    filled(world)
    till = a_till_sale("t2", {"BOLT": 1}, "counter", channel="till", state=OrderState.AWAITING_PAYMENT)
    world.take_in(till)
    assert violations(world) == []


def test_a_place_where_facts_took_more_than_there_was_is_no_broken_claim(world: World) -> None:
    filled(world)
    world.take_in(a_till_sale("t2", {"NUT": 3}, "counter", channel="till"))
    assert world.on_hand("NUT", "lyon") == -3
    assert violations(world) == []
