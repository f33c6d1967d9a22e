"""First load from files: what differs is written, each bad row is told, and done again nothing is doubled."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import openpyxl
import pytest

from nervure.operations import imports
from nervure.operations.import_items import ItemLoader
from nervure.operations.import_locations import LocationLoader
from nervure.operations.import_stock import StockLoader
from nervure.operations.imports import Listener, Loader, Outcome, Verdict, load, open_table
from nervure.operations.sheets import SheetError, read_table
from nervure.store.database import Database
from nervure.store.imports import ImportStore, StoredItem
from nervure.store.skus import SkuStore
from nervure.store.statements import CHANGE, LEVEL, MOVEMENT
from nervure.store.tables.catalogue import LOCATION
from schemas.stock import Condition
from tests.nervure.operations.scripted import ScriptedShop, hear, looking, order_of, scripted_hub
from tests.nervure.world import START, World, an_order, at_once, must_hold

HEADING = "sku;title;gtin;components;option:Color\n"


def take(
    database: Database,
    path: Path,
    loader: Loader,
    *,
    writes: bool = True,
    hears: Callable[[Verdict], None] | None = None,
) -> tuple[dict[str, int], list[tuple[int, str]]]:
    """Loads a file; answers how many rows had each outcome, and the refused lines with their reasons."""
    told: list[Verdict] = []
    listener = Listener(lambda _: None, hears or told.append)
    counted = load(database, open_table(path, loader), loader, listener, now=lambda: START, writes=writes)
    refused = sorted((one.row.line, one.text) for one in told if one.outcome is Outcome.REFUSED)
    return {outcome.value: count for outcome, count in sorted(counted.items())}, refused


def items(database: Database, *skus: str) -> dict[str, StoredItem]:
    with database.read() as connection:
        return ImportStore(connection, START).items(skus, locked=False)


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def opened(database: Database) -> None:
    """Two items and a kit of them, two places."""
    with database.write() as connection:
        world = World(connection)
        world.items("MUG", "TRAY")
        world.kit("SET", {"MUG": 2, "TRAY": 1})
        world.location("WH")
        world.location("ST")


# -- reading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_is_read_as_a_spreadsheet_wrote_it(folder: Path, encoding: str, delimiter: str) -> None:
    lines = [
        ["SKU", "Title", "option:Color"],
        ["MUG", '"Café, blue; 2\nhandles"', "Bleu é"],
        [],
        ["TRAY", " Tray ", ""],
    ]
    path = folder / "items.csv"
    path.write_bytes("\r\n".join(delimiter.join(line) for line in lines).encode(encoding))
    sheet = read_table(path, {"sku"})
    assert sheet.columns == ("sku", "title", "option:Color")
    assert [(row.line, dict(row.cells)) for row in sheet.rows()] == [
        (2, {"sku": "MUG", "title": "Café, blue; 2\nhandles", "option:Color": "Bleu é"}),
        (5, {"sku": "TRAY", "title": "Tray", "option:Color": ""}),
    ]
    assert list(sheet.rows()) == list(sheet.rows())
    assert sheet.encoding == encoding


def test_a_workbook_keeps_codes_as_numbers_and_they_are_read_as_codes(folder: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (
        ["sku", "title", "gtin", "weight_grams", "option:Since", "option:Glazed"],
        [1001, "Mug", 4006381333931, 350.0, date(2026, 3, 1), True],
        [None, None, None, None, None, None],
        ["TRAY", "Tray", "4006381333931", None, None, None],
    ):
        sheet.append(row)
    book.save(folder / "items.xlsx")
    assert [(row.line, list(row.cells.values())) for row in read_table(folder / "items.xlsx", {"sku"}).rows()] == [
        (2, ["1001", "Mug", "4006381333931", "350", "2026-03-01", "true"]),
        (4, ["TRAY", "Tray", "4006381333931", "", "", ""]),
    ]


@pytest.mark.parametrize(
    ("name", "body", "sentence"),
    [
        ("a.csv", b"", "a.csv lacks the column 'sku'"),
        ("a.csv", b"title\nMug\n", "a.csv lacks the column 'sku'"),
        ("a.csv", b"sku,title,Title\nMUG,Mug,x\n", "a.csv has the column 'title' twice"),
        ("a.csv", b"sku,title\nMUG,Caf\xe9\nTRAY,Caf\xc3\xa9\n", "a.csv cannot be read: mixed encodings: "),
        ("a.csv", b"sku,title\nMUG,\x81\x8d\x8f\n", "a.csv cannot be read: wrong encoding: neither UTF-8 nor Win"),
        ("a.csv", b"sku,title\nMUG,a\x00b\n", "a.csv cannot be read: it is not text"),
        ("a.xlsx", b"sku,title\n", "a.xlsx cannot be read: "),
        ("a.csv", b'sku,title\nMUG,"open\n', "a.csv, line 2: "),
        ("a.csv", b"sku,title\nMUG,Mug,5\n", "a.csv, line 2: more cells than the heading has columns"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(folder: Path, name: str, body: bytes, sentence: str) -> None:
    (folder / name).write_bytes(body)
    with pytest.raises(SheetError) as refused:
        list(read_table(folder / name, {"sku"}).rows())
    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_said(folder: Path) -> None:
    with pytest.raises(SheetError, match=r"^gone\.csv cannot be read: No such file or directory$"):
        read_table(folder / "gone.csv", {"sku"})


# -- items ---------------------------------------------------------------------------------------------------------


def test_items_are_written_once_and_of_a_known_one_only_what_the_file_has(database: Database, folder: Path) -> None:
    path = write(
        folder / "items.csv",
        HEADING + "SET;Gift box;;MUG:2 TRAY:1;\nMUG;Mug;4006381333931;;Blue\nTRAY;Tray;;;\n",
    )
    dry = take(database, path, ItemLoader(), writes=False)
    assert dry == ({"new": 3}, [])
    assert items(database, "SET", "MUG", "TRAY") == {}
    assert take(database, path, ItemLoader()) == dry
    assert take(database, path, ItemLoader()) == ({"unchanged": 3}, [])
    found = items(database, "SET", "MUG")
    assert (found["MUG"].gtin, found["MUG"].options) == ("04006381333931", {"Color": "Blue"})
    assert (found["SET"].kind, found["SET"].parts) == ("kit", {"MUG": 2, "TRAY": 1})
    later = write(folder / "later.csv", "sku,option:Size,weight_grams\nMUG,L,350\nSET,,900\n")
    assert take(database, later, ItemLoader()) == ({"changed": 2}, [])
    found = items(database, "SET", "MUG")
    assert (found["MUG"].title, found["MUG"].gtin) == ("Mug", "04006381333931")
    assert (found["MUG"].options, found["MUG"].weight_grams) == ({"Color": "Blue", "Size": "L"}, 350)
    assert (found["SET"].parts, found["SET"].weight_grams) == ({"MUG": 2, "TRAY": 1}, 900)


def test_what_goods_ask_of_a_location_is_a_column_of_items_that_hold_stock(database: Database, folder: Path) -> None:
    path = write(
        folder / "items.csv",
        "sku,title,temperature_class,size_class,components\n"
        "ICE,Ice,frozen,,\nSOFA,Sofa,,bulky,\nMUG,Mug,,,\nBAD,Bad,very cold,,\nSET,Set,frozen,,MUG:2\n",
    )
    counts, reasons = take(database, path, ItemLoader())
    assert counts == {"new": 3, "refused": 2}
    assert [line for line, _ in reasons] == [5, 6]
    assert reasons[0][1].startswith("temperature_class must be a word of letters, digits, ")
    assert "'SET': a kit needs what its parts need: give the class to them" in reasons[1][1]
    later = write(folder / "later.csv", "sku,temperature_class\nICE,\nSOFA,chilled\n")
    assert take(database, later, ItemLoader()) == ({"changed": 2}, [])
    found = items(database, "ICE", "SOFA", "MUG")
    assert [(one.temperature_class, one.size_class) for one in found.values()] == [
        (None, None),
        (None, None),
        ("chilled", "bulky"),
    ]


def test_a_recipe_that_changes_moves_the_numbers_of_the_kit(database: Database, folder: Path) -> None:
    opened(database)
    path = write(folder / "items.csv", "sku,components\nSET,MUG:1\n")
    with database.write() as connection:
        connection.execute(CHANGE.delete())
    assert take(database, path, ItemLoader()) == ({"changed": 1}, [])
    assert items(database, "SET")["SET"].parts == {"MUG": 1}
    with database.read() as connection:
        assert World(connection).rows(CHANGE) == 1


def test_who_waits_for_a_kit_is_served_as_soon_as_it_is_made_of_other_parts(both: Database, folder: Path) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    with both.write() as connection:
        world = World(connection)
        world.items("WASHER")
        world.kit("TRIO", {"BOLT": 1, "NUT": 1, "WASHER": 1})
        world.list_on("shop", "TRIO")
    hear(hub, "shop", order_of(an_order("1", {"TRIO": 2})))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (2, 0, 2)}
    path = write(folder / "items.csv", "sku,components\nTRIO,BOLT:1\n")
    assert take(both, path, ItemLoader()) == ({"changed": 1}, [])
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (2, 2, 0)}
        must_hold(world)


def test_each_bad_item_is_told_and_the_others_are_written(database: Database, folder: Path) -> None:
    opened(database)
    with database.write() as connection:
        World(connection).location("X")
        World(connection).items("PLATE")
        World(connection).receive("PLATE", "WH", 3)
    path = write(
        folder / "items.csv",
        "sku,title,gtin,weight_grams,components\n"
        "A,Good,,,\n"
        "B,Bad,4006381333932,,\n"
        "C,Rounded,4.00638E+12,,\n"
        "D,Heavy,,1.5,\n"
        "E,,,,\n"
        ",Nameless,,,\n"
        "F,Twice,,,\n"
        "F,Again,,,\n"
        "G,Kit,,,NONE:1\n"
        "H,Kit,,,SET:1\n"
        "I,Kit,,,MUG:two\n"
        "J,Kit,,,A:1 MUG:2\n"
        "PLATE,Plate,,,MUG:1\n"
        "MUG,Mug,,,TRAY:1\n"
        "K,Kit,,,K:1\n"
        "L,Kit,,,MUG:1 MUG:2\n",
    )
    reasons = [
        (3, "gtin: '4006381333932' is not a GTIN: "),
        (4, "gtin: '4.00638E+12' was rounded by a spreadsheet"),
        (5, "weight_grams: '1.5' is not a whole number of grams"),
        (6, "title: an item needs one"),
        (7, "sku must not be empty"),
        (8, "'F' is there more than once: lines 8, 9"),
        (9, "'F' is there more than once: lines 8, 9"),
        (10, "a kit names the part 'NONE', which is not an item"),
        (11, "the part 'SET' is itself a kit: name its parts"),
        (12, "components: 'MUG:two' is not SKU:UNITS"),
        (14, "'PLATE' has stock of its own, so it cannot become a kit"),
        (15, "'MUG' is a part of a kit, so it cannot become one"),
        (16, "'K': components must be other skus"),
        (17, "components: 'MUG' is named twice"),
    ]
    for writes in (False, True, True):
        counted, refused = take(database, path, ItemLoader(), writes=writes)
        assert [line for line, _ in refused] == [line for line, _ in reasons]
        for (_, text), (_, start) in zip(refused, reasons, strict=True):
            assert text.startswith(start)
    assert counted == {"unchanged": 2, "refused": 14}
    assert items(database, *"ABCDEFGHIJKL").keys() == {"A", "J"}
    assert items(database, "PLATE", "MUG")["PLATE"].kind == "simple"


def test_two_loads_at_once_of_other_fields_both_hold(postgresql: Database, folder: Path) -> None:
    """Each merges into what the other wrote, whichever came first."""
    skus = [f"S{number:03d}" for number in range(200)]
    titles = write(folder / "titles.csv", "sku,title\n" + "".join(f"{sku},Title\n" for sku in skus))
    weights = write(
        folder / "weights.csv", "sku,title,weight_grams\n" + "".join(f"{s},Title,5\n" for s in reversed(skus))
    )
    works: list[Callable[[], object]] = [
        lambda: take(postgresql, titles, ItemLoader()),
        lambda: take(postgresql, weights, ItemLoader()),
    ]
    for outcome in at_once(works):
        assert not isinstance(outcome, Exception), outcome
    assert Counter(item.weight_grams for item in items(postgresql, *skus).values()) == {5: 200}


def test_a_former_sku_makes_no_item_and_still_names_a_part(database: Database, folder: Path) -> None:
    opened(database)
    with database.write() as connection:
        world = World(connection)
        mug = world.place("MUG", "WH").item_id
        SkuStore(connection, START).give_up(mug, "CUP", "CUP")
    path = write(folder / "items.csv", "sku,title,components\nCUP,Cup,\nPAIR,Pair,CUP:2 MUG:1\n")
    for writes in (False, True):
        assert take(database, path, ItemLoader(), writes=writes) == (
            {"new": 1, "refused": 1},
            [(2, "'CUP' is a former sku: write the new one, or free it with `nervure items free CUP`")],
        )
    assert items(database, "PAIR", "CUP")["PAIR"].parts == {"MUG": 3}
    assert take(database, path, ItemLoader(skips_former_names=True)) == ({"unchanged": 2}, [])
    stock = write(folder / "stock.csv", "sku,location,units\nCUP,WH,4\nMUG,WH,4\n")
    assert take(database, stock, StockLoader()) == (
        {"new": 1, "refused": 1},
        [(3, "'MUG' is there by another name of the same item")],
    )
    with database.read() as connection:
        assert World(connection).on_hand("MUG", "WH") == 4


# -- opening stock -------------------------------------------------------------------------------------------------


def test_opening_stock_is_booked_once_and_later_the_difference_belongs_to_a_count(
    database: Database, folder: Path
) -> None:
    opened(database)
    path = write(folder / "stock.csv", "sku,location,units\nMUG,WH,5\nTRAY,WH,0\nTRAY,ST,2\n")
    assert take(database, path, StockLoader(), writes=False) == ({"new": 2, "unchanged": 1}, [])
    with database.read() as connection:
        assert World(connection).rows(MOVEMENT) == World(connection).rows(LEVEL) == 0
    assert take(database, path, StockLoader()) == ({"new": 2, "unchanged": 1}, [])
    with database.write() as connection:
        world = World(connection)
        assert world.movements("MUG", "WH") == [("received", 5)]
        assert world.rows(MOVEMENT) == 2
        world.lose("MUG", "WH", 1)
    assert take(database, path, StockLoader()) == ({"unchanged": 3}, [])
    write(path, "sku,location,units\nMUG,WH,4\nMUG,ST,1\n")
    counted, refused = take(database, path, StockLoader())
    assert counted == {"new": 1, "refused": 1}
    assert refused == [
        (
            2,
            "'MUG' at 'WH' has an opening stock of 5 already: book the difference with a cycle count or"
            " `nervure stock adjust`",
        )
    ]
    with database.read() as connection:
        assert (World(connection).on_hand("MUG", "WH"), World(connection).on_hand("MUG", "ST")) == (4, 1)


def test_a_place_where_anything_was_booked_is_not_opened(database: Database, folder: Path) -> None:
    opened(database)
    with database.write() as connection:
        world = World(connection)
        world.receive("MUG", "WH", 3)
        world.move("TRAY", "WH", 1, condition=Condition.DAMAGED)
    path = write(folder / "stock.csv", "sku,location,units\nMUG,WH,3\nTRAY,WH,9\n")
    counted, refused = take(database, path, StockLoader())
    assert counted == {"refused": 2}
    assert {text.split(":")[0] for _, text in refused} == {
        "'MUG' at 'WH' has stock there already",
        "'TRAY' at 'WH' has stock there already",
    }
    with database.read() as connection:
        assert World(connection).rows(MOVEMENT) == 2


def test_each_bad_row_of_stock_is_told(database: Database, folder: Path) -> None:
    opened(database)
    path = write(
        folder / "stock.csv",
        "sku,location,units\nCUP,WH,1\nMUG,XX,1\nSET,WH,1\nMUG,WH,1.5\nTRAY,WH,-1\nTRAY,ST,1\nTRAY,ST,2\n"
        "MUG,ST,99999999999\n",
    )
    for writes in (False, True):
        counted, refused = take(database, path, StockLoader(), writes=writes)
        assert counted == {"refused": 8}
        assert [text for _, text in refused] == [
            "sku 'CUP' is not known",
            "location 'XX' is not known",
            "'SET' is a kit: its stock is that of its parts",
            "units: '1.5' is not a whole number of 0 or more",
            "units: '-1' is not a whole number of 0 or more",
            "'TRAY' at 'ST' is there more than once: lines 7, 8",
            "'TRAY' at 'ST' is there more than once: lines 7, 8",
            "units: 99999999999 is more than anybody has",
        ]
    with database.read() as connection:
        assert World(connection).rows(MOVEMENT) == 0


def test_who_waited_for_units_is_served_from_the_opening_stock(database: Database, folder: Path) -> None:
    opened(database)
    with database.write() as connection:
        world = World(connection)
        world.channel("shop", {"web": ["WH"]})
        world.list_on("shop", "MUG", "TRAY")
        world.take_in(an_order("1", {"MUG": 2}))
        assert world.lines("1") == {"1-1": (2, 0, 2)}
    take(database, write(folder / "stock.csv", "sku,location,units\nMUG,WH,5\n"), StockLoader())
    with database.read() as connection:
        world = World(connection)
        assert (world.lines("1"), world.claimable("MUG", "WH")) == ({"1-1": (2, 2, 0)}, 3)


def test_a_receipt_that_comes_between_look_and_load_is_not_counted_twice(postgresql: Database, folder: Path) -> None:
    """Receipt and opening race for the same places: whoever comes first holds the level, the other one sees it."""
    skus = [f"S{number:03d}" for number in range(60)]
    with postgresql.write() as connection:
        world = World(connection)
        world.items(*skus)
        world.location("WH")
    path = write(folder / "stock.csv", "sku,location,units\n" + "".join(f"{sku},WH,7\n" for sku in skus))

    def receipts() -> None:
        for sku in random.Random(1).sample(skus, len(skus)):
            postgresql.run(lambda c, sku=sku: World(c).receive(sku, "WH", 100))  # type: ignore[misc]  # bound now

    works: list[Callable[[], object]] = [receipts, lambda: take(postgresql, path, StockLoader())]
    for outcome in at_once(works):
        assert not isinstance(outcome, Exception), outcome
    with postgresql.read() as connection:
        world = World(connection)
        for sku in skus:
            booked = world.movements(sku, "WH")
            assert booked in ([("received", 100)], [("received", 7), ("received", 100)])


# -- locations -----------------------------------------------------------------------------------------------------


def test_locations_are_written_by_code_and_those_of_the_settings_stay(database: Database, folder: Path) -> None:
    with database.write() as connection:
        World(connection).location("WH", postal_code="69007", master="tills")
        World(connection).location("MINE", postal_code="69001")
    path = write(
        folder / "places.csv",
        "code,name,kind,country,postal_code,latitude,longitude,can_pickup\n"
        "ST1,Store 1,store,FR,75004,48.86,2.36,yes\n"
        "MINE,Mine,warehouse,FR,69001,,,yes\n"
        "ST2,,store,FR,,,,\n"
        "ST3,Store 3,shop,FR,,,,\n"
        "ST4,Store 4,store,,75011,,,\n"
        "ST5,Store 5,store,FR,,48.86,,\n"
        "ST6,Store 6,store,FR,,91,2,\n"
        "ST7,Store 7,store,FR,,,,maybe\n"
        "S 8,Store 8,store,FR,,,,\n"
        "WH,Renamed,warehouse,FR,69007,,,true\n",
    )
    for writes in (False, True):
        counted, refused = take(database, path, LocationLoader({"MINE"}), writes=writes)
        assert counted == {"new": 1, "changed": 1, "refused": 8}
        assert [line for line, _ in refused] == [3, 4, 5, 6, 7, 8, 9, 10]
        assert [text for _, text in refused][:2] == [
            "location 'MINE' is written in the settings: change it there",
            "name: a new location needs one",
        ]
    with database.read() as connection:
        found = {row.code: row for row in connection.execute(LOCATION.select())}
    assert found.keys() == {"WH", "MINE", "ST1"}
    assert (found["ST1"].latitude, found["ST1"].can_pickup, found["ST1"].time_zone) == (48.86, True, "UTC")
    assert (found["WH"].name, found["WH"].master) == ("Renamed", "tills")
    assert found["MINE"].name == "MINE"
    assert take(database, write(folder / "more.csv", "code,city\nST1,Paris\n"), LocationLoader(())) == (
        {"changed": 1},
        [],
    )
    assert take(database, write(folder / "more.csv", "code,city\nST1,Paris\n"), LocationLoader(())) == (
        {"unchanged": 1},
        [],
    )


# -- the whole load ------------------------------------------------------------------------------------------------


def a_merchant(folder: Path, count: int, places: Sequence[str]) -> tuple[Path, Path, Path]:
    """Files of `count` items, every tenth a kit, and their stock at every place."""
    simple = [number for number in range(count) if number % 10]
    locations = write(
        folder / "places.csv", "code,name,kind\n" + "".join(f"{place},{place},store\n" for place in places)
    )
    lines = [f"K{n:06d},Kit {n},S{n + 1:06d}:2" for n in range(0, count - 1, 10)]
    lines += [f"S{number:06d},Item {number}," for number in simple]
    articles = write(folder / "items.csv", "sku,title,components\n" + "\n".join(lines) + "\n")
    units = [f"S{number:06d},{place},{number % 7}" for number in simple for place in places]
    return locations, articles, write(folder / "stock.csv", "sku,location,units\n" + "\n".join(units) + "\n")


class Killed(Exception):  # noqa: N818 - not an error of ours: the process is gone
    pass


def state(database: Database) -> tuple[object, ...]:
    """Everything that a load leaves, without ids and times."""
    with database.read() as connection:
        world = World(connection)
        skus = world.catalogue.skus()
        codes = {number: code for code, number in world.locations.ids().items()}
        levels = sorted(
            (skus[row.item_id], codes[row.location_id], row.on_hand, row.sequence)
            for row in connection.execute(LEVEL.select())
            if row.sequence
        )
        causes = sorted((row.cause_key, row.units) for row in connection.execute(MOVEMENT.select()))
        stored = ImportStore(connection, START).items(list(skus.values()), locked=False)
        return (
            levels,
            causes,
            sorted((sku, item.title, item.kind, sorted(item.parts.items())) for sku, item in stored.items()),
            sorted(codes.values()),
        )


@pytest.mark.parametrize("cut_at", [1, 40, 77, 150, 301])
def test_a_load_that_was_cut_off_anywhere_and_is_done_again_ends_at_the_same_state(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch, cut_at: int
) -> None:
    monkeypatch.setattr(imports, "BATCH_ROWS", 13)
    files = a_merchant(folder, 100, ["A", "B"])
    loaders: tuple[Callable[[], Loader], ...] = (lambda: LocationLoader(()), ItemLoader, StockLoader)
    heard = 0

    def die(_: Verdict) -> None:
        nonlocal heard
        heard += 1
        if heard == cut_at:
            raise Killed

    def take_all() -> None:
        for path, loader in zip(files * 2, loaders * 2, strict=True):
            take(database, path, loader(), hears=die)

    with pytest.raises(Killed):
        take_all()
    for path, loader in zip(files, loaders, strict=True):
        assert take(database, path, loader())[1] == []
    with database.read() as connection:
        world = World(connection)
        moved = [(number, place) for number in range(100) if number % 10 and number % 7 for place in "AB"]
        assert world.rows(MOVEMENT) == len(moved)
        assert world.rows(LEVEL) == len(moved)
    levels, causes, stored, codes = state(database)
    assert levels == sorted((f"S{number:06d}", place, number % 7, 1) for number, place in moved)
    assert causes == sorted((f"opening|S{number:06d}|{place}", number % 7) for number, place in moved)
    assert stored == sorted(
        [(f"S{n:06d}", f"Item {n}", "simple", []) for n in range(100) if n % 10]
        + [(f"K{n:06d}", f"Kit {n}", "kit", [(f"S{n + 1:06d}", 2)]) for n in range(0, 99, 10)]
    )
    assert codes == ["A", "B"]
    for path, loader in zip(files, loaders, strict=True):
        assert take(database, path, loader())[0].keys() == {"unchanged"}


@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(3_600)])])
def test_a_whole_merchant_is_loaded_in_one_go_and_memory_stays_that_of_the_file(
    database: Database, folder: Path, count: int
) -> None:
    places = ["A", "B", "C", "D", "E"]
    files = a_merchant(folder, count, places)
    loaders: tuple[Callable[[], Loader], ...] = (lambda: LocationLoader(()), ItemLoader, StockLoader)
    largest = 0
    for path, loader in zip(files, loaders, strict=True):
        counted: Counter[Outcome] = Counter()

        def hear(verdict: Verdict, counted: Counter[Outcome] = counted) -> None:
            counted[verdict.outcome] += 1

        take(database, path, loader(), hears=hear)
        assert counted[Outcome.REFUSED] == 0
        largest = max(largest, sum(counted.values()))
    assert largest == count * 9 // 10 * 5
    simple = [number for number in range(count) if number % 10]
    with database.read() as connection:
        world = World(connection)
        assert world.rows(MOVEMENT) == 5 * sum(number % 7 > 0 for number in simple)
        assert connection.exec_driver_sql("SELECT sum(on_hand) FROM stock_level").scalar_one() == 5 * sum(
            number % 7 for number in simple
        )
