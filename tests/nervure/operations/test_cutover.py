"""Going live on shops that sell already: nothing is sent before it is allowed, and then every number is right."""

from datetime import timedelta

import pytest

from connectors.errors import NoAnswerError
from connectors.transport import HttpRequest, HttpResponse, Send
from nervure.operations.cutover import CutoverRefusedError, begin, go
from nervure.operations.cutover_stock import find_source, take_stock
from nervure.operations.keeping import sweeping
from nervure.operations.messages import send_messages
from nervure.operations.refusals import RefusalError
from nervure.operations.staff import adjust, receive, ship_fulfillment
from nervure.operations.suppliers import pull_offers
from nervure.operations.windows import Window
from nervure.store.database import Database
from nervure.store.outbox import OUTBOX
from nervure.store.statements import MOVEMENT
from nervure.store.tables.orders import FULFILLMENT
from schemas.stock import AdjustmentReason
from simulation.accounts import SUPPLIER_NAME
from simulation.catalogue import SUPPLIER
from simulation.platform import BasketLine
from tests.nervure.operations.going_live import PHYSICAL, SHOPS, going_live, install, listen, show, written
from tests.nervure.world import World
from tests.simulation.merchants import POINTS, START, Merchant

SOURCES = (
    ("webshop", "WH-LYON"),
    ("tills", "ST-PARIS"),
    ("tills", "ST-LILLE"),
    ("tills", "ST-NICE"),
)


def a_live_merchant(database: Database, *, trays_at_supplier: int = 0) -> Merchant:
    """Numbers and open orders from before the hub: 20 MUG and 10 TRAY lie in Lyon, 2 MUG in Paris."""
    merchant = going_live(database, PHYSICAL | {("TRAY", SUPPLIER.code): trays_at_supplier})
    for shop in SHOPS:
        show(merchant, shop, MUG=20, TRAY=10, SET=5)
    show(merchant, "tills", MUG=3)
    merchant.clock.advance(60)
    merchant.buy("webshop", MUG=2)
    merchant.buy("boutique", MUG=3)
    merchant.buy("marketplace", TRAY=1)
    merchant.buy("webshop", SET=1)
    merchant.buy("tills", MUG=1)
    merchant.clock.advance(60)
    # An old tool keeps the shops in step: what is sold on one of them is taken off all.
    for shop in SHOPS:
        show(merchant, shop, MUG=20 - 2 - 3 - 2, TRAY=10 - 1 - 1, SET=4)
    # The ticket of the till is over; its unit has left the store.
    merchant.world.sales.pop()
    merchant.world.stock["MUG", "ST-PARIS"] = 2
    merchant.clock.advance(3_600)
    install(merchant)
    return merchant


def hear(merchant: Merchant) -> None:
    for name in merchant.world.accounts:
        begin(merchant.hub, name, START - timedelta(days=60))


def take_all(merchant: Merchant) -> None:
    for channel, location in SOURCES:
        source = find_source(merchant.hub, channel, location)
        taken = take_stock(merchant.hub, source, also_less=SHOPS if channel == "webshop" else ())
        assert taken.remarks == []


@pytest.mark.requirement("R48")
def test_after_the_cutover_every_sum_is_right_and_the_first_number_is_sent_by_go(database: Database) -> None:
    merchant = a_live_merchant(database)
    heard = listen(merchant)
    hear(merchant)
    merchant.buy("webshop", MUG=1)
    for shop in SHOPS:
        show(merchant, shop, MUG=12)
    merchant.turn(has_webhooks=False)
    take_all(merchant)
    for _ in range(5):
        merchant.turn(has_webhooks=False)
        merchant.clock.advance(60)
    with merchant.hub.database.read() as connection:
        world = World(connection)
        assert world.on_hand("MUG", "WH-LYON") == 20
        assert world.on_hand("TRAY", "WH-LYON") == 10
        assert world.on_hand("MUG", "ST-PARIS") == 2
        claimed = world.on_hand("MUG", "WH-LYON") + 2 - world.claimable("MUG", "WH-LYON")
        claimed -= world.claimable("MUG", "ST-PARIS")
        assert claimed == 2 + 3 + 2 + 1
        assert world.open_tasks() == {}
    assert heard == []
    assert written(merchant) == 0
    for name in merchant.world.accounts:
        assert go(merchant.hub, name)
        assert not go(merchant.hub, name)
    merchant.rest(has_webhooks=False)
    assert written(merchant) > 0
    verdict = merchant.verdict()
    assert verdict.details == []
    assert (verdict.holds, verdict.orders, verdict.dead_letters) == (True, 5, 0)
    with merchant.hub.database.read() as connection:
        assert World(connection).open_tasks() == {}
    left = {"MUG": 22 - 8, "TRAY": 10 - 2, "SET": 6}
    assert [merchant.shelf(shop) for shop in SHOPS] == [left] * 3


@pytest.mark.requirement("R48")
def test_go_says_everything_that_is_unresolved_and_changes_nothing(sqlite: Database) -> None:
    merchant = a_live_merchant(sqlite)
    with pytest.raises(CutoverRefusedError) as refused:
        go(merchant.hub, "webshop")
    assert refused.value.unresolved == ("nothing was heard of webshop yet: run `nervure cutover begin webshop`",)
    hear(merchant)
    with pytest.raises(CutoverRefusedError) as refused:
        go(merchant.hub, "webshop")
    assert [text.split(":")[0] for text in refused.value.unresolved] == [
        "location ST-LILLE",
        "location ST-NICE",
        "location ST-PARIS",
        "location WH-LYON",
    ]
    merchant.turn(has_webhooks=False)
    assert written(merchant) == 0


def test_what_counts_as_changing_is_found_on_every_platform(sqlite: Database) -> None:
    """The ear of these tests hears: once live, each platform is told something."""
    merchant = a_live_merchant(sqlite)
    hear(merchant)
    take_all(merchant)
    for name in merchant.world.accounts:
        go(merchant.hub, name)
    heard = listen(merchant)
    merchant.buy("boutique", MUG=1)
    merchant.rest(has_webhooks=False)
    assert {name for name, _, _ in heard} == {"webshop", "boutique", "marketplace", "tills"}


@pytest.mark.requirement("R48")
def test_done_again_at_every_step_nothing_is_booked_or_sent_twice(sqlite: Database) -> None:
    merchant = a_live_merchant(sqlite)
    for _ in range(2):
        hear(merchant)
    for _ in range(2):
        take_all(merchant)
        merchant.clock.advance(30)
    with sqlite.read() as connection:
        world = World(connection)
        assert world.movements("MUG", "WH-LYON") == [("received", 20)]
        assert world.movements("TRAY", "WH-LYON") == [("received", 10)]
        assert world.movements("MUG", "ST-PARIS") == [("received", 2)]
        assert world.claims() == {"held": 2 + 3 + 2 + 1 + 1}


@pytest.mark.requirement("R48")
@pytest.mark.parametrize("breaks_at", [1, 2, 3, 5, 8])
def test_a_line_that_breaks_at_any_request_leaves_a_cutover_that_goes_on(sqlite: Database, breaks_at: int) -> None:
    merchant = a_live_merchant(sqlite)
    seen = 0

    def cut(answer: Send, request: HttpRequest) -> HttpResponse:
        nonlocal seen
        seen += 1
        if seen >= breaks_at:
            raise NoAnswerError("the line broke")
        return answer(request)

    merchant.disturb["webshop"] = cut

    def go_on() -> None:
        for name in reversed(merchant.world.accounts):
            begin(merchant.hub, name, START - timedelta(days=60))
        take_stock(merchant.hub, find_source(merchant.hub, "webshop", "WH-LYON"), also_less=SHOPS)

    with pytest.raises(NoAnswerError):
        go_on()
    merchant.disturb.clear()
    hear(merchant)
    take_all(merchant)
    with sqlite.read() as connection:
        world = World(connection)
        assert (world.on_hand("MUG", "WH-LYON"), world.on_hand("TRAY", "WH-LYON")) == (20, 10)
        assert world.claims() == {"held": 9}


def test_what_was_over_before_the_stock_was_taken_is_in_the_number_and_is_not_booked_again(sqlite: Database) -> None:
    """An order that was sent last week, a ticket of the till, a return: their units are in what the shelf shows."""
    merchant = a_live_merchant(sqlite)
    emulator = merchant.world.accounts["tills"].emulator
    ticket = merchant.buy("tills", MUG=1)
    emulator.give_back(ticket, [BasketLine("MUG", 1)], POINTS["tills"], merchant.clock.now())
    hear(merchant)
    take_all(merchant)
    merchant.clock.advance(120)
    for _ in range(3):
        begin(merchant.hub, "tills", START - timedelta(days=60))
        merchant.turn(has_webhooks=False)
        merchant.clock.advance(60)
    with sqlite.read() as connection:
        world = World(connection)
        assert world.on_hand("MUG", "ST-PARIS") == merchant.shelf("tills")["MUG"]
        assert world.movements("MUG", "ST-PARIS") == [("received", merchant.shelf("tills")["MUG"])]


def test_a_sale_at_a_till_after_its_stock_was_taken_is_booked(sqlite: Database) -> None:
    merchant = a_live_merchant(sqlite)
    hear(merchant)
    take_all(merchant)
    merchant.clock.advance(60)
    merchant.buy("tills", MUG=1)
    for _ in range(12):
        merchant.turn(has_webhooks=False)
        merchant.clock.advance(60)
    with sqlite.read() as connection:
        assert World(connection).movements("MUG", "ST-PARIS") == [("received", 2), ("sold", -1)]


def test_numbers_of_other_systems_that_differ_are_listed_and_not_averaged(sqlite: Database) -> None:
    merchant = a_live_merchant(sqlite)
    show(merchant, "boutique", MUG=11)
    hear(merchant)
    taken = take_stock(merchant.hub, find_source(merchant.hub, "webshop", "WH-LYON"), also_less=SHOPS)
    assert taken.remarks == [("MUG", "webshop gives 20, boutique gives 18")]
    assert (taken.booked, taken.units) == (2, 30)
    with sqlite.read() as connection:
        assert World(connection).on_hand("MUG", "WH-LYON") == 20


def test_without_what_other_channels_hold_only_the_channels_own_orders_are_added(sqlite: Database) -> None:
    merchant = a_live_merchant(sqlite)
    hear(merchant)
    take_stock(merchant.hub, find_source(merchant.hub, "webshop", "WH-LYON"))
    with sqlite.read() as connection:
        world = World(connection)
        assert (world.on_hand("MUG", "WH-LYON"), world.on_hand("TRAY", "WH-LYON")) == (13 + 2, 8)


def test_what_came_in_at_a_place_that_was_opened_with_nothing_is_not_taken_off_again(sqlite: Database) -> None:
    merchant = a_live_merchant(sqlite)
    hear(merchant)
    take_all(merchant)
    merchant.clock.advance(60)
    receive(merchant.hub, "MUG", "ST-NICE", 4, document="D1")
    taken = take_stock(merchant.hub, find_source(merchant.hub, "tills", "ST-NICE"))
    assert (taken.booked, taken.known) == (0, 2)
    assert taken.remarks == [("MUG", "the hub has 4, tills gives 0")]
    with sqlite.read() as connection:
        assert World(connection).on_hand("MUG", "ST-NICE") == 4


def test_a_channel_whose_orders_are_to_be_added_must_have_been_heard(sqlite: Database) -> None:
    """Else its open orders would be missing from what lies there."""
    merchant = a_live_merchant(sqlite)
    begin(merchant.hub, "webshop", START - timedelta(days=60))
    with pytest.raises(
        RefusalError, match=r"^nothing was heard of boutique yet: run `nervure cutover begin boutique`$"
    ):
        take_stock(merchant.hub, find_source(merchant.hub, "webshop", "WH-LYON"), also_less=SHOPS)
    with sqlite.read() as connection:
        assert World(connection).rows(MOVEMENT) == 0


def test_a_live_channel_gives_no_opening_stock(sqlite: Database) -> None:
    merchant = a_live_merchant(sqlite)
    with pytest.raises(RefusalError, match=r"^nothing was heard of webshop yet"):
        find_source(merchant.hub, "webshop", "WH-LYON")
    hear(merchant)
    with pytest.raises(RefusalError, match=r"^channel 'tills' has no stock point for location 'WH-LYON'$"):
        find_source(merchant.hub, "tills", "WH-LYON")
    take_all(merchant)
    go(merchant.hub, "webshop")
    with pytest.raises(RefusalError, match=r"^webshop is live: "):
        find_source(merchant.hub, "webshop", "WH-LYON")


def test_orders_that_wait_for_acceptance_are_answered_only_after_go_and_then_with_yes(sqlite: Database) -> None:
    """Heard before there was any stock, they looked as if nobody could serve them."""
    merchant = a_live_merchant(sqlite)
    hear(merchant)
    with sqlite.read() as connection:
        assert World(connection).rows(OUTBOX) == 0
    take_all(merchant)
    go(merchant.hub, "marketplace")
    with sqlite.read() as connection:
        queued = connection.execute(OUTBOX.select()).one()
    assert (queued.kind, queued.target, set(queued.payload["lines"].values())) == (
        "accept_order",
        "marketplace",
        {True},
    )


@pytest.mark.parametrize(("have_them", "queued"), [(True, []), (False, ["drop_ship"])])
def test_what_a_supplier_may_have_been_asked_for_is_sent_only_if_somebody_says_so(
    sqlite: Database, *, have_them: bool, queued: list[str]
) -> None:
    merchant = a_live_merchant(sqlite, trays_at_supplier=50)
    pull_offers(merchant.hub, SUPPLIER_NAME)
    hear(merchant)
    take_all(merchant)
    merchant.clock.advance(60)
    # Nothing is left in Lyon: what is sold now comes from the supplier.
    adjust(merchant.hub, "TRAY", "WH-LYON", -8, reason=AdjustmentReason.LOST, document="FIRE")
    merchant.clock.advance(60)
    merchant.buy("boutique", TRAY=3)
    with pytest.raises(CutoverRefusedError) as refused:
        go(merchant.hub, "boutique")
    assert len(refused.value.unresolved) == 1
    assert refused.value.unresolved[0].startswith("1 open order is served by suppliers, first ")
    with sqlite.read() as connection:
        assert World(connection).rows(OUTBOX) == 0
    assert go(merchant.hub, "boutique", suppliers_have_orders=have_them)
    with sqlite.read() as connection:
        assert [row.kind for row in connection.execute(OUTBOX.select())] == queued
        states = [row.state for row in connection.execute(FULFILLMENT.select()) if row.ended_at is None]
        assert states.count("sent_to_supplier") == have_them


def test_orders_heard_before_there_was_any_stock_are_not_given_to_suppliers(sqlite: Database) -> None:
    merchant = a_live_merchant(sqlite, trays_at_supplier=50)
    pull_offers(merchant.hub, SUPPLIER_NAME)
    hear(merchant)
    take_all(merchant)
    with sqlite.read() as connection:
        world = World(connection)
        assert (world.allocated("TRAY", "WH-LYON"), world.allocated("TRAY", SUPPLIER.code)) == (2, 0)


def test_a_shipment_is_told_to_its_channel_only_after_go(sqlite: Database) -> None:
    merchant = a_live_merchant(sqlite)
    hear(merchant)
    take_all(merchant)
    heard = listen(merchant)
    with sqlite.read() as connection:
        numbers = [row.id for row in connection.execute(FULFILLMENT.select().order_by(FULFILLMENT.c.id))]
    for number in numbers:
        assert ship_fulfillment(merchant.hub, number)
    assert (send_messages(merchant.hub), heard) == (0, [])
    assert go(merchant.hub, "boutique")
    assert send_messages(merchant.hub) == 1
    assert {name for name, _, _ in heard} == {"boutique"}


def test_no_subscription_is_made_at_a_channel_that_is_not_live(sqlite: Database) -> None:
    merchant = a_live_merchant(sqlite)
    hear(merchant)
    take_all(merchant)
    heard = listen(merchant)
    loops = sweeping(Window(merchant.hub, 60))
    loops["webshop subscriptions"]()
    assert heard == []
    assert go(merchant.hub, "webshop")
    loops["webshop subscriptions"]()
    assert {name for name, _, _ in heard} == {"webshop"}
