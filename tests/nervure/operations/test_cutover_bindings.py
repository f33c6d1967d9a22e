"""What a merchant decides of listings, from a file: bound, corrected or left out, each row by itself."""

from collections import Counter
from pathlib import Path

import pytest

from nervure.operations.cutover_bindings import BindingLoader
from nervure.operations.imports import Listener, Outcome, Verdict, load, open_table
from nervure.store.cutover import CutoverStore
from nervure.store.database import Database
from nervure.store.flights import FlightStore
from nervure.store.publications import PUBLICATION, PublicationStore
from schemas.publications import ChannelListing
from schemas.stock import MovementKind
from tests.nervure.world import START, World, an_order, at, must_hold

HEADING = "channel,listing,sku,decision,reason\n"


def decide(
    database: Database, folder: Path, rows: str, *, writes: bool = True
) -> tuple[dict[str, int], list[tuple[int, str]]]:
    """Takes decisions; answers how many rows had each outcome, and the refused lines with their reasons."""
    path = folder / "bindings.csv"
    path.write_text(HEADING + rows, "utf-8")
    told: list[Verdict] = []
    loader = BindingLoader(["shop", "market"])
    listener = Listener(lambda _: None, told.append)
    counted: Counter[Outcome] = load(
        database, open_table(path, loader), loader, listener, now=lambda: at(1), writes=writes
    )
    refused = [(one.row.line, one.text) for one in told if one.outcome is Outcome.REFUSED]
    return {outcome.value: count for outcome, count in sorted(counted.items())}, refused


@pytest.fixture
def shop(database: Database) -> Database:
    """Three items; the shop lists one by sku, one by a GTIN that is wrong, and one that nobody knows."""
    with database.write() as connection:
        world = World(connection)
        world.items("MUG", "TRAY", "CUP")
        world.location("WH")
        world.channel("shop", {"web": ["WH"]})
        world.list_on("shop", "MUG", "TRAY")
        unknown = ChannelListing(channel="shop", external_id="L-X", stock_id="S-X", sku="X", title="Cup")
        world.bindings.put_listings("shop", [unknown])
        for sku in ("MUG", "TRAY", "CUP"):
            world.receive(sku, "WH", 5)
    return database


def items(database: Database) -> dict[str, str | None]:
    with database.read() as connection:
        return {one.external_id: one.item_sku for one in CutoverStore(connection, START).listings("shop")}


def test_a_listing_is_bound_and_what_waited_for_it_is_tried_again(shop: Database, tmp_path: Path) -> None:
    assert decide(shop, tmp_path, "shop,L-X,CUP,bind,\n", writes=False) == ({"changed": 1}, [])
    assert items(shop)["L-X"] is None
    assert decide(shop, tmp_path, "shop,L-X,CUP,bind,\nshop,L-MUG,,,\n") == ({"changed": 1}, [])
    assert decide(shop, tmp_path, "shop,L-X,CUP,BIND,\n") == ({"unchanged": 1}, [])
    assert items(shop) == {"L-X": "CUP", "L-MUG": "MUG", "L-TRAY": "TRAY"}
    with shop.write() as connection:
        world = World(connection)
        world.refresh()
        assert [number.salable_quantity for number in PublicationStore(connection, START).numbers("shop")] == [5, 5, 5]


@pytest.mark.requirement("R39")
def test_a_wrong_binding_is_corrected_and_its_open_orders_claim_what_was_really_bought(
    shop: Database, tmp_path: Path
) -> None:
    with shop.write() as connection:
        world = World(connection)
        world.take_in(an_order("1", {"TRAY": 2, "MUG": 1}))
        world.take_in(an_order("2", {"TRAY": 4}))
        assert (world.allocated("TRAY", "WH"), world.lines("2")) == (5, {"2-1": (4, 3, 1)})
    assert decide(shop, tmp_path, "shop,L-TRAY,CUP,bind,\n") == ({"changed": 1}, [])
    with shop.write() as connection:
        world = World(connection)
        assert (world.allocated("TRAY", "WH"), world.allocated("CUP", "WH"), world.allocated("MUG", "WH")) == (0, 5, 1)
        assert world.lines("2") == {"2-1": (4, 3, 1)}
        world.refresh()
        must_hold(world)
        assert world.ship_all("1") == [True, True]
        assert (world.on_hand("CUP", "WH"), world.on_hand("TRAY", "WH")) == (3, 5)


def test_once_units_have_left_a_binding_is_not_corrected_behind_their_back(shop: Database, tmp_path: Path) -> None:
    with shop.write() as connection:
        world = World(connection)
        world.take_in(an_order("1", {"TRAY": 2}))
        world.ship_all("1")
    counted, refused = decide(shop, tmp_path, "shop,L-TRAY,CUP,bind,\n")
    assert counted == {"refused": 1}
    assert refused == [(2, "units of this listing have left as another item: adjust the stock of both items instead")]
    assert items(shop)["L-TRAY"] == "TRAY"
    with shop.read() as connection:
        assert World(connection).movements("CUP", "WH") == [(MovementKind.RECEIVED, 5)]


def test_a_listing_that_is_left_out_is_sent_no_number_until_it_is_bound_again(shop: Database, tmp_path: Path) -> None:
    assert decide(shop, tmp_path, "shop,L-MUG,,exclude,old page\nshop,L-X,,exclude,not ours\n") == ({"changed": 2}, [])
    assert decide(shop, tmp_path, "shop,L-MUG,,exclude,old page\n") == ({"unchanged": 1}, [])
    with shop.write() as connection:
        world = World(connection)
        world.refresh()
        flights = FlightStore(connection, START).launch("shop", 10, "F1")
        assert [flight.sku for flight in flights] == ["TRAY"]
        states = {row.state for row in connection.execute(PUBLICATION.select())}
        assert states == {"excluded", "sent"}
    assert decide(shop, tmp_path, "shop,L-TRAY,,exclude,why not\n")[1] == [
        (2, "a number of this listing is on its way: try again in a minute")
    ]
    assert decide(shop, tmp_path, "shop,L-MUG,MUG,bind,\nshop,L-X,CUP,bind,\n") == ({"changed": 2}, [])
    with shop.write() as connection:
        World(connection).refresh()
        flights = FlightStore(connection, START).launch("shop", 10, "F2")
        assert [flight.sku for flight in flights] == ["MUG", "X"]


def test_a_listing_left_out_before_it_had_an_item_stays_out_when_one_appears(shop: Database, tmp_path: Path) -> None:
    decide(shop, tmp_path, "shop,L-X,,exclude,not ours\n")
    with shop.write() as connection:
        world = World(connection)
        world.items("X")
        world.list_on("shop", "X")
        world.refresh()
        row = connection.execute(PUBLICATION.select().order_by(PUBLICATION.c.id.desc())).first()
        assert row is not None
        assert (row.state, row.reason) == ("excluded", "not ours")


def test_each_row_that_cannot_be_taken_is_told(shop: Database, tmp_path: Path) -> None:
    rows = (
        "mall,L-MUG,MUG,bind,\n"
        "shop,L-NONE,MUG,bind,\n"
        "shop,L-MUG,NONE,bind,\n"
        "shop,L-TRAY,,bind,\n"
        "shop,L-X,,exclude,\n"
        "market,L-MUG,MUG,perhaps,\n"
    )
    for writes in (False, True):
        assert decide(shop, tmp_path, rows, writes=writes) == (
            {"refused": 6},
            [
                (2, "no channel 'mall' in the settings"),
                (3, "channel 'shop' has no listing 'L-NONE'"),
                (4, "sku 'NONE' is not known"),
                (5, "bind needs a sku"),
                (6, "exclude needs a reason"),
                (7, "decision: 'perhaps' is neither bind nor exclude"),
            ],
        )
    twice = decide(shop, tmp_path, "shop,L-X,CUP,bind,\nshop,L-X,,exclude,no\n")[1]
    assert twice == [
        (2, "listing 'L-X' is decided more than once: lines 2, 3"),
        (3, "listing 'L-X' is decided more than once: lines 2, 3"),
    ]
    assert items(shop)["L-X"] is None
