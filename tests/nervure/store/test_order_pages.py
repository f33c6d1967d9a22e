"""An order as people look at it: the same on both databases."""

from nervure.operations.desk import Actor, start_picking
from nervure.store.database import Database
from nervure.store.order_pages import OrderPageStore, OrderRow
from schemas.fulfillment import StepKind
from tests.nervure.operations.fake_shops import fill
from tests.nervure.operations.scripted import ScriptedShop, hear, order_of, scripted_hub
from tests.nervure.world import Bought, an_order


def test_an_order_is_shown_with_its_lines_its_parts_and_its_steps(database: Database) -> None:
    fill(database)
    hub = scripted_hub(database, {"shop": ScriptedShop(), "till": ScriptedShop()})
    hear(hub, "shop", order_of(an_order("1", [Bought("BOLT", 6), Bought("NUT", 50)])))
    hear(hub, "till", order_of(an_order("1", {"NUT": 1}, channel="till")))
    with database.read() as connection:
        before = OrderPageStore(connection).page("shop", "1")
    assert before is not None
    taken = before.parts[0]
    start_picking(hub, taken.number, Actor("ana", taken.location))
    with database.read() as connection:
        store = OrderPageStore(connection)
        page = store.page("shop", "1")
        assert [one.channel for one in store.recent()] == ["till", "shop"]
        assert [one.channel for one in store.named("1")] == ["shop", "till"]
        [named] = store.named("1", "shop")
        assert store.page("shop", "9") is None
    assert page is not None
    short = page.lines[1].units_short
    assert short > 0
    assert page.order == named == OrderRow("shop", "1", named.name, "open", named.placed_at, 56, short)
    assert [(one.sku, one.units_ordered, one.units_served, one.units_short) for one in page.lines] == [
        ("BOLT", 6, 6, 0),
        ("NUT", 50, 50 - short, short),
    ]
    assert page.shortfalls == [("NUT", short)]
    assert sum(units for _, _, _, units in page.served) == 56 - short
    assert [(step.kind, step.by) for step in page.parts[0].steps] == [(StepKind.PICKING, "ana")]
    assert {one.location for one in page.parts} <= page.reasons.keys()
    assert (page.bill, page.money_only) == ({}, [])
