"""Opening the hub from its settings: done again it changes nothing, and a bad file is one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.transport import HttpResponse, Send
from nervure.clock import ManualClock
from nervure.invariants import check_all
from nervure.operations import setup
from nervure.operations.facts import apply, put_listings
from nervure.operations.hub import Hub
from nervure.operations.pull import store
from nervure.operations.setup import open_hub
from nervure.orders.work import UnboundListingError
from nervure.publication.answers import Landing
from nervure.publication.earned import Earning
from nervure.settings import Settings, SettingsError
from nervure.settings_file import load_text
from nervure.store.audit import AuditStore
from nervure.store.channels import ChannelStore
from nervure.store.database import DatabaseError
from nervure.store.earned import EarnedStore, Kept
from nervure.store.inbox import InboxStore
from nervure.store.statements import LEVEL, MOVEMENT
from schemas.documents import Heard, RawDocument
from schemas.publications import ChannelListing, PublicationState
from schemas.stock import ChannelMovement, MovementKind
from tests.nervure.operations.scripted import dead, hear, settle
from tests.nervure.world import START, World

HUB = '[hub]\nitems = "items.csv"\nopening_stock = "stock.csv"\n'
PLACES = """
[[locations]]
code = "WH"
name = "Warehouse"
kind = "warehouse"

[[locations]]
code = "SUP"
name = "Supplier"
kind = "supplier"
"""
CHANNEL = """
[[channels]]
name = "boutique"
platform = "prestashop"
url = "http://boutique.example"
key = { file = "key" }
id_shop = 1
stock_points = { "1" = ["WH", "SUP"] }
buffer_units = 1
order_poll_seconds = 5
needs_cutover = false
"""
SUPPLIER = """
[[suppliers]]
name = "acme"
platform = "supplier_feed"
location = "SUP"
url = "http://acme.example"
ttl_seconds = 3600

[suppliers.feed]
source = "http"
path = "/stock.csv"
format = "csv"
columns = { supplier_sku = "sku", units = "stock" }
"""
ITEMS = "sku,title,gtin,components\nSET,Gift box,,MUG:2 TRAY:1\nMUG,Mug,4006381333931,\nTRAY,Tray,,\n"
STOCK = "sku,location,units\nMUG,WH,5\nTRAY,WH,0\nTRAY,SUP,2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "items.csv").write_text(ITEMS, "utf-8")
    (tmp_path / "stock.csv").write_text(STOCK, "utf-8")
    (tmp_path / "key").write_text("K" * 32, "utf-8")
    return tmp_path


def settings(folder: Path, text: str = HUB + PLACES + CHANNEL + SUPPLIER) -> Settings:
    return load_text(text, folder=folder)


def test_a_hub_is_what_its_settings_say_however_often_it_is_opened(folder: Path) -> None:
    for _ in range(2):
        with open_hub(settings(folder), ManualClock(START)) as hub:
            assert hub.accounts["boutique"].order_period.total_seconds() == 5
            assert not hub.accounts["boutique"].creates_items
            assert list(hub.suppliers) == ["acme"]
            with hub.database.read() as connection:
                world = World(connection)
                assert world.locations.ids().keys() == {"WH", "SUP"}
                assert world.movements("MUG", "WH") == [("received", 5)]
                assert world.movements("TRAY", "SUP") == [("received", 2)]
                assert (world.rows(LEVEL), world.rows(MOVEMENT)) == (2, 2)
                assert world.locations.of_supplier("acme") == world.locations.ids()["SUP"]


def test_opening_stock_is_taken_once_whatever_was_sold_since(folder: Path) -> None:
    with open_hub(settings(folder), ManualClock(START)) as hub, hub.database.write() as connection:
        World(connection).lose("MUG", "WH", 3)
    with open_hub(settings(folder), ManualClock(START)) as hub, hub.database.read() as connection:
        assert World(connection).on_hand("MUG", "WH") == 2


def test_a_suppliers_location_must_be_one(folder: Path) -> None:
    text = (HUB + PLACES + SUPPLIER).replace('kind = "supplier"', 'kind = "store"')
    with (
        pytest.raises(SettingsError, match=r"^location 'SUP' of supplier 'acme' must be of kind 'supplier'$"),
        open_hub(settings(folder, text), ManualClock(START)),
    ):
        pass


def test_a_wire_is_opened_once_for_each_account_and_closed_with_the_hub(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    closed: list[str] = []

    @contextmanager
    def wired(url: str) -> Iterator[Send]:
        opened.append(url)
        yield lambda _: HttpResponse(200)
        closed.append(url)

    monkeypatch.setattr(setup, "httpx_sender", wired)
    with open_hub(settings(folder), ManualClock(START)) as hub:
        assert opened == []
        assert hub.connection("boutique") is hub.connection("boutique")
        with hub.supplier("acme"), hub.supplier("acme"):
            pass
        assert (opened, closed) == (["http://boutique.example", "http://acme.example"], [])
    assert sorted(closed) == sorted(opened)


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("items.csv", "code,title\nMUG,Mug\n", "items.csv lacks the column 'sku'"),
        ("items.csv", "", "items.csv lacks the column 'sku'"),
        ("items.csv", "sku,title,gtin\nMUG,Mug,123\n", "items.csv, line 2: "),
        ("items.csv", "sku,title\nMUG,Mug\n,Nothing\n", "items.csv, line 3: "),
        ("items.csv", "sku,title\nMUG\n", "items.csv, line 2: title: an item needs one"),
        ("items.csv", "sku,gtin\nMUG,\n", "items.csv, line 2: a new item needs a title"),
        ("items.csv", "sku,title,components\nMUG,Mug,\nSET,Set,MUG:two\n", "items.csv, line 3: "),
        ("items.csv", "sku,title,components\nMUG,Mug,\nSET,Set,MUG\n", "items.csv, line 3: "),
        (
            "items.csv",
            "sku,title,components\nSET,Set,CUP:1\n",
            "items.csv, line 2: a kit names the part 'CUP', which is not an item",
        ),
        ("stock.csv", "sku,location\nMUG,WH\n", "stock.csv lacks the column 'units'"),
        ("stock.csv", "sku,location,units\nCUP,WH,1\n", "stock.csv, line 2: sku 'CUP' is not known"),
        ("stock.csv", "sku,location,units\nMUG,WG,1\n", "stock.csv, line 2: location 'WG' is not known"),
        ("stock.csv", "sku,location,units\nMUG,WH,1\nTRAY,WH,-1\n", "stock.csv, line 3: units: '-1' is not a whole"),
        ("stock.csv", "sku,location,units\nSET,WH,1\n", "stock.csv, line 2: 'SET' is a kit: its stock is that of its"),
        ("stock.csv", "sku,location,units\nMUG,WH\n", "stock.csv, line 2: units: '' is not a whole number"),
        ("stock.csv", "sku,location,units\nMUG,WH,²\n", "stock.csv, line 2: units: '²' is not a whole number"),
    ],
)
def test_a_bad_file_is_one_sentence_and_nothing_of_it_is_used(
    folder: Path, file: str, text: str, sentence: str
) -> None:
    (folder / file).write_text(text, "utf-8")
    with pytest.raises(SettingsError) as refused, open_hub(settings(folder), ManualClock(START)):
        pass
    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value)
    (folder / "items.csv").write_text("sku,title\n", "utf-8")
    (folder / "stock.csv").write_text("sku,location,units\n", "utf-8")
    with open_hub(settings(folder), ManualClock(START)) as hub, hub.database.read() as connection:
        world = World(connection)
        assert (world.rows(MOVEMENT), world.catalogue.item_ids(["MUG", "SET"])) == (0, {})


def test_two_rows_of_one_sku_and_place_are_told(folder: Path) -> None:
    """Their sum may be meant, or one of them is a slip: nobody guesses."""
    (folder / "stock.csv").write_text("sku,location,units\nMUG,WH,1\nMUG,WH,2\n", "utf-8")
    with (
        pytest.raises(SettingsError, match=r"^stock\.csv, line 2: 'MUG' at 'WH' is there more than once: lines 2, 3$"),
        open_hub(settings(folder), ManualClock(START)),
    ):
        pass


@pytest.mark.parametrize("damage", ["absent", "mixed"])
def test_a_file_that_cannot_be_read_is_named(folder: Path, damage: str) -> None:
    (folder / "items.csv").unlink()
    if damage == "mixed":
        (folder / "items.csv").write_bytes("sku,title\nMUG,Caf\xe9\n".encode("latin-1") + "TRAY,Caf\xe9\n".encode())
    with (
        pytest.raises(SettingsError, match=r"^items\.csv cannot be read: "),
        open_hub(settings(folder), ManualClock(START)),
    ):
        pass


def test_a_database_that_cannot_be_used_is_said(folder: Path) -> None:
    text = (HUB + PLACES).replace("[hub]", '[hub]\ndatabase = "mysql://host/hub"')
    with pytest.raises(DatabaseError), open_hub(settings(folder, text), ManualClock(START)):
        pass


def test_a_place_that_was_opened_or_moved_before_is_left_alone_at_each_start(folder: Path) -> None:
    with open_hub(settings(folder), ManualClock(START)) as hub, hub.database.write() as connection:
        World(connection).receive("TRAY", "WH", 4)
    (folder / "stock.csv").write_text("sku,location,units\nMUG,WH,9\nTRAY,WH,6\n", "utf-8")
    with open_hub(settings(folder), ManualClock(START)) as hub, hub.database.read() as connection:
        world = World(connection)
        assert (world.on_hand("MUG", "WH"), world.on_hand("TRAY", "WH")) == (5, 4)


def test_a_stock_point_may_stand_for_an_imported_location_and_for_no_unknown_one(folder: Path) -> None:
    text = (HUB + PLACES + CHANNEL + SUPPLIER).replace('["WH", "SUP"]', '["WH", "IMPORTED"]')
    sentence = (
        r"^stock point '1' of channel 'boutique' names location 'IMPORTED', which is neither declared nor imported$"
    )
    with pytest.raises(SettingsError, match=sentence), open_hub(settings(folder, text), ManualClock(START)):
        pass
    with open_hub(settings(folder), ManualClock(START)) as hub, hub.database.write() as connection:
        World(connection).location("IMPORTED", postal_code="13001")
    with open_hub(settings(folder, text), ManualClock(START)) as hub, hub.database.read() as connection:
        assert World(connection).locations.ids().keys() == {"WH", "SUP", "IMPORTED"}


@pytest.mark.requirement("R48")
def test_a_merchants_own_new_channel_is_sent_nothing_before_it_is_cut_over(folder: Path) -> None:
    for text, is_gated in (
        (HUB + PLACES + CHANNEL.replace("needs_cutover = false\n", "") + SUPPLIER, True),
        (HUB + PLACES + CHANNEL + SUPPLIER, False),
        (HUB + PLACES + CHANNEL.replace("needs_cutover = false\n", "") + SUPPLIER, False),
    ):
        with open_hub(settings(folder, text), ManualClock(START)) as hub, hub.database.read() as connection:
            assert ChannelStore(connection, START).get("boutique").is_gated is is_gated


# -- what is taken out of the settings ---------------------------------------------------------------------------


TWO_POINTS = CHANNEL.replace('"1" = ["WH", "SUP"]', '"1" = ["WH"], "group-2" = ["WH"]').replace("buffer_units = 1", "")


def listed(hub: Hub) -> None:
    """The boutique lists a mug, and every number of it is confirmed."""
    with hub.database.write() as connection:
        mug = ChannelListing(channel="boutique", external_id="9", stock_id="9", sku="MUG", title="Mug")
        put_listings(hub, connection, [mug])
    settle(hub)
    with hub.database.write() as connection:
        numbers = World(connection).flights
        flights = numbers.launch("boutique", 9, "one")
        numbers.land([(flight, Landing(PublicationState.CONFIRMED)) for flight in flights], "one")


def published(hub: Hub) -> dict[str, dict[str, int]]:
    with hub.database.read() as connection:
        assert check_all(AuditStore(connection)) == []
        return World(connection).states()


@pytest.mark.requirement("R33")
@pytest.mark.parametrize(
    ("left", "coverage", "returned"),
    [
        (
            HUB + PLACES + TWO_POINTS.replace(', "group-2" = ["WH"]', ""),
            {"confirmed": 1, "excluded": 1},
            {"confirmed": 1, "pending": 1},
        ),
        (HUB + PLACES, {"excluded": 2}, {"pending": 2}),
    ],
    ids=["stock point", "channel"],
)
def test_what_is_taken_out_of_the_settings_is_excluded_and_comes_back(
    folder: Path, left: str, coverage: dict[str, int], returned: dict[str, int]
) -> None:
    clock = ManualClock(START)
    with open_hub(settings(folder, HUB + PLACES + TWO_POINTS), clock) as hub:
        listed(hub)
        assert published(hub) == {"boutique": {"confirmed": 2}}
    for _ in range(2):
        with open_hub(settings(folder, left), clock) as hub:
            settle(hub)
            assert published(hub) == {"boutique": coverage}
    with open_hub(settings(folder, HUB + PLACES + TWO_POINTS), clock) as hub:
        settle(hub)
        assert published(hub) == {"boutique": returned}


@pytest.mark.requirement("R33")
def test_documents_that_waited_for_the_settings_are_heard_when_they_come_back(folder: Path) -> None:
    clock = ManualClock(START)
    with open_hub(settings(folder, HUB + PLACES + TWO_POINTS), clock) as hub:
        listed(hub)
    with open_hub(settings(folder, HUB + PLACES), clock) as hub:
        hear(hub, "boutique", RawDocument("product", "9", "p1", b"{", Heard.POLL))
        assert [letter.reason for letter in dead(hub)] == ["channel 'boutique' is not configured"]
    with open_hub(settings(folder, HUB + PLACES), clock) as hub:
        assert len(dead(hub)) == 1, "not tried again while nothing changed"
    with open_hub(settings(folder, HUB + PLACES + TWO_POINTS), clock) as hub:
        assert dead(hub) == []
        settle(hub)
        assert [letter.reason for letter in dead(hub)] != ["channel 'boutique' is not configured"]


def test_what_happened_at_a_stock_point_that_nobody_had_named_is_heard_once_it_is(folder: Path) -> None:
    clock = ManualClock(START)
    with open_hub(settings(folder, HUB + PLACES + CHANNEL), clock) as hub:
        listed(hub)
        moved = ChannelMovement(
            channel="boutique",
            external_id="m1",
            listing_external_id="9",
            stock_point="group-2",
            kind=MovementKind.RECEIVED,
            units=3,
            occurred_at=START,
        )
        with pytest.raises(UnboundListingError) as refused, hub.database.write() as connection:
            apply(hub, connection, [moved])
        store(hub, "boutique", (RawDocument("movement", "m1", "m1", b"{", Heard.POLL),))
        with hub.database.write() as connection:
            inbox = InboxStore(connection, START)
            [leased] = inbox.lease(1)
            inbox.bury(leased.id, str(refused.value))
    with open_hub(settings(folder, HUB + PLACES + TWO_POINTS), clock) as hub:
        assert dead(hub) == []
        assert published(hub)["boutique"]["pending"] == 1


def test_a_supplier_moves_to_another_location_and_is_not_the_master_of_two(folder: Path) -> None:
    with open_hub(settings(folder), ManualClock(START)):
        pass
    moved = (HUB + PLACES + CHANNEL + SUPPLIER).replace('"SUP"', '"NEW"')
    (folder / "stock.csv").write_text("sku,location,units\n", "utf-8")
    with open_hub(settings(folder, moved), ManualClock(START)) as hub, hub.database.read() as connection:
        locations = World(connection).locations
        assert locations.of_supplier("acme") == locations.ids()["NEW"]


def test_what_a_supplier_had_is_promised_no_more_when_the_supplier_is_taken_out(folder: Path) -> None:
    clock = ManualClock(START)
    with open_hub(settings(folder), clock) as hub, hub.database.write() as connection:
        world = World(connection)
        world.locations.set_as_of(world.locations.ids()["SUP"], START)
        put_listings(
            hub,
            connection,
            [ChannelListing(channel="boutique", external_id="8", stock_id="8", sku="TRAY", title="Tray")],
        )
        world.publications.note_aging()
        world.refresh()
        assert world.published()["boutique", "1", "TRAY"] == 1
    with open_hub(settings(folder, HUB + PLACES + CHANNEL), clock) as hub, hub.database.write() as connection:
        world = World(connection)
        assert world.publications.note_aging() == 1
        world.refresh()
        assert (world.published()["boutique", "1", "TRAY"], world.on_hand("TRAY", "SUP")) == (0, 2)


@pytest.mark.parametrize(
    ("said", "earning"),
    [
        ('buffer = "earned"\n[channels.earned]\ncancellation_cost = 12.5\nmargin = 4', Earning(12_500_000, 4_000_000)),
        (
            'buffer = "earned"\n[channels.earned]\ncancellation_cost = 12\nmargin = "30 %"\nmost_units = 3',
            Earning(12_000_000, margin_percent=30, most_units=3),
        ),
        ('buffer = "set"\n[channels.earned]\ncancellation_cost = 12\nmargin = 4', None),
        ("", None),
    ],
    ids=["euros", "share of the price", "switched off", "not said"],
)
def test_a_channel_earns_its_buffers_as_its_settings_say(folder: Path, said: str, earning: Earning | None) -> None:
    with open_hub(settings(folder, HUB + PLACES + CHANNEL + said), ManualClock(START)) as hub:
        assert hub.accounts["boutique"].earning == earning


@pytest.mark.parametrize("anyway", [False, True])
def test_with_compare_and_set_buffers_are_earned_only_where_the_settings_insist(folder: Path, *, anyway: bool) -> None:
    text = f"""
[[channels]]
name = "webshop"
platform = "shopify"
url = "https://shop.example"
access_token = {{ file = "key" }}
stock_points = {{ "gid://shopify/Location/1" = ["WH"] }}
buffer = "earned"
[channels.earned]
cancellation_cost = 12
margin = 4
also_compare_and_set = {str(anyway).lower()}
"""
    with open_hub(settings(folder, HUB + PLACES + text), ManualClock(START)) as hub:
        assert hub.accounts["webshop"].earning == (Earning(12_000_000, 4_000_000) if anyway else None)


def test_what_a_channel_has_earned_is_taken_back_when_its_settings_say_so_no_more(folder: Path) -> None:
    earns = HUB + PLACES + CHANNEL + 'buffer = "earned"\n[channels.earned]\ncancellation_cost = 12\nmargin = 4\n'
    with open_hub(settings(folder, earns), ManualClock(START)) as hub, hub.database.write() as connection:
        world = World(connection)
        kept = Kept(world.channel_id("boutique"), world.place("MUG", "WH").item_id, {"units": 2})
        assert EarnedStore(connection, START).put([kept]) == 1
    for text, left in ((earns, 1), (HUB + PLACES + CHANNEL, 0)):
        with open_hub(settings(folder, text), ManualClock(START)) as hub, hub.database.read() as connection:
            assert len(EarnedStore(connection, START).kept()) == left
