"""Groups of substitutes from a file: each taken whole or not, said again unchanged, and followed by their items."""

from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from nervure.operations.import_substitutes import SubstituteLoader
from nervure.operations.skus import merge
from nervure.store.database import Database
from nervure.store.substitution import SubstitutionStore
from schemas.substitution import Member, PriceRule, Relation, SubstitutionGroup
from tests.nervure.operations.caps import hat_shop, policy
from tests.nervure.operations.scripted import ScriptedShop, scripted_hub
from tests.nervure.operations.test_imports import take, write

HEADING = "group,sku,relation,rank,price,price_up,price_down\n"
FILE = (
    HEADING + "caps,RED,variant,,,,\ncaps,BLUE,variant,,,,\n"
    'models,RED,model,1,20,difference,never\nmodels,PRO,model,2,"25,50",difference,never\n'
)


def groups(database: Database) -> dict[str, SubstitutionGroup]:
    with database.read() as connection:
        return SubstitutionStore(connection).groups()


@pytest.fixture
def caps(sqlite: Database) -> Database:
    hat_shop(sqlite, policy(), groups=())
    return sqlite


def test_groups_are_compared_written_and_said_again_without_a_change(caps: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "groups.csv", FILE)
    assert take(caps, path, SubstituteLoader(), writes=False) == ({"new": 4}, [])
    assert groups(caps) == {}
    assert take(caps, path, SubstituteLoader()) == ({"new": 4}, [])
    assert take(caps, path, SubstituteLoader()) == ({"unchanged": 4}, [])
    assert groups(caps)["models"] == SubstitutionGroup(
        name="models",
        relation=Relation.MODEL,
        members=(
            Member(sku="RED", rank=1, price=Decimal("20.00")),
            Member(sku="PRO", rank=2, price=Decimal("25.50")),
        ),
        up=PriceRule.DIFFERENCE,
    )


def test_a_group_is_what_the_file_says_now(caps: Database, tmp_path: Path) -> None:
    take(caps, write(tmp_path / "groups.csv", FILE), SubstituteLoader())
    later = write(tmp_path / "later.csv", HEADING + "caps,GREEN,variant,,,,\ncaps,BLUE,variant,,,,\n")
    assert take(caps, later, SubstituteLoader()) == ({"changed": 1, "new": 1}, [])
    assert [one.sku for one in groups(caps)["caps"].members] == ["BLUE", "GREEN"]
    assert len(groups(caps)["models"].members) == 2


def test_a_workbook_is_read_alike(caps: Database, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (
        ["group", "sku", "relation", "rank", "price"],
        ["m", "RED", "model", 1, 20.0],
        ["m", "PRO", "model", 2, 25.5],
    ):
        sheet.append(row)
    book.save(tmp_path / "groups.xlsx")
    assert take(caps, tmp_path / "groups.xlsx", SubstituteLoader()) == ({"new": 2}, [])
    assert [one.price for one in groups(caps)["m"].members] == [Decimal(20), Decimal("25.5")]


def test_each_bad_row_is_told_and_nothing_of_its_group_is_taken(caps: Database, tmp_path: Path) -> None:
    path = write(
        tmp_path / "groups.csv",
        HEADING + "good,RED,variant,,,,\n"
        "good,BLUE,variant,,,,\n"
        "a,RED,variant,,,,\n"
        "a,NONE,variant,,,,\n"
        "b,RED,variant,,,,\n"
        "b,RED,variant,,,,\n"
        "c,RED,variant,,,,\n"
        "c,BLUE,model,,,,\n"
        "d,RED,model,-1,,,\n"
        "d,BLUE,model,1,cheap,,\n"
        "e,RED,variant,,,,\n"
        "f,RED,variant,1,,,\n"
        "f,BLUE,variant,2,,,\n"
        "g,RED,model,1,20,difference,\n"
        "g,PRO,model,2,,difference,\n"
        "h,RED,twin,,,,\n"
        "h,BLUE,twin,,,,\n"
        ",GREEN,variant,,,,\n",
    )
    counted, refused = take(caps, path, SubstituteLoader())
    assert counted == {"new": 2, "refused": 16}
    assert refused == [
        (4, "nothing of group 'a' is taken: look at line 5"),
        (5, "sku 'NONE' is not known"),
        (6, "nothing of group 'b' is taken: look at line 7"),
        (7, "'RED' is in the group already, on line 6"),
        (8, "nothing of group 'c' is taken: look at line 9"),
        (9, "relation: the group's first row, on line 8, says something else"),
        (10, "rank: '-1' is not a whole number of 0 or more"),
        (11, "price: 'cheap' is not an amount"),
        (12, "group 'e' has one member: it has no substitute"),
        (13, "group 'f' is of variants: they have no rank"),
        (14, "nothing of group 'f' is taken: look at line 13"),
        (15, "group 'g' charges a difference: every member needs a price"),
        (16, "nothing of group 'g' is taken: look at line 15"),
        (17, "relation must be 'variant' or 'model'"),
        (18, "nothing of group 'h' is taken: look at line 17"),
        (19, "group: a substitute needs the name of its group"),
    ]
    assert set(groups(caps)) == {"good"}


def test_a_merged_item_stands_in_the_groups_of_both_once(caps: Database, tmp_path: Path) -> None:
    take(caps, write(tmp_path / "groups.csv", FILE), SubstituteLoader())
    hub = scripted_hub(caps, {"shop": ScriptedShop()})
    merge(hub, "PRO", "MAX")
    merge(hub, "RED", "BLUE")
    found = groups(caps)
    assert [one.sku for one in found["models"].members] == ["BLUE", "MAX"]
    assert "caps" not in found  # who is left alone there is nobody's substitute
    with caps.write() as connection:
        assert SubstitutionStore(connection).remove("models")
        assert not SubstitutionStore(connection).remove("models")
    assert groups(caps) == {}
