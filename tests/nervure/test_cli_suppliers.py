"""`nervure suppliers scorecard`: how suppliers keep their word."""

import csv
import json

from nervure.store.places import REQUEST
from schemas.fulfillment import FulfillmentState
from tests.nervure import test_cli
from tests.nervure.test_cli import Shell
from tests.nervure.world import World, an_order

shell = test_cli.shell


def answered(shell: Shell) -> None:
    """A supplier that was asked for three mugs a moment ago, and sends two."""
    with shell.hub() as hub, hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        place = world.locations.ids()["SUP"]
        world.list_on("boutique", "MUG")
        world.take_in(an_order("1", {"MUG": 3}, channel="boutique"))
        [line] = world.orders.lines(world.order_id("1"))
        world.fulfillment.add(world.order_id("1"), place, FulfillmentState.SENT_TO_SUPPLIER, {line.id: 3})
        connection.execute(
            REQUEST.insert().values(
                supplier="acme",
                location_id=place,
                fulfillment_order_id=world.fulfillment_numbers("1")[-1],
                line="1",
                supplier_sku="B",
                units=3,
                units_offered=3,
                units_refused=1,
                asked_at=world.now,
                answered_at=world.now,
            )
        )


def test_a_scorecard_is_a_table_a_file_and_a_document(shell: Shell) -> None:
    answered(shell)
    lines = shell.says("suppliers", "scorecard").splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "acme",
        "asked for 1 line, 3 units",
        "accepted 66.7% of units",
        "confirmed / partly / refused 0 / 1 / 0 lines",
        "silent 0 lines",
        "time to answer, p50 / p95 0 s / 0 s",
        "past the agreed time -",
        "shipped late 0 of 0, overdue 0",
        "age of figures, p50 / p95 - / -",
        "figures too old no figures known",
        "wrong promises 1 line, 100.0%",
    ]
    [found] = json.loads(shell.says("suppliers", "scorecard", "--json"))
    assert (found["supplier"], found["units_refused"], found["acceptance"]) == ("acme", 1, 2 / 3)
    path = shell.folder / "suppliers.csv"
    shell.says("suppliers", "scorecard", "--csv", str(path))
    with path.open(encoding="utf-8", newline="") as file:
        [written] = csv.DictReader(file)
    assert list(written) == list(found)
    assert (written["supplier"], written["past_time"], written["units_confirmed"]) == ("acme", "", "2")


def test_a_supplier_that_was_not_there_yet_is_left_out(shell: Shell) -> None:
    answered(shell)
    assert shell.says("suppliers", "scorecard", "--json", "--from", "2020-01-01", "--to", "2020-01-31") == "[]\n"
    assert shell.says("suppliers", "scorecard", "--to", "2020-01-31") == "no supplier has said anything yet\n"
    assert shell.fails("suppliers", "scorecard", "--from", "2020-02-01", "--to", "2020-01-31") == "from is after to"
