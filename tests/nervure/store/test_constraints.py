"""The database itself refuses what the rules forbid, whoever writes it: each CHECK and UNIQUE constraint once."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from nervure.inventory.claims import claim
from nervure.inventory.policies import Policy
from nervure.inventory.stock import Against, ClaimKind, Place
from nervure.orders.reservations import Ask
from nervure.store import tables
from nervure.store.clocks import ClockStore
from nervure.store.inbox import InboxStore
from nervure.store.lots import LotStore
from nervure.store.reservations import NewReservation, ReservationStore
from nervure.store.serials import SerialStore
from nervure.store.skus import SkuStore
from nervure.store.tables import SupplierOfferRow, of
from nervure.store.tables.orders import FULFILLMENT_LINE
from schemas.documents import Heard, RawDocument
from schemas.items import Item, KitComponent
from schemas.policies import PolicyKind
from tests.nervure.world import START, World, a_return, an_order, merchant, thrown_away

# Several bad rows for one constraint: each of its terms must be seen to hold.
BAD_VALUES: dict[str, list[dict[str, Any]]] = {
    "ck_item_kind": [{"kind": "bundle"}],
    "ck_item_lot_tracking": [{"lot_tracking": "sometimes"}],
    "ck_recipe_part_units": [{"units": 0}, {"units": -1}],
    "ck_recipe_part_not_itself": [{"part_id": sa.column("product_id")}],
    "ck_lot_name": [{"name": ""}],
    "ck_kit_component_units": [{"units": 0}, {"units": -1}],
    "ck_kit_component_not_itself": [{"part_id": sa.column("kit_id")}],
    "ck_stock_level_signs": [{"reserved": -1}, {"allocated": -1}, {"sequence": -1}],
    "ck_stock_level_claims_are_sellable": [{"condition": "damaged", "reserved": 1}, {"condition": "on_hold"}],
    "ck_stock_movement_moves": [{"units": 0}],
    "ck_stock_movement_sequence": [{"sequence": 0}],
    "ck_stock_movement_reason": [{"kind": "adjusted", "reason": None}, {"kind": "sold", "reason": "lost"}],
    "ck_safety_stock_units": [{"units": -1}],
    "ck_claim_units": [{"units": 0}],
    "ck_claim_kind": [{"kind": "promise", "fulfillment_line_id": None, "expires_at": None}],
    "ck_claim_state": [{"state": "lost"}],
    "ck_claim_purpose": [{"fulfillment_line_id": None}, {"kind": "reservation", "expires_at": START}],
    "ck_claim_expiry": [
        {"expires_at": START},
        {"kind": "reservation", "fulfillment_line_id": None, "expires_at": None},
    ],
    "ck_channel_buffer": [{"buffer_units": -1}],
    "ck_listing_binding": [{"item_id": None}, {"unbound_reason": "a reason"}],
    "ck_publication_state": [{"state": "lost"}],
    "ck_publication_salable": [{"salable_quantity": -1}],
    "ck_publication_revisions": [{"sent_revision": 99}, {"confirmed_revision": 99}],
    "ck_publication_flight": [{"state": "sent"}, {"state": "unknown"}, {"flight": "a flight"}],
    "ck_publication_confirmed": [{"state": "confirmed"}],
    "ck_publication_reason": [{"state": "failed"}, {"state": "excluded"}],
    "ck_inbox_state": [{"state": "lost"}],
    "ck_inbox_reason": [{"state": "dead"}],
    "ck_publication_most_rows": [{"most_rows": 0}],
    "ck_order_line_ordered": [{"units_ordered": 0, "units_canceled": 0, "units_charged": 0}],
    "ck_order_line_charged": [{"units_charged": -1}, {"units_charged": 99}],
    "ck_order_line_stated": [{"is_stated": False}],
    "ck_substitution_group_relation": [{"relation": "twin"}],
    "ck_substitution_group_price_same": [{"price_same": "free"}],
    "ck_substitution_group_price_up": [{"price_up": "free"}],
    "ck_substitution_group_price_down": [{"price_down": "free"}],
    "ck_substitution_member_rank": [{"rank": -1}],
    "ck_proposal_units": [{"units": 0}],
    "ck_proposal_state": [{"state": "lost", "ended_at": START}],
    "ck_proposal_ended": [{"ended_at": START}, {"state": "expired"}],
    "ck_proposal_chosen": [{"chosen_key": "cancel"}, {"state": "chosen", "ended_at": START}],
    "ck_proposal_option_kind": [{"kind": "gift", "reservation_id": 1}],
    "ck_proposal_option_item": [{"kind": "variant", "reservation_id": 1}, {"item_id": 1}],
    "ck_proposal_option_place": [{"location_id": 1}],
    "ck_proposal_option_day": [{"kind": "later"}],
    "ck_proposal_option_held": [{"reservation_id": 1}],
    "ck_line_cut_units": [{"units": 0}],
    "ck_line_cut_reason": [{"reason": "lost"}],
    "ck_line_cut_substitute": [{"reason": "substituted"}, {"substitute_line_id": 1}],
    "ck_order_line_canceled": [{"units_canceled": -1}, {"units_canceled": 99}],
    "ck_fulfillment_order_state": [{"state": "lost"}],
    "ck_fulfillment_order_pickup_code": [{"state": "ready_for_pickup"}],
    "ck_fulfillment_line_units": [{"units": -1}],
    "ck_fulfillment_event_kind": [{"kind": "lost"}],
    "ck_fulfillment_event_reason": [{"kind": "rejected"}],
    "ck_fulfillment_offer_ended": [{"state": "open"}, {"ended_at": None}],
    "ck_fulfillment_offer_state": [{"state": "lost"}],
    "ck_fulfillment_pick_units": [{"units": -1}],
    "ck_call_budget_counts": [{"failures": -1}, {"probes": -1}],
    "ck_platform_clock_span": [{"least_seconds": 2.0, "most_seconds": 1.0}],
    "ck_platform_clock_answers": [{"answers": 0}],
    "ck_platform_clock_ahead": [{"ahead_seconds": 601.0}, {"ahead_seconds": -601.0}],
    "ck_not_found_missed": [{"missed": -1, "tried": 1}, {"missed": 2, "tried": 1}],
    "ck_sales_pace_units": [{"units_per_day": -1.0}],
    "ck_scarcity_price_price": [{"price": 0}, {"price": -1}],
    "ck_shortfall_units": [{"units": -1, "backorder_units": 0, "promised_on": None}],
    "ck_shortfall_backorder": [{"backorder_units": -1}, {"backorder_units": 99}],
    "ck_shortfall_promise": [{"promised_on": None}, {"backorder_units": 0}],
    "ck_policy_kind": [{"kind": "discount", "promised_on": None}],
    "ck_policy_units": [{"units": -1}, {"kind": "share", "units": 101, "promised_on": None}],
    "ck_policy_promise": [{"promised_on": None}, {"kind": "cap"}],
    "ck_policy_scope": [
        {"item_id": None},
        {"kind": "buffer", "promised_on": None, "item_id": None},
        {"kind": "share", "promised_on": None, "channel_id": None},
        {"kind": "cap", "promised_on": None, "channel_id": None},
    ],
    "ck_backorder_change_moves": [{"units": 0}],
    "ck_cycle_count_ended": [{"ended_at": START}, {"state": "closed"}],
    "ck_cycle_count_state": [{"state": "lost", "ended_at": START}],
    "ck_cycle_count_line_booked": [{"booked_at": None}, {"difference": None}],
    "ck_cycle_count_line_entered": [{"counted_at": None}, {"reason": None}],
    "ck_cycle_count_line_units": [{"units": -1}],
    "ck_purchase_line_dated": [{"expected_on": None}, {"units_expected": 0}],
    "ck_purchase_line_expected": [{"units_expected": -1}],
    "ck_purchase_receipt_units": [{"units": 0}],
    "ck_stock_observation_base": [{"basis": "running"}, {"basis": "running", "base_units": 1}],
    "ck_stock_observation_basis": [{"basis": "guess"}, {"withheld_units": -1}],
    "ck_transfer_moves": [{"destination_id": sa.column("origin_id")}],
    "ck_transfer_line_no_more_than_sent": [{"units_arrived": 2}],
    "ck_transfer_line_sent": [{"units_sent": 0, "units_arrived": 0, "units_returned": 0, "units_lost": 0}],
    "ck_transfer_line_signs": [{"units_arrived": -1}, {"units_returned": -1}, {"units_lost": -1}],
    "ck_goods_return_line_units": [{"units": 0, "units_back": 0}],
    "ck_goods_return_line_units_back": [{"units_back": -1}, {"units_back": 2}],
    "ck_outbox_state": [{"state": "lost"}],
    "ck_reservation_state": [{"state": "lost", "ended_at": START}],
    "ck_reservation_ended": [{"state": "released"}, {"ended_at": START}],
    "ck_reservation_consumed": [{"state": "consumed", "ended_at": START}, {"order_id": 1}],
    "ck_reservation_named": [{"order_external_id": "1"}],
    "ck_reservation_line_units": [{"units": 0}],
    "ck_serial_place": [{"state": "left"}, {"location_id": None}],
    "ck_serial_state": [{"state": "lost", "location_id": None}],
    "ck_serial_claim_state": [{"state": "lost", "ended_at": START}],
    "ck_serial_claim_ended": [{"state": "released"}, {"state": "returned"}, {"ended_at": START}],
    "ck_item_event_kind": [{"kind": "lost", "other_item_id": 1}],
    "ck_item_event_other": [{"kind": "merged"}, {"kind": "split"}, {"other_item_id": 1}],
    "ck_shadow_day_differing": [{"differing": 2}],
    "ck_hub_life_one": [{"id": 2}],
    "ck_zero_fall_verdict": [{"verdict": "perhaps"}],
    "ck_zero_fall_before": [{"units_before": 0}, {"units_before": -1}],
    "ck_supplier_request_answered": [{"units_refused": 1}],
    "ck_supplier_request_units": [
        {"units": 0},
        {"units_refused": -1, "answered_at": START},
        {"units_refused": 3, "answered_at": START},
    ],
    "ck_binding_decision_decision": [{"decision": "perhaps"}],
    "ck_binding_decision_reason": [{"decision": "exclude"}],
}


def everything(world: World) -> None:
    """A row in every table that has a constraint."""
    merchant(world, bolt_paris=3)
    place = world.place("BOLT", "paris")
    world.policies.put_safety_stock(place.item_id, place.location_id, 1)
    nut, shop = world.place("NUT", "paris").item_id, world.channel_id("shop")
    world.policies.put(Policy(PolicyKind.BACKORDER, 5, shop, nut, START.date()))
    world.take_in(an_order("1", {"BOLT": 1, "NUT": 1}))
    world.take_in(an_order("missing", {"PAIR": 9}))
    world.ship_all("1")
    world.take_in(an_order("2", {"BOLT": 1}))
    takes = claim(world.stock, {place: 1}, kind=ClaimKind.RESERVATION, against=Against.CLAIMABLE)
    world.stock.reserve(takes, reference="cart", expires_at=START)
    world.take_back(a_return("1", {"BOLT": 1}))
    world.count("BOLT", "lyon", 3, minute=1)
    world.catalogue.put_items([Item(sku="BENCH", title="Bench", recipe=(KitComponent(sku="BOLT", units=1),))])
    LotStore(world.connection, START).put(place.item_id, "L1", None)
    world.refresh()
    document = RawDocument("orders", "1", "a", b"{}", Heard.POLL)
    InboxStore(world.connection, START).put("shop", [document])
    offer = {"supplier": "acme", "supplier_sku": "B-1", "title": "", "as_of": START}
    world.connection.execute(of(SupplierOfferRow).insert().values(**offer))
    carts = ReservationStore(world.connection, START)
    assert carts.open([NewReservation("cart", None, START, [Ask(place.item_id, place.location_id, 1)])])
    serials = SerialStore(world.connection, START)
    assert serials.add(place, {"A": "EPC-A"}, "D1") == 1
    [serial] = serials.find(["A"])
    line = world.connection.execute(sa.select(FULFILLMENT_LINE.c.id).limit(1)).scalar_one()
    assert serials.take(serial.id, line, has_left=False)
    skus = SkuStore(world.connection, START)
    skus.give_up(place.item_id, "BULT", "BULT")
    skus.note("renamed", "rename:BULT:BOLT", place.item_id, None, {})
    listing = world.connection.execute(sa.select(of(tables.ListingRow).c.id).limit(1)).scalar_one()
    decision = {"listing_id": listing, "decision": "bind", "decided_at": START}
    world.connection.execute(of(tables.BindingDecisionRow).insert().values(**decision))
    added(
        world,
        tables.ZeroFallRow,
        publication_id=world.publication_id("shop", "BOLT", "web"),
        channel_id=shop,
        listing_id=listing,
        units_before=1,
        fell_at=START,
        is_new=True,
    )
    day = {"samples": 1, "compared": 1, "differing": 1, "unseen": 0, "first_revisions": 1, "last_revisions": 1}
    world.connection.execute(of(tables.ShadowDayRow).insert().values(channel_id=shop, day=START.date(), **day))
    added(world, tables.HubLifeRow, id=1, beat=1, beat_at=START)
    at_the_desk(world, place, line)
    proposed(world)
    goods_on_their_way(world, place)
    counted(world, place)


def added(world: World, row: type[SQLModel], **values: object) -> int:
    table = of(row)
    [key] = table.primary_key.columns
    return int(world.connection.execute(table.insert().values(**values).returning(key)).scalar_one())


def at_the_desk(world: World, place: Place, line: int) -> None:
    fulfillment = world.connection.execute(sa.select(FULFILLMENT_LINE.c.fulfillment_order_id).limit(1)).scalar_one()
    added(
        world,
        tables.FulfillmentEventRow,
        fulfillment_order_id=fulfillment,
        kind="offered",
        by="",
        reason="",
        recorded_at=START,
    )
    added(
        world,
        tables.FulfillmentOfferRow,
        fulfillment_order_id=fulfillment,
        location_id=place.location_id,
        rank=1,
        state="accepted",
        made_at=START,
        accept_by=START,
        ended_at=START,
    )
    added(
        world,
        tables.SupplierRequestRow,
        supplier="acme",
        location_id=place.location_id,
        fulfillment_order_id=fulfillment,
        line="1",
        supplier_sku="B-1",
        units=2,
        units_refused=0,
        asked_at=START,
    )
    pick = {"fulfillment_line_id": line, "item_id": place.item_id, "units": 1}
    world.connection.execute(of(tables.FulfillmentPickRow).insert().values(**pick))
    user = added(
        world,
        tables.DeskUserRow,
        location_id=place.location_id,
        name="Ana",
        password_hash="scrypt",
        created_at=START,
    )
    session = {"desk_user_id": user, "token_hash": "hash", "created_at": START, "expires_at": START}
    added(world, tables.DeskSessionRow, **session)
    world.connection.execute(of(tables.CallBudgetRow).insert().values(credential="shop", failures=0, probes=0))
    ClockStore(world.connection, START).heard("shop", 1.0, 2.0)
    pace = {"item_id": place.item_id, "units_per_day": 1.0, "measured_at": START}
    world.connection.execute(of(tables.SalesPaceRow).insert().values(**pace))
    price = {"item_id": place.item_id, "location_id": place.location_id, "price": 1, "learned_at": START}
    world.connection.execute(of(tables.ScarcityPriceRow).insert().values(**price))
    found = {"location_id": place.location_id, "tried": 1, "missed": 1, "measured_at": START}
    world.connection.execute(of(tables.NotFoundRow).insert().values(**found))


def proposed(world: World) -> None:
    """A group of two, and a line of which the hub gave a unit up."""
    rules = {"price_same": "as_paid", "price_up": "as_paid", "price_down": "never"}
    group = added(world, tables.SubstitutionGroupRow, name="G", relation="variant", **rules)
    items = world.catalogue.item_ids(["BOLT", "NUT"])
    members = of(tables.SubstitutionMemberRow)
    world.connection.execute(
        members.insert(), [{"group_id": group, "item_id": one, "rank": 0} for one in items.values()]
    )
    [line] = [one.id for one in world.orders.lines(world.order_id("missing"))]
    moments = {"opened_at": START, "expires_at": START}
    made = added(
        world, tables.ProposalRow, order_line_id=line, units=1, state="open", token="T", ended_by="", **moments
    )
    added(
        world,
        tables.ProposalOptionRow,
        proposal_id=made,
        position=1,
        key="cancel",
        kind="cancel",
        reason="",
        due=Decimal(0),
    )
    added(world, tables.LineCutRow, order_line_id=line, proposal_id=made, units=1, reason="canceled", cut_at=START)


def goods_on_their_way(world: World, place: Place) -> None:
    lyon = world.place("BOLT", "lyon").location_id
    purchase = added(world, tables.PurchaseRow, name="PO-1", recorded_at=START)
    line = added(
        world,
        tables.PurchaseLineRow,
        purchase_id=purchase,
        item_id=place.item_id,
        location_id=place.location_id,
        units_expected=5,
        expected_on=START.date(),
    )
    added(world, tables.PurchaseReceiptRow, purchase_line_id=line, cause_key="D", units=2, recorded_at=START)
    transfer = added(
        world, tables.TransferRow, name="T-1", origin_id=place.location_id, destination_id=lyon, recorded_at=START
    )
    key = {"item_id": place.item_id, "asked": "", "owner": "us", "condition": "sellable", "lot": ""}
    added(
        world,
        tables.TransferLineRow,
        transfer_id=transfer,
        **key,
        units_sent=3,
        units_arrived=1,
        units_returned=1,
        units_lost=1,
    )
    added(world, tables.TransferArrivalRow, transfer_id=transfer, document="A-1", asked="", recorded_at=START)


def counted(world: World, place: Place) -> None:
    count = added(
        world,
        tables.CycleCountRow,
        name="C-1",
        location_id=place.location_id,
        is_open_to_all=False,
        state="open",
        opened_at=START,
    )
    key = {"item_id": place.item_id, "owner": "us", "condition": "sellable", "lot": "", "round": 1}
    added(
        world,
        tables.CycleCountLineRow,
        cycle_count_id=count,
        **key,
        units=3,
        counted_at=START,
        counted_by="Ana",
        reason="cycle_count",
        difference=0,
        confirmed_by="Bo",
        booked_at=START,
    )


@pytest.fixture(scope="module", params=["shared_sqlite", "shared_postgresql"])
def full(request: pytest.FixtureRequest) -> Iterator[World]:
    """One such world for all tests here: none of them changes it."""
    with thrown_away(request.getfixturevalue(request.param)) as connection:
        world = World(connection)
        everything(world)
        yield world


CHECKS = {
    str(constraint.name): table
    for table in SQLModel.metadata.tables.values()
    for constraint in table.constraints
    if isinstance(constraint, sa.CheckConstraint)
}
UNIQUE = {
    str(constraint.name): (table, tuple(column.name for column in constraint.columns))
    for table in SQLModel.metadata.tables.values()
    for constraint in [*table.constraints, *(index for index in table.indexes if index.unique)]
    if isinstance(constraint, sa.UniqueConstraint | sa.Index)
}


def violated(error: IntegrityError) -> str:
    """The constraint that refused a row; SQLite names the columns of a unique one."""
    named = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    return str(named or str(error.orig).partition("constraint failed: ")[2])


def test_every_constraint_of_the_tables_has_a_bad_row_here() -> None:
    assert set(BAD_VALUES) == {name for name, table in CHECKS.items() if table is not None}
    assert len(CHECKS) == len(BAD_VALUES)
    assert tables.TaskRow.__tablename__ in {table.name for table, _ in UNIQUE.values()}


@pytest.mark.parametrize(
    ("name", "values"),
    [(name, values) for name, some in sorted(BAD_VALUES.items()) for values in some],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_bad_row_is_refused(full: World, name: str, values: dict[str, Any]) -> None:
    table = CHECKS[name]
    key = next(iter(table.primary_key.columns))
    row = table.select().order_by(key).limit(1)
    if table.name == "claim":
        row = table.select().where(table.c.state == "held", table.c.kind == "allocation")
    if table.name == "stock_level":
        row = table.select().where(table.c.allocated > 0)
    known = full.connection.execute(row).mappings().first()
    assert known is not None, f"no row of {table.name} to spoil"
    bad = table.update().where(*(column == known[column.name] for column in table.primary_key.columns)).values(values)
    with pytest.raises(IntegrityError) as refused, full.connection.begin_nested():
        full.connection.execute(bad)
    assert violated(refused.value) == name


@pytest.mark.requirement("R18", "R22")
@pytest.mark.parametrize("name", sorted(UNIQUE))
def test_a_row_cannot_stand_twice(full: World, name: str) -> None:
    table, columns = UNIQUE[name]
    known = full.connection.execute(table.select().limit(1)).mappings().first()
    assert known is not None, f"no row of {table.name} to copy"
    copy = {column: value for column, value in known.items() if column != "id"}
    others = {
        column: f"another {column}"
        for other, (its_table, its_columns) in UNIQUE.items()
        if its_table is table and other != name
        for column in its_columns
        if column not in columns and isinstance(copy[column], str)
    }
    lyon = full.place("BOLT", "lyon").location_id
    distinct: dict[str, dict[str, object]] = {
        "uq_stock_movement_cause_key": {"sequence": 99},
        "uq_fulfillment_offer_fulfillment_order_id_location_id": {"state": "open", "ended_at": None},
        "ix_fulfillment_offer_accepted": {"location_id": lyon},
        "uq_proposal_token": {"state": "expired", "ended_at": START},
    }
    apart = distinct.get(name, {})
    with pytest.raises(IntegrityError) as refused, full.connection.begin_nested():
        full.connection.execute(table.insert().values(copy | others | apart))
    found = violated(refused.value)
    if found != ", ".join(f"{table.name}.{column}" for column in columns):
        assert found[:55] == name[:55], "PostgreSQL cuts names off"


def test_a_closed_task_may_be_opened_again_and_an_open_one_stands_once(full: World) -> None:
    with full.undone() as world:
        for _ in range(2):
            world.tasks.open("test", "subject", "text")
            world.tasks.open("test", "subject", "another text")
            assert world.open_tasks()["test"] == 1
            world.tasks.close("test", "subject")
            assert world.open_tasks()["test"] == 0


@pytest.mark.parametrize(
    ("name", "column"), [("claim", "stock_level_id"), ("stock_movement", "stock_level_id"), ("order_line", "item_id")]
)
def test_a_row_cannot_name_what_does_not_exist(full: World, name: str, column: str) -> None:
    bad = SQLModel.metadata.tables[name].update().values({column: 999_999})
    with pytest.raises(IntegrityError), full.connection.begin_nested():
        full.connection.execute(bad)
