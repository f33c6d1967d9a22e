"""What set-wise statements are made with."""

from collections.abc import Collection

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from nervure.store.database import Connection, Database
from nervure.store.statements import LEVEL, are_among, as_rows
from schemas.stock import Condition, MovementKind
from tests.nervure.world import World, thrown_away

KEY = (LEVEL.c.item_id, LEVEL.c.location_id, LEVEL.c.condition)
SKUS, CODES = ("BOLT", "NUT", "PIN"), ("paris", "lyon")


def levels_among(connection: Connection, wanted: Collection[tuple[int, int, str]]) -> set[tuple[int, int, str]]:
    query = sa.select(*KEY).where(are_among(KEY, connection.dialect.name))
    return {(item, location, condition) for item, location, condition in connection.execute(query, as_rows(wanted))}


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(["sellable", "damaged", 'it\'s; "x"']))))
def test_rows_are_among_many_as_they_would_be_by_hand(shared: Database, wanted: set[tuple[int, int, str]]) -> None:
    with thrown_away(shared) as connection:
        world = World(connection)
        world.items(*SKUS)
        for code in CODES:
            world.location(code)
        for sku in SKUS:
            for code in CODES:
                world.receive(sku, code, 3)
        world.move("BOLT", "paris", 1, MovementKind.RECEIVED, condition=Condition.DAMAGED)
        there = {(item, location, condition) for item, location, condition in connection.execute(sa.select(*KEY)).all()}
        items, locations = world.catalogue.item_ids(SKUS), world.locations.ids()
        named = {(items[SKUS[a % 3]], locations[CODES[b % 2]], condition) for a, b, condition in wanted}
        assert levels_among(connection, named | wanted) == there & (named | wanted)


def test_many_places_are_looked_up_in_the_index(sqlite: Database) -> None:
    """A list of rows in the statement made SQLite read the whole table."""
    query = sa.select(LEVEL.c.id).where(are_among((LEVEL.c.item_id, LEVEL.c.location_id), "sqlite"))
    with sqlite.read() as connection:
        text = str(query.compile(connection))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", tuple(as_rows([(1, 1), (2, 1)]).values()))
        steps = [row[3] for row in plan if "stock_level" in row[3]]
    assert len(steps) == 1
    assert steps[0].startswith("SEARCH stock_level USING")
    assert steps[0].endswith("(item_id=? AND location_id=?)")
