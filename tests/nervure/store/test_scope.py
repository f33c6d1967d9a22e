"""What the settings name no more is not written to; what they name again comes back (R33)."""

import pytest
import sqlalchemy as sa

from nervure.invariants import check_all
from nervure.publication.answers import Landing
from nervure.store.audit import AuditStore
from nervure.store.channels import ChannelStore
from nervure.store.database import Database
from nervure.store.publications import NOT_NAMED, PUBLICATION
from nervure.store.reports import ReportStore
from nervure.store.scope import CHANNEL_NOT_NAMED, ScopeStore
from nervure.store.tables.channels import CHANNEL
from schemas.locations import LocationKind
from schemas.publications import PublicationState
from tests.nervure.world import START, World, an_order, at, merchant, overtaken

CONFIRMED = Landing(PublicationState.CONFIRMED)
ALL = ("shop", "market", "till")
BOTH = {"web": ["paris", "lyon"], "app": ["lyon"]}


def name(world: World, *channels: str, **points: list[str]) -> list[str]:
    """The settings name these channels, the shop with these stock points; answers who has one that is new or back."""
    if points:
        world.channel("shop", points)
    scope = ScopeStore(world.connection, world.now)
    scope.keep_channels(channels or ALL)
    return scope.settle()


def opened(world: World) -> None:
    """A shop with two stock points, a marketplace and a till: every number is confirmed."""
    merchant(world, bolt_paris=5, nut_paris=8, bolt_lyon=2)
    world.channel("shop", BOTH)
    world.publications.create_missing("shop")
    world.refresh()
    for channel in ALL:
        confirm(world, channel)


def confirm(world: World, channel: str) -> None:
    flights = world.flights.launch(channel, 99, channel)
    world.flights.land([(flight, CONFIRMED) for flight in flights], channel)


def at_points(world: World, channel: str = "shop") -> dict[tuple[str, str], str]:
    return {(one.key.stock_point, one.sku): one.state.value for one in world.publications.numbers(channel)}


def states(world: World, point: str, channel: str = "shop") -> set[str]:
    return {state for (where, _), state in at_points(world, channel).items() if where == point}


def heard(world: World, channel: str, minute: float) -> None:
    """Every order of the channel until then is known."""
    ChannelStore(world.connection, world.now).heard_orders(channel, watermark=None, until=at(minute), next_at=at(99))


def violations(world: World) -> list[str]:
    return [one.text for one in check_all(AuditStore(world.connection))]


@pytest.mark.requirement("R33")
def test_a_stock_point_that_was_taken_out_is_excluded_with_its_reason_and_sent_nothing(world: World) -> None:
    opened(world)
    assert name(world, web=["paris", "lyon"]) == []
    assert (states(world, "app"), states(world, "web")) == ({"excluded"}, {"confirmed"})
    number = world.publication_id("shop", "BOLT", "app")
    assert world.publication(number)["reason"] == NOT_NAMED
    world.receive("BOLT", "lyon", 1)
    world.refresh()
    sent = world.flights.launch("shop", 99, "one")
    assert {(one.sku, one.key.stock_point) for one in sent} == {("BOLT", "web")}
    assert world.states()["shop"] == {"confirmed": 2, "sent": 1, "excluded": 3}
    assert violations(world) == []
    assert ChannelStore(world.connection, START).stock_points("shop") == ["web"]
    assert ReportStore(world.connection, START).availability("shop", "BOLT") == {"web": 8}


@pytest.mark.requirement("R33")
def test_a_channel_that_was_taken_out_is_excluded_as_a_whole_and_says_so(world: World) -> None:
    opened(world)
    world.receive("BOLT", "lyon", 1)
    world.refresh()
    assert not world.publications.is_quiet()
    assert name(world, "market", "till") == []
    assert set(at_points(world).values()) == {"excluded"}
    assert world.flights.launch("shop", 99, "one") == []
    reports = {report.name: report for report in ReportStore(world.connection, START).channels()}
    assert (reports["shop"].problem, reports["shop"].excluded, reports["shop"].in_flight) == (CHANNEL_NOT_NAMED, 6, 0)
    assert (reports["market"].problem, reports["market"].excluded) == (None, 0)
    for channel in ("market", "till"):
        confirm(world, channel)
    assert world.publications.is_quiet(), "nobody waits for what is not there"
    assert violations(world) == []


@pytest.mark.requirement("R33", "R36")
def test_what_is_named_again_comes_back_computed_anew_and_hears_the_orders_first(world: World) -> None:
    opened(world)
    name(world, "market", "till")
    world.receive("BOLT", "lyon", 1)
    world.refresh()
    back = world.later(5)
    assert name(back, *ALL, **BOTH) == ["shop"]
    assert set(at_points(back).values()) == {"pending"}
    assert back.flights.launch("shop", 99, "early") == [], "neither computed nor heard"
    back.refresh()
    assert back.flights.launch("shop", 99, "early") == [], "an order of that time may be unheard"
    heard(back, "shop", 6)
    sent = {(one.sku, one.key.stock_point): one for one in back.flights.launch("shop", 99, "one")}
    assert len(sent) == 6
    assert (sent["BOLT", "web"].units, sent["BOLT", "app"].units) == (8, 3)
    assert {one.expected_units for one in sent.values()} == {None}, "what it shows by now nobody knows"
    back.flights.land([(one, CONFIRMED) for one in sent.values()], "one")
    assert set(at_points(back).values()) == {"confirmed"}
    [problem] = back.connection.execute(sa.select(CHANNEL.c.problem).where(CHANNEL.c.name == "shop")).scalars()
    assert problem is None


@pytest.mark.requirement("R33", "R36")
@pytest.mark.parametrize("receipt", [None, "import 1"])
def test_a_number_that_was_on_its_way_is_read_back_before_it_is_sent_again(world: World, receipt: str | None) -> None:
    opened(world)
    number = world.publication_id("shop", "BOLT", "web")
    world.receive("BOLT", "paris", 1)
    world.refresh()
    [flight] = world.flights.launch("shop", 99, "one")
    if receipt is not None:
        taken = Landing(PublicationState.SENT, receipt=receipt, next_at=at(1))
        world.flights.land([(flight, taken)], "one")
    name(world, "market", "till")
    before = dict(world.publication(number))
    assert (before["state"], before["flight"], before["receipt"]) == ("excluded", None, None)
    world.later(1).flights.land([(flight, CONFIRMED)], "one")
    assert dict(world.publication(number)) == before, "a late answer belongs to nothing"
    assert world.later(9).flights.adopt_lost("shop", 99, "two") == []
    assert world.later(9).flights.adopt_imports("shop", 99, "two") == {}
    back = world.later(10)
    name(back, *ALL, **BOTH)
    back.refresh()
    heard(back, "shop", 11)
    assert flight.publication_id not in {one.publication_id for one in back.flights.launch("shop", 99, "three")}
    [lost] = back.flights.adopt_lost("shop", 99, "four")
    assert (lost.publication_id, lost.units, lost.sent_at) == (number, 6 + 2, START)
    back.flights.land([(lost, Landing(PublicationState.PENDING, channel_units=7))], "four")
    [again] = back.flights.launch("shop", 99, "five")
    assert (again.publication_id, again.units, again.expected_units) == (number, 8, 7)


def test_taking_out_and_naming_again_at_every_start_changes_nothing_more(world: World) -> None:
    opened(world)
    for _ in range(2):
        assert name(world, web=["paris", "lyon"]) == []
        out = [dict(row) for row in world.connection.execute(PUBLICATION.select()).mappings()]
        world.forget_changes()
    assert name(world, web=["paris", "lyon"]) == []
    assert [dict(row) for row in world.connection.execute(PUBLICATION.select()).mappings()] == out
    assert world.publications.is_quiet()


@pytest.mark.requirement("R33")
def test_a_listing_that_comes_while_its_stock_point_is_out_comes_back_with_the_others(world: World) -> None:
    opened(world)
    name(world, web=["paris", "lyon"])
    world.items("CLAMP")
    world.list_on("shop", "CLAMP")
    assert at_points(world)["app", "CLAMP"] == "excluded"
    assert violations(world) == []
    world.receive("CLAMP", "lyon", 4)
    world.refresh()
    assert name(world, **BOTH) == ["shop"]
    world.refresh()
    assert (at_points(world)["app", "CLAMP"], world.published()["shop", "app", "CLAMP"]) == ("pending", 4)


@pytest.mark.requirement("R33")
def test_a_new_stock_point_of_a_known_channel_gets_a_number_for_each_listing(world: World) -> None:
    merchant(world, bolt_paris=5, bolt_lyon=2)
    world.refresh()
    assert name(world, web=["paris"], new=["lyon"]) == ["shop"]
    assert name(world, web=["paris"], new=["lyon"]) == []
    assert violations(world) == []
    world.refresh()
    assert (world.published()["shop", "new", "BOLT"], states(world, "new")) == (2, {"pending"})


def test_what_somebody_excluded_for_another_reason_stays_excluded(world: World) -> None:
    opened(world)
    number = world.publication_id("shop", "BOLT", "app")
    by_hand = PUBLICATION.update().where(PUBLICATION.c.id == number).values(state="excluded", reason="not sold there")
    world.connection.execute(by_hand)
    name(world, web=["paris", "lyon"])
    name(world, **BOTH)
    assert (world.publication(number)["state"], world.publication(number)["reason"]) == ("excluded", "not sold there")


@pytest.mark.requirement("R09", "R33")
def test_orders_of_a_channel_are_not_served_from_what_it_stands_for_no_more(world: World) -> None:
    merchant(world, bolt_lyon=2)
    world.channel("shop", {"web": ["paris"], "app": ["lyon"]})
    name(world, web=["paris"])
    world.take_in(an_order("1", {"BOLT": 1}))
    assert world.lines("1") == {"1-1": (1, 0, 1)}
    name(world, web=["paris"], app=["lyon"])
    world.take_in(an_order("2", {"BOLT": 1}))
    assert world.served("2") == {("2-1", "lyon", "allocated"): 1}


@pytest.mark.requirement("R30")
def test_with_one_stock_point_left_the_number_that_a_sale_moved_is_known(world: World) -> None:
    opened(world)
    name(world, web=["paris", "lyon"])
    number = world.publication_id("shop", "BOLT", "web")
    world.take_in(an_order("1", {"BOLT": 2}, minute=1).model_copy(update={"placed_at": at(1)}))
    world.refresh()
    assert (world.publication(number)["channel_units"], world.publication(number)["salable_quantity"]) == (5, 5)


def test_of_a_location_that_was_taken_out_nobody_is_the_master_and_no_supplier_promises_its_units(
    world: World,
) -> None:
    merchant(world)
    old = world.location("old", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=3600)
    world.locations.set_as_of(old, START)
    new = world.location("new", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=3600)
    world.channel("shop", {"web": ["old"]})
    world.receive("BOLT", "old", 4)
    assert world.publications.note_aging() == 1
    world.refresh()
    assert world.published()["shop", "web", "BOLT"] == 4
    ScopeStore(world.connection, START).keep_locations(["paris", "lyon", "new"])
    assert world.locations.of_supplier("acme") == new
    assert world.publications.note_aging() == 1
    world.refresh()
    assert (world.published()["shop", "web", "BOLT"], world.on_hand("BOLT", "old")) == (0, 4)


@pytest.mark.postgresql
@pytest.mark.requirement("R33")
def test_a_number_made_while_its_stock_point_is_taken_out_is_not_sent(postgresql: Database) -> None:
    """Whoever makes it does not see yet that the stock point is out."""
    with postgresql.write() as connection:
        world = World(connection)
        opened(world)
        world.items("CLAMP")

    def out(world: World) -> None:
        name(world, web=["paris", "lyon"])

    with postgresql.write() as connection:
        late = World(connection)
        late.list_on("shop", "CLAMP")
        with postgresql.write() as other:
            out(World(other))
    with postgresql.write() as connection:
        world = World(connection)
        world.receive("CLAMP", "lyon", 4)
        world.refresh()
        assert at_points(world)["app", "CLAMP"] == "pending"
        sent = world.flights.launch("shop", 99, "one")
        assert {(one.sku, one.key.stock_point) for one in sent} == {("CLAMP", "web")}
        assert violations(world) == ["1 are open at stock points that the settings do not name"]
        out(world)
        assert (at_points(world)["app", "CLAMP"], violations(world)) == ("excluded", [])


@pytest.mark.postgresql
@pytest.mark.requirement("R33", "R36")
def test_a_stock_point_is_taken_out_while_its_numbers_are_taken_for_a_write(postgresql: Database) -> None:
    with postgresql.write() as connection:
        world = World(connection)
        opened(world)
        world.receive("BOLT", "lyon", 1)
        world.refresh()
    overtaken(
        postgresql,
        slow=lambda world: world.flights.launch("shop", 99, "one"),
        fast=lambda world: name(world, web=["paris", "lyon"]),
    )
    with postgresql.read() as connection:
        assert states(World(connection), "app") == {"excluded"}
        assert violations(World(connection)) == []
