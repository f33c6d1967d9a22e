"""What is taken for a write is found by an index, in its order: the work is that of what is sent."""

import pytest
import sqlalchemy as sa

from nervure.store.database import Database
from nervure.store.flights import FlightStore
from nervure.store.readback import ReadBackStore
from tests.nervure.world import START, World, merchant


def plans(database: Database) -> list[str]:
    """How SQLite looks up what it is asked for by one idle round of a channel."""
    asked: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith("SELECT") and "publication" in statement:
            asked.append((statement, parameters))

    with database.write() as connection:
        sa.event.listen(connection, "before_cursor_execute", note)
        flights = FlightStore(connection, START)
        flights.adopt_lost("shop", 10, "one")
        flights.adopt_imports("shop", 10, "one")
        flights.launch("shop", 10, "one")
        ReadBackStore(connection, START).due("shop", 10)
        sa.event.remove(connection, "before_cursor_execute", note)
        return [
            " / ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given))  # type: ignore[arg-type]  # as the driver got them
            for text, given in asked
        ]


@pytest.mark.requirement("R29")
def test_an_idle_round_reads_no_number_that_is_at_rest(sqlite: Database) -> None:
    with sqlite.write() as connection:
        merchant(World(connection), bolt_paris=5, nut_paris=9)
        World(connection).refresh()
    lost, imports, parts, pending, due = (
        [part for part in plan.split(" / ") if "publication" in part] for plan in plans(sqlite)
    )
    assert lost == ["SEARCH publication USING INDEX ix_publication_flight (stock_point_id=? AND flight_until<?)"]
    assert imports == lost
    assert parts == ["SEARCH publication USING INDEX ix_publication_parts (stock_point_id=? AND most_rows>?)"]
    assert pending == ["SEARCH publication USING INDEX ix_publication_state (stock_point_id=? AND state=?)"]
    assert due == ["SEARCH publication USING INDEX ix_publication_check (stock_point_id=?)"]


@pytest.mark.requirement("R26")
def test_the_riskiest_are_taken_in_the_order_of_their_index(sqlite: Database) -> None:
    with sqlite.write() as connection:
        merchant(World(connection), bolt_paris=5, nut_paris=9)
        World(connection).refresh()
    _, _, _, pending, due = plans(sqlite)
    assert "ORDER BY" not in pending
    assert "ORDER BY" not in due
