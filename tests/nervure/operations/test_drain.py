"""Draining the inbox: every document once, whatever the one beside it does."""

import logging
from decimal import Decimal

import pytest

from nervure.operations import drain as draining
from nervure.operations import facts as carrying_out
from nervure.operations.drain import drain
from nervure.operations.pull import store
from nervure.store.channels import ChannelStore
from nervure.store.database import Database
from nervure.store.inbox import LEASE_SECONDS
from schemas.documents import Fact, Heard, RawDocument
from schemas.orders import Customer
from schemas.publications import ChannelListing
from schemas.stock import StockObservation
from tests.nervure.operations.scripted import (
    ScriptedShop,
    advance,
    dead,
    document,
    hear,
    looking,
    order_of,
    scripted_hub,
)
from tests.nervure.world import Bought, World, an_order, at, at_once, merchant, must_hold


def listing(sku: str, *, external_id: str | None = None, title: str = "") -> ChannelListing:
    return ChannelListing(
        channel="shop", external_id=external_id or f"L-{sku}", stock_id=f"S-{sku}", sku=sku, title=title
    )


def shows(sku: str, units: int) -> RawDocument:
    fact = StockObservation(
        channel="shop", listing_external_id=f"L-{sku}", stock_point="web", units=units, observed_at=at(1)
    )
    return document(f"{sku} shows {units}", fact)


BROKEN = RawDocument("orders", "7", "broken 7", b"jane@example.com", Heard.POLL)


@pytest.mark.requirement("R28", "R39")
def test_one_document_that_cannot_be_read_goes_to_the_dead_letters_alone(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    report = hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})), BROKEN, order_of(an_order("2", {"BOLT": 1})))
    assert (report.handled, report.dead, len(report.latencies)) == (2, 1, 3)
    assert report.topics == {"shop facts": 2, "shop orders": 1}
    assert [(letter.document_id, letter.reason) for letter in dead(hub)] == [("7", "orders 7 is not JSON")]
    with looking(hub) as world:
        assert world.allocated("BOLT", "paris") == 3
        must_hold(world)


@pytest.mark.requirement("R44")
def test_a_document_whose_values_break_a_rule_of_ours_says_which(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    bad = RawDocument("facts", "1", "1", b'[["Order", {"channel": "shop"}]]', Heard.POLL)
    hear(hub, "shop", bad, document("2", listing("GEAR")))
    [letter] = dead(hub)
    assert letter.reason == "facts: external_id: Field required"


def test_a_document_of_a_channel_that_is_not_configured_waits_with_that_reason(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    hear(hub, "gone", order_of(an_order("1", {"BOLT": 1}, channel="gone")))
    assert [letter.reason for letter in dead(hub)] == ["channel 'gone' is not configured"]


@pytest.mark.requirement("R39")
def test_an_order_for_an_unbound_listing_waits_and_is_taken_in_when_the_catalogue_comes(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    with both.write() as connection:
        World(connection).items("GEAR")
    report = hear(hub, "shop", order_of(an_order("1", {"GEAR": 1, "BOLT": 1})), order_of(an_order("2", {"BOLT": 1})))
    assert (report.handled, report.dead) == (1, 1)
    assert [letter.reason for letter in dead(hub)] == ["listing 'L-GEAR' of channel 'shop' is not bound to an item"]
    with looking(hub) as world:
        assert world.allocated("BOLT", "paris") == 1, "nothing of the order is kept"
    report = hear(hub, "shop", document("catalogue", listing("GEAR")))
    assert (report.handled, report.dead, dead(hub)) == (2, 0, [])
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (1, 0, 1), "1-2": (1, 1, 0)}
        must_hold(world)


def test_what_waits_for_another_channels_binding_goes_on_waiting(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop(), "market": ScriptedShop()})
    with filled.write() as connection:
        World(connection).items("GEAR")
    hear(hub, "market", order_of(an_order("1", {"GEAR": 1}, channel="market")))
    hear(hub, "shop", document("catalogue", listing("GEAR")))
    assert len(dead(hub)) == 1


def test_listings_make_items_only_where_settings_say_so(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    hear(hub, "shop", document("1", listing("GEAR", title="Gear")))
    hub = scripted_hub(filled, {"shop": ScriptedShop()}, creates_items=True)
    with looking(hub) as world:
        assert "GEAR" not in world.catalogue.item_ids(["GEAR"])
    hear(hub, "shop", document("2", listing("GEAR", title="Gear"), listing("BOLT", title="Renamed there")))
    with looking(hub) as world:
        assert set(world.catalogue.item_ids(["GEAR", "BOLT"])) == {"GEAR", "BOLT"}
        assert world.published()["shop", "web", "GEAR"] == 0


@pytest.mark.requirement("R28")
def test_a_defect_of_the_hub_buries_only_the_document_that_meets_it(
    both: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    take_in = carrying_out.take_in  # type: ignore[attr-defined]  # the name that is replaced below

    def defective(order: object, *others: object) -> bool:
        if getattr(order, "external_id", None) == "2":
            raise ZeroDivisionError("jane@example.com")
        return take_in(order, *others)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(carrying_out, "take_in", defective)
    with caplog.at_level(logging.CRITICAL):
        report = hear(hub, "shop", *(order_of(an_order(name, {"BOLT": 1})) for name in ("1", "2", "3")))
    assert (report.handled, report.dead) == (2, 1)
    assert [(letter.document_id, letter.reason) for letter in dead(hub)] == [
        ("2", "a defect of the hub, please report it: ZeroDivisionError")
    ]
    with looking(hub) as world:
        assert world.allocated("BOLT", "paris") == 2
        must_hold(world)


@pytest.mark.requirement("R28")
def test_a_defect_of_a_mapping_buries_only_the_document_that_meets_it(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    unheard_of = RawDocument("facts", "2", "2", b'[["Parcel", {}]]', Heard.POLL)
    report = hear(hub, "shop", order_of(an_order("1", {"BOLT": 1})), unheard_of, order_of(an_order("3", {"BOLT": 1})))
    assert (report.handled, report.dead) == (2, 1)
    assert [letter.reason for letter in dead(hub)] == ["a defect of the hub, please report it: KeyError"]


def test_a_fact_that_no_channel_can_state_is_a_defect(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    with pytest.raises(TypeError, match="a channel cannot state a str"), filled.write() as connection:
        carrying_out.apply(hub, connection, ["nonsense"])  # type: ignore[list-item]  # that is the point


@pytest.mark.requirement("R22")
def test_the_same_event_again_changes_nothing(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    order = order_of(an_order("1", {"BOLT": 2}))
    assert hear(hub, "shop", order, order).handled == 1
    assert hear(hub, "shop", order).handled == 0
    with looking(hub) as world:
        assert world.allocated("BOLT", "paris") == 2


@pytest.mark.requirement("R23", "R43")
def test_documents_of_one_order_are_handled_in_their_order_and_older_ones_change_nothing(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    hear(
        hub,
        "shop",
        order_of(an_order("1", {"BOLT": 3}, minute=5)),
        order_of(an_order("1", {"BOLT": 2}, minute=0)),
        order_of(an_order("1", [Bought("BOLT", 3, canceled=2)], minute=6)),
    )
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (1, 1, 0)}
        assert world.allocated("BOLT", "paris") == 1
        must_hold(world)


@pytest.mark.requirement("R24")
def test_a_webhook_that_only_says_that_something_happened_makes_orders_wanted_at_once(filled: Database) -> None:
    shop = ScriptedShop()
    hub = scripted_hub(filled, {"shop": shop, "market": ScriptedShop()})
    with filled.write() as connection:
        for channel in ("shop", "market"):
            ChannelStore(connection, at(0)).heard_orders(channel, watermark=None, until=at(0), next_at=at(60))
    advance(hub, 30)
    hear(hub, "shop", document("hint", heard=Heard.WEBHOOK))
    hear(hub, "market", document("nothing new", heard=Heard.POLL))
    with looking(hub) as world:
        channels = ChannelStore(world.connection, world.now)
        assert channels.get("shop").orders_next_at == at(0.5)
        assert channels.get("market").orders_next_at == at(60)


@pytest.mark.requirement("R27")
def test_a_drain_that_was_killed_is_taken_up_again_when_its_lease_is_over(
    both: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    store(hub, "shop", (order_of(an_order("1", {"BOLT": 1})),))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(draining, "_handle", killed)
        with pytest.raises(KeyboardInterrupt):
            drain(hub)
    advance(hub, LEASE_SECONDS)
    assert drain(hub).handled == 0, "whoever holds it may still be alive"
    advance(hub, 1)
    report = drain(hub)
    assert (report.handled, report.latencies) == (1, [LEASE_SECONDS + 1])
    with looking(hub) as world:
        assert world.allocated("BOLT", "paris") == 1


def test_observations_that_come_together_are_handled_together_and_a_bad_one_does_not_spoil_the_rest(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    calls: list[int] = []
    apply = draining.apply  # type: ignore[attr-defined]  # the name that is replaced below

    def counted(hub_: object, connection: object, facts: list[Fact]) -> None:
        calls.append(len(facts))
        apply(hub_, connection, facts)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(draining, "apply", counted)
    report = hear(hub, "shop", *(shows("BOLT", units) for units in range(5)), order_of(an_order("1", {"BOLT": 1})))
    assert report.handled == 6
    assert calls == [5, 1]


def test_a_batch_is_no_larger_than_asked(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    store(hub, "shop", tuple(order_of(an_order(f"{number}", {"BOLT": 1})) for number in range(3)))
    assert [drain(hub, limit=2).handled for _ in range(3)] == [2, 1, 0]


def test_a_document_whose_body_is_forgotten_is_kept_with_a_reason(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    store(hub, "shop", (order_of(an_order("1", {"BOLT": 1})),))
    with filled.write() as connection:
        connection.exec_driver_sql("DELETE FROM inbox_body")
    assert drain(hub).dead == 1
    assert [letter.reason for letter in dead(hub)] == ["facts 1 is not JSON"]


@pytest.mark.postgresql
@pytest.mark.requirement("R22", "R27")
def test_two_drains_at_once_have_one_effect_of_each_document(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        merchant(World(connection), bolt_paris=30, nut_paris=9)
    hubs = [scripted_hub(postgresql_at, {"shop": ScriptedShop(), "market": ScriptedShop()}) for _ in range(2)]
    orders = [order_of(an_order(f"{number}", {"BOLT": 1}, minute=minute)) for number in range(12) for minute in (0, 1)]
    store(hubs[0], "shop", (*orders, BROKEN))

    def work(index: int) -> tuple[int, int]:
        handled = dead = 0
        while (report := drain(hubs[index], limit=3)).handled or report.dead:
            handled, dead = handled + report.handled, dead + report.dead
        return handled, dead

    results = at_once([lambda: work(0), lambda: work(1)])
    totals = [sum(column) for column in zip(*results, work(0), strict=True)]  # type: ignore[call-overload]  # pairs
    assert totals == [24, 1]
    with looking(hubs[0]) as world:
        assert world.allocated("BOLT", "paris") == 12
        must_hold(world)


@pytest.mark.postgresql
def test_a_document_that_the_database_refuses_leaves_nobodys_name_in_the_log(
    postgresql: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with postgresql.write() as connection:
        merchant(World(connection), bolt_paris=9)
    hub = scripted_hub(postgresql, {"shop": ScriptedShop()})
    order = an_order("1", {"BOLT": 1})
    jane = Customer(name="Jane Doe", email="jane@example.com")
    # More decimals than the column is wide; they change no sum.
    price = Decimal(f"{order.lines[0].unit_price}{'0' * 45}")
    line = order.lines[0].model_copy(update={"unit_price": price})
    broken = order.model_copy(update={"customer": jane, "lines": (line,)})
    report = hear(hub, "shop", order_of(broken), order_of(an_order("2", {"BOLT": 1})))
    assert (report.handled, report.dead) == (1, 1)
    assert "cannot be handled" in caplog.text
    assert "jane" not in caplog.text.casefold()
    assert [letter.reason for letter in dead(hub)] == ["a defect of the hub, please report it: DataError"]
