"""A merchant to whom everything has happened once, and a copy of the database in which nothing is forbidden."""

from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.purchases import Receipt
from nervure.operations import counts, purchases, transfers
from nervure.operations.choosing import choose_for
from nervure.operations.counts import Entered
from nervure.operations.hub import Hub
from nervure.operations.moving import move_fulfillment
from nervure.operations.proposing import make_proposals
from nervure.operations.purchases import ExpectedLine
from nervure.operations.reservations import (
    Wish,
    expire_reservations,
    give_to_order,
    make_reservation,
    release_reservation,
)
from nervure.operations.serials import Box, Unit, name_serials, receive_serials, track
from nervure.operations.staff import receive, ship_fulfillment
from nervure.operations.transfers import Arrival, Dispatch
from nervure.orders.options import ShortfallPolicy
from nervure.store.database import Database
from nervure.store.migrations import METADATA
from nervure.store.substitution import SubstitutionStore
from schemas.orders import OrderState
from schemas.stock import Condition
from schemas.substitution import Consent, Member, OptionKind, Relation, SubstitutionGroup
from tests.nervure.operations.scripted import ScriptedShop, advance, looking, scripted_hub
from tests.nervure.world import START, Bought, World, a_return, a_till_sale, an_order, at, merchant


def fill(database: Database) -> Hub:
    """Orders open, shipped, in part canceled and short, kits, carts, counts, goods on their way, serial numbers."""
    hub = scripted_hub(database, {"shop": ScriptedShop(), "till": ScriptedShop()})
    with database.write() as connection:
        world = World(connection)
        merchant(world, bolt_paris=30, nut_paris=40, bolt_lyon=9, nut_lyon=9)
        world.items("CAM", "SCREW")
        world.list_on("shop", "CAM", "SCREW")
        world.receive("BOLT", "paris", 4, owner="acme")
        world.receive("SCREW", "paris", 6)
        world.move("SCREW", "paris", 2, condition=Condition.DAMAGED)
        _orders(world)
    _choices(hub)
    _carts(hub)
    _goods(hub)
    _serials(hub)
    _counts(hub)
    return hub


def _orders(world: World) -> None:
    world.take_in(an_order("open", {"BOLT": 3, "PAIR": 2}))
    world.take_in(an_order("shipped", {"PAIR": 1, "NUT": 2}))
    world.ship_all("shipped", minute=2)
    for canceled, minute in ((0, 0), (2, 1)):
        world.take_in(an_order("part", [Bought("BOLT", 5, canceled), Bought("PAIR", 3, canceled)], minute=minute))
    world.take_in(an_order("gone", {"BOLT": 1, "PAIR": 1}))
    world.take_in(an_order("gone", {"BOLT": 1, "PAIR": 1}, minute=1, state=OrderState.CANCELED))
    world.take_in(an_order("short", {"SCREW": 9}))
    world.take_in(an_order("later", {"NUT": 1}, state=OrderState.AWAITING_PAYMENT))
    world.take_in(a_till_sale("ticket", {"BOLT": 1, "PAIR": 1}, "counter", channel="till"))
    world.take_back(a_return("back", {"PAIR": 1}, minute=3, point="web"))


def _choices(hub: Hub) -> None:
    """Of what is short, a substitute was chosen for one order, nothing yet for another one, and one was paid back."""
    members = (Member(sku="CAM"), Member(sku="SCREW"))
    said = dict.fromkeys((OptionKind.VARIANT, OptionKind.CANCEL), Consent.ASK)
    account = replace(hub.accounts["shop"], shortfalls=ShortfallPolicy(said))
    hub.accounts = {**hub.accounts, "shop": account}
    with hub.database.write() as connection:
        world = World(connection)
        group = SubstitutionGroup(name="small", relation=Relation.VARIANT, members=members)
        SubstitutionStore(connection).put(group, world.catalogue.item_ids(["CAM", "SCREW"]))
        world.receive("CAM", "paris", 9)
        for name, units in (("short-2", 2), ("short-3", 1)):
            world.take_in(an_order(name, {"SCREW": units}))
    for order, option in (("short", "variant:CAM"), ("short-2", "cancel")):
        make_proposals(hub)
        choose_for(hub, "shop", order, option, by="Ana")


def _carts(hub: Hub) -> None:
    later = START + timedelta(hours=1)
    wishes = [Wish("BOLT", 1, "paris"), Wish("NUT", 2, "lyon")]
    make_reservation(hub, "cart-held", wishes, expires_at=later, channel="shop")
    make_reservation(hub, "cart-kit", [Wish("PAIR", 1, "lyon")], expires_at=later, channel="shop")
    make_reservation(hub, "cart-released", [Wish("BOLT", 1, "lyon")], expires_at=later, channel="shop")
    release_reservation(hub, "cart-released")
    make_reservation(hub, "cart-late", [Wish("NUT", 1, "paris")], expires_at=START + timedelta(seconds=5))
    make_reservation(hub, "cart-bought", [Wish("BOLT", 2, "paris")], expires_at=later, channel="shop")
    give_to_order(hub, "cart-bought", "shop", "bought")
    with hub.database.write() as connection:
        World(connection).take_in(an_order("bought", {"BOLT": 2}))
        World(connection).take_in(an_order("moved", {"BOLT": 1}))
    advance(hub, 10)
    expire_reservations(hub)
    with looking(hub) as world:
        [number] = world.fulfillment_numbers("moved")
        target = "lyon" if world.served("moved").keys() == {("moved-1", "paris", "allocated")} else "paris"
    move_fulfillment(hub, number, target)


def _goods(hub: Hub) -> None:
    tomorrow = START.date() + timedelta(days=1)
    purchases.expect(hub, "PO-1", [ExpectedLine("NUT", "paris", 10, tomorrow)], supplier="acme")
    purchases.receive(hub, Receipt("N-1", "NUT", "paris", 4), "PO-1")
    transfers.dispatch(hub, Dispatch("T-1", "NUT", "paris", "lyon", 5))
    transfers.arrive(hub, Arrival("T-1", "NUT", 2, "A-1"))
    transfers.dispatch(hub, Dispatch("T-2", "BOLT", "paris", "lyon", 2))
    transfers.arrive(hub, Arrival("T-2"), lost=True)
    receive(hub, "BOLT", "lyon", 3, document="N-2")


def _serials(hub: Hub) -> None:
    track(hub, "CAM", is_tracked=True)
    receive_serials(hub, Box("CAM", "paris", tuple(Unit(one, None) for one in "ABC"), "D-1"))
    for name in ("cam-open", "cam-left"):
        with hub.database.write() as connection:
            World(connection, hub.clock.now()).take_in(an_order(name, {"CAM": 1}))
        with looking(hub) as world:
            [number] = world.fulfillment_numbers(name)
        name_serials(hub, number, ["A" if name == "cam-open" else "B"])
        if name == "cam-left":
            ship_fulfillment(hub, number)


def _counts(hub: Hub) -> None:
    with hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        world.count("SCREW", "lyon", 2, minute=1, source="till")
        world.move("SCREW", "lyon", 1, minute=0.5)
    counts.open_count(hub, "C-1", "lyon", ["NUT"])
    counts.enter(hub, "C-1", Entered("NUT", 8, by="Ann"))
    counts.confirm(hub, "C-1", "Ben")


def without_rules(database: Database) -> None:
    """Takes every constraint away, as somebody who repairs by hand might: only the check is left to find damage."""
    with database.engine.connect() as connection:
        if database.is_postgresql:
            connection.execute(
                sa.text(
                    "DO $$ DECLARE one record; BEGIN FOR one IN SELECT conrelid::regclass AS home, conname"
                    " FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
                    " ORDER BY array_position(ARRAY['f', 'p', 'u', 'c', 'n'], contype::text) LOOP"
                    " EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', one.home, one.conname);"
                    " END LOOP; FOR one IN SELECT indexrelid::regclass AS home FROM pg_index JOIN pg_class c"
                    " ON c.oid = indrelid WHERE indisunique AND c.relnamespace = 'public'::regnamespace LOOP"
                    " EXECUTE format('DROP INDEX IF EXISTS %s', one.home); END LOOP; END $$"
                )
            )
            for table in METADATA.sorted_tables:
                for column in table.columns:
                    connection.execute(sa.text(f'ALTER TABLE "{table.name}" ALTER "{column.name}" DROP NOT NULL'))
        else:
            for table in METADATA.sorted_tables:
                _copy(connection, table.name)
        connection.commit()


def _copy(connection: Connection, name: str) -> None:
    connection.exec_driver_sql("COMMIT")
    connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    connection.exec_driver_sql("BEGIN")
    connection.exec_driver_sql(f'CREATE TABLE "free_{name}" AS SELECT * FROM "{name}"')  # noqa: S608 - our own tables
    connection.exec_driver_sql(f'DROP TABLE "{name}"')
    connection.exec_driver_sql(f'ALTER TABLE "free_{name}" RENAME TO "{name}"')


__all__ = ["at", "fill", "without_rules"]
