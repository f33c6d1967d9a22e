"""What lies on the shelves beside what the records say."""

from simulation.catalogue import STORES, SUPPLIER, WAREHOUSE, Stock
from simulation.shelves import MEAN_ERROR, Shelves

PARIS = STORES[0].code


def records(units: int) -> Stock:
    places = (PARIS, WAREHOUSE.code, SUPPLIER.code)
    return {(f"sku {number}", place): units for number in range(2_000) for place in places}


def test_so_many_records_of_stores_are_right_and_all_of_the_warehouse() -> None:
    shelves = Shelves(records(10), accuracy=0.65, seed="1")
    assert {place for _, place in shelves.wrong} == {PARIS}
    assert {place for _, place in shelves.there} == {PARIS, WAREHOUSE.code}, "a supplier's shelf is its own affair"
    assert 0.33 < shelves.wrong_records / 2_000 < 0.37
    off = [abs(units) for units in shelves.wrong.values()]
    assert min(off) >= 1
    assert MEAN_ERROR * 10 < sum(off) / len(off) < MEAN_ERROR * 10 + 1
    assert 0.45 < sum(units > 0 for units in shelves.wrong.values()) / len(off) < 0.55
    assert all(shelves.there[key] + wrong == 10 for key, wrong in shelves.wrong.items())


def test_nothing_lies_nowhere_and_a_seed_decides() -> None:
    few, again = (Shelves(records(1), accuracy=0.0, seed="2") for _ in range(2))
    assert min(few.there.values()) == 0
    assert few.there == again.there
    assert few.there != Shelves(records(1), accuracy=0.0, seed="3").there
    empty = Shelves({("A", PARIS): 0}, accuracy=0.0, seed="2")
    assert empty.there["A", PARIS] == 1, "a record of nothing can only be too low"


def test_what_is_packed_cannot_be_taken_from_the_shelf() -> None:
    shelves = Shelves({("A", PARIS): 5}, accuracy=1.0, seed="1")
    shelves.box(("A", PARIS), 4)
    assert shelves.free(("A", PARIS)) == 1
    assert shelves.there["A", PARIS] == 5
    shelves.box(("A", PARIS), -4)
    assert shelves.free(("A", PARIS)) == 5


def test_a_correction_takes_nothing_that_is_not_there() -> None:
    key = ("A", WAREHOUSE.code)
    shelves = Shelves({key: 3}, accuracy=1.0, seed="1")
    assert shelves.correct(key, -5) == -3
    assert (shelves.there[key], shelves.wrong[key], shelves.adjusted[key]) == (0, -2, -5)
    assert shelves.differences({key: -2}) == []
    assert shelves.differences({key: 0}) == [f"A at {WAREHOUSE.code}: on hand 0, 0 lie there, of -2 nobody knows"]


def test_what_was_written_off_and_still_lies_there_is_known_to_be_wrong() -> None:
    key = ("A", PARIS)
    shelves = Shelves({key: 3}, accuracy=1.0, seed="1")
    shelves.write_off(key, 1)
    assert shelves.differences({key: 2}) == []
    assert shelves.differences({key: 3}) == ["A at ST-PARIS: on hand 3, 3 lie there, of -1 nobody knows"]
    shelves.move(key, -2)
    assert shelves.differences({key: 0}) == []
