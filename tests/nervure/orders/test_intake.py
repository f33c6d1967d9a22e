import pytest
import sqlalchemy as sa

from nervure.orders.intake import channels_own_moves, counts
from nervure.orders.work import LineState, UnboundListingError
from nervure.store.outbox import OUTBOX
from nervure.store.statements import CHANGE, CLAIM
from nervure.store.tables.orders import FULFILLMENT, LINE, ORDER, PERSON
from schemas.base import MAX_UNITS
from schemas.capabilities import DecrementMoment
from schemas.locations import Address
from schemas.orders import Customer, Delivery, DeliveryMethod, Order, OrderState
from schemas.policies import PolicyKind
from tests.nervure.world import Bought, World, a_till_sale, an_order, capable, merchant, must_hold


@pytest.mark.requirement("R02", "R10")
def test_an_accepted_order_is_allocated_where_its_units_are(world: World) -> None:
    merchant(world, bolt_paris=5)
    assert world.take_in(an_order("1", {"BOLT": 2}))
    assert world.served("1") == {("1-1", "paris", "allocated"): 2}
    assert (world.on_hand("BOLT", "paris"), world.allocated("BOLT", "paris")) == (5, 2)
    assert world.open_tasks() == {}
    must_hold(world)


@pytest.mark.requirement("R02")
def test_what_nobody_has_is_a_shortfall_with_an_open_task(world: World) -> None:
    merchant(world, bolt_paris=1, bolt_lyon=1)
    world.take_in(an_order("1", {"BOLT": 5}))
    assert world.served("1") == {("1-1", "paris", "allocated"): 1, ("1-1", "lyon", "allocated"): 1}
    assert world.lines("1") == {"1-1": (5, 2, 3)}
    assert world.open_tasks() == {"shortfall": 1}
    must_hold(world)


def test_an_order_of_more_than_a_channel_can_show_says_nothing_of_its_number(world: World) -> None:
    merchant(world, bolt_paris=1)
    world.forget_changes()
    assert world.take_in(an_order("1", [Bought("BOLT", MAX_UNITS)] * 3))
    assert world.lines("1")["1-3"] == (MAX_UNITS, 0, MAX_UNITS)
    noted = world.connection.execute(
        sa.select(CHANGE.c.channel_delta).where(CHANGE.c.listing_id.is_not(None))
    ).scalars()
    assert set(noted) == {None}
    must_hold(world)


@pytest.mark.requirement("R05")
def test_two_lines_of_one_item_are_claimed_together(world: World) -> None:
    merchant(world, bolt_paris=3)
    world.take_in(an_order("1", [Bought("BOLT", 2), Bought("BOLT", 2)]))
    assert world.lines("1") == {"1-1": (2, 2, 0), "1-2": (2, 1, 1)}
    assert world.allocated("BOLT", "paris") == 3
    must_hold(world)


@pytest.mark.requirement("R05", "R37")
def test_a_kit_claims_its_parts_at_one_place(world: World) -> None:
    merchant(world, bolt_paris=2, nut_paris=3, bolt_lyon=2, nut_lyon=4)
    world.take_in(an_order("1", {"PAIR": 2}))
    assert world.served("1") == {("1-1", "lyon", "allocated"): 2}
    assert (world.allocated("BOLT", "lyon"), world.allocated("NUT", "lyon")) == (2, 4)
    assert (world.allocated("BOLT", "paris"), world.allocated("NUT", "paris")) == (0, 0)
    must_hold(world)


@pytest.mark.requirement("R05")
def test_a_kit_and_its_part_in_one_basket_share_the_parts_units(world: World) -> None:
    merchant(world, bolt_paris=2, nut_paris=3)
    world.take_in(an_order("1", {"PAIR": 1, "NUT": 2}))
    assert world.lines("1") == {"1-1": (1, 1, 0), "1-2": (2, 1, 1)}
    assert world.allocated("NUT", "paris") == 3
    must_hold(world)


@pytest.mark.requirement("R06", "R07")
def test_a_split_allocates_what_was_ordered_and_not_more(world: World) -> None:
    merchant(world, bolt_paris=3, bolt_lyon=4)
    world.take_in(an_order("1", {"BOLT": 5}))
    assert world.served("1") == {("1-1", "paris", "allocated"): 3, ("1-1", "lyon", "allocated"): 2}
    assert (world.allocated("BOLT", "paris"), world.allocated("BOLT", "lyon")) == (3, 2)
    must_hold(world)


@pytest.mark.requirement("R10")
def test_the_order_says_why_each_location_was_chosen(world: World) -> None:
    merchant(world, bolt_paris=3, bolt_lyon=5)
    home = Delivery(method=DeliveryMethod.SHIP, address=Address(country="FR", postal_code="69003"))
    world.take_in(an_order("1", {"BOLT": 4}, delivery=home))
    [routing] = world.connection.execute(ORDER.select().with_only_columns(ORDER.c.routing)).scalars()
    assert routing == {
        "at": "2026-03-02T09:00:00+00:00",
        "locations": {"lyon": "chosen: has all of it, 0 km", "paris": "not chosen: lacks 1 of 4 units, 377 km"},
    }


@pytest.mark.requirement("R09")
def test_two_channels_that_share_a_location_share_its_units(world: World) -> None:
    merchant(world, bolt_paris=3)
    world.take_in(an_order("1", {"BOLT": 2}, channel="shop"))
    world.take_in(an_order("2", {"BOLT": 2}, channel="market"))
    assert world.lines("1") == {"1-1": (2, 2, 0)}
    assert world.lines("2") == {"2-1": (2, 1, 1)}
    must_hold(world)


@pytest.mark.requirement("R09")
def test_shares_divide_what_is_shown_and_a_claim_takes_what_is_there(world: World) -> None:
    merchant(world, bolt_paris=4)
    world.policy(PolicyKind.SHARE, 50, channel="shop")
    world.policy(PolicyKind.CAP, 1, channel="market")
    world.refresh()
    published = world.published()
    assert (published["shop", "web", "BOLT"], published["market", "fr", "BOLT"]) == (2, 1)
    world.take_in(an_order("1", {"BOLT": 3}, channel="market"))
    world.take_in(an_order("2", {"BOLT": 2}, channel="shop"))
    assert (world.lines("1"), world.lines("2")) == ({"1-1": (3, 3, 0)}, {"2-1": (2, 1, 1)})
    must_hold(world)


@pytest.mark.requirement("R09")
def test_an_order_is_served_from_a_suppliers_units_when_ours_are_gone(world: World) -> None:
    merchant(world)
    world.receive("BOLT", "paris", 2, owner="acme")
    world.receive("BOLT", "paris", 1)
    world.take_in(an_order("1", {"BOLT": 2}))
    held = {row.stock_level_id: row.units for row in world.connection.execute(CLAIM.select())}
    assert held == {world.level_id("BOLT", "paris"): 1, world.level_id("BOLT", "paris", owner="acme"): 1}
    must_hold(world)


@pytest.mark.requirement("R09")
def test_units_that_a_till_sold_are_not_promised_again_from_another_owners_level(world: World) -> None:
    merchant(world)
    world.receive("BOLT", "lyon", 5, owner="acme")
    world.take_in(a_till_sale("1", {"BOLT": 1}, "counter", channel="till"))
    world.take_in(an_order("2", {"BOLT": 5}))
    assert world.lines("2") == {"2-1": (5, 4, 1)}
    must_hold(world)


def test_the_same_statement_again_changes_nothing(world: World) -> None:
    merchant(world, bolt_paris=3)
    order = an_order("1", {"BOLT": 5})
    world.take_in(order)
    before = (world.served("1"), world.lines("1"), world.claims(), world.open_tasks())
    world.forget_changes()
    assert world.take_in(order)
    assert (world.served("1"), world.lines("1"), world.claims(), world.open_tasks()) == before
    assert world.rows(CHANGE) == 0


@pytest.mark.requirement("R23")
def test_an_older_statement_changes_nothing(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.take_in(an_order("1", {"BOLT": 1}, minute=2))
    assert not world.take_in(an_order("1", {"BOLT": 4}, minute=1))
    assert world.lines("1") == {"1-1": (1, 1, 0)}


@pytest.mark.requirement("R23")
def test_of_two_statements_of_one_instant_the_later_stage_is_the_newer(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.take_in(an_order("1", {"BOLT": 1}, state=OrderState.CANCELED))
    assert not world.take_in(an_order("1", {"BOLT": 1}, state=OrderState.OPEN))
    assert world.lines("1") == {"1-1": (0, 0, 0)}
    assert world.allocated("BOLT", "paris") == 0


@pytest.mark.requirement("R43")
def test_an_edit_takes_or_gives_back_the_difference(world: World) -> None:
    merchant(world, bolt_paris=5, nut_paris=5)
    world.take_in(an_order("1", {"BOLT": 3}))
    world.take_in(an_order("1", {"BOLT": 1, "NUT": 2}, minute=1))
    assert world.lines("1") == {"1-1": (1, 1, 0), "1-2": (2, 2, 0)}
    assert (world.allocated("BOLT", "paris"), world.allocated("NUT", "paris")) == (1, 2)
    world.take_in(an_order("1", {"BOLT": 4}, minute=2))
    assert world.lines("1") == {"1-1": (4, 4, 0), "1-2": (0, 0, 0)}
    assert (world.allocated("BOLT", "paris"), world.allocated("NUT", "paris")) == (4, 0)
    [ordered] = world.connection.execute(
        LINE.select().with_only_columns(LINE.c.units_ordered).where(LINE.c.external_id == "1-2")
    ).scalars()
    assert ordered == 2, "what was ordered once stays on record"
    must_hold(world)


@pytest.mark.requirement("R11")
def test_a_canceled_order_gives_its_units_back_once(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.take_in(an_order("1", {"BOLT": 2}))
    for minute in (1, 1, 2):
        world.take_in(an_order("1", {"BOLT": 2}, minute=minute, state=OrderState.CANCELED))
        assert (world.on_hand("BOLT", "paris"), world.claimable("BOLT", "paris")) == (5, 5)
        assert world.claims() == {"released": 2}
    assert world.lines("1") == {"1-1": (0, 0, 0)}
    assert world.fulfillment_numbers("1") == []
    must_hold(world)


@pytest.mark.requirement("R11")
def test_canceling_what_has_left_gives_nothing_back_and_asks_somebody(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.take_in(an_order("1", {"BOLT": 2}))
    assert world.ship_all("1") == [True]
    for minute in (1, 2):
        world.take_in(an_order("1", {"BOLT": 2}, minute=minute, state=OrderState.CANCELED))
        assert (world.on_hand("BOLT", "paris"), world.claimable("BOLT", "paris")) == (3, 3)
        assert world.claims() == {"consumed": 2}
        assert world.lines("1") == {"1-1": (2, 2, 0)}
        assert world.open_tasks() == {"canceled_after_shipping": 1}
    must_hold(world)


@pytest.mark.requirement("R11", "R30")
def test_canceling_again_what_has_left_moves_no_number_by_an_amount_but_has_it_sent_again(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.take_in(an_order("1", {"BOLT": 2}))
    world.ship_all("1")
    world.forget_changes()
    for minute in (1, 2):
        world.take_in(an_order("1", {"BOLT": 2}, minute=minute, state=OrderState.CANCELED))
    changes = world.connection.execute(sa.select(CHANGE.c.channel_delta, CHANGE.c.item_id)).all()
    assert [tuple(change) for change in changes] == [(None, None), (None, None)]


@pytest.mark.requirement("R11")
def test_of_a_half_shipped_order_only_what_is_still_here_is_given_back(world: World) -> None:
    merchant(world, bolt_paris=3, bolt_lyon=4)
    world.take_in(an_order("1", {"BOLT": 5}))
    paris, _ = world.fulfillment_numbers("1")
    world.ship(paris)
    world.take_in(an_order("1", {"BOLT": 5}, minute=1, state=OrderState.CANCELED))
    assert world.served("1") == {("1-1", "paris", "shipped"): 3}
    assert (world.claimable("BOLT", "paris"), world.claimable("BOLT", "lyon")) == (0, 4)
    assert world.lines("1") == {"1-1": (3, 3, 0)}
    must_hold(world)


def test_units_that_an_order_gives_back_serve_who_waits_for_them(world: World) -> None:
    merchant(world, bolt_paris=1)
    world.take_in(an_order("1", {"BOLT": 1}))
    world.take_in(an_order("2", {"BOLT": 1}))
    assert world.lines("2") == {"2-1": (1, 0, 1)}
    world.take_in(an_order("1", {"BOLT": 1}, minute=1, state=OrderState.CANCELED))
    assert world.lines("2") == {"2-1": (1, 1, 0)}
    assert world.open_tasks() == {}
    must_hold(world)


def test_parts_that_a_canceled_kit_gives_back_serve_who_waits_for_them(world: World) -> None:
    merchant(world, bolt_paris=1, nut_paris=2)
    world.take_in(an_order("1", {"PAIR": 1}))
    world.take_in(an_order("2", {"NUT": 2}))
    assert world.lines("2") == {"2-1": (2, 0, 2)}
    world.take_in(an_order("1", {"PAIR": 1}, minute=1, state=OrderState.CANCELED))
    assert world.lines("2") == {"2-1": (2, 2, 0)}
    must_hold(world)


@pytest.mark.requirement("R04")
def test_an_order_paid_after_it_was_given_up_claims_again_or_falls_short(world: World) -> None:
    merchant(world, bolt_paris=2)
    world.take_in(an_order("1", {"BOLT": 2}, state=OrderState.AWAITING_PAYMENT))
    world.take_in(an_order("1", {"BOLT": 2}, minute=1, state=OrderState.CANCELED))
    world.take_in(an_order("2", {"BOLT": 1}, minute=2))
    world.take_in(an_order("1", {"BOLT": 2}, minute=3, state=OrderState.OPEN))
    assert world.lines("2") == {"2-1": (1, 1, 0)}
    assert world.lines("1") == {"1-1": (2, 1, 1)}
    assert world.open_tasks() == {"shortfall": 1}
    must_hold(world)


@pytest.mark.requirement("R04")
def test_a_shop_that_decrements_at_payment_is_claimed_for_when_it_is_paid(world: World) -> None:
    merchant(world, bolt_paris=2)
    at_payment = capable(decrements_at=DecrementMoment.PAYMENT)
    world.take_in(an_order("1", {"BOLT": 2}, state=OrderState.AWAITING_PAYMENT), at_payment)
    assert world.claims() == {}
    world.take_in(an_order("1", {"BOLT": 2}, minute=1), at_payment)
    assert world.claims() == {"held": 2}
    world.take_in(an_order("1", {"BOLT": 2}, minute=2, state=OrderState.AWAITING_PAYMENT), at_payment)
    assert world.claims() == {"held": 2}, "what was counted once stays counted"
    must_hold(world)


def test_a_completed_order_has_left_and_its_channel_is_not_told(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.take_in(an_order("1", {"BOLT": 2}, state=OrderState.COMPLETED, minute=3))
    assert world.served("1") == {("1-1", "paris", "shipped"): 2}
    assert (world.on_hand("BOLT", "paris"), world.allocated("BOLT", "paris")) == (3, 0)
    assert world.rows(OUTBOX) == 0
    must_hold(world)


@pytest.mark.requirement("R39")
def test_an_order_of_an_unbound_listing_leaves_nothing_behind(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.forget_changes()
    with (
        pytest.raises(UnboundListingError, match=r"^listing 'L-CLAMP' of channel 'shop' is not bound to an item$"),
    ):
        world.take_in(an_order("1", {"BOLT": 1, "CLAMP": 1}))
    assert [world.rows(table) for table in (ORDER, LINE, FULFILLMENT, CLAIM, CHANGE, PERSON)] == [0] * 6


@pytest.mark.requirement("R39")
def test_a_binding_of_another_channel_does_not_count(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.items("CLAMP")
    world.list_on("market", "CLAMP")
    with pytest.raises(UnboundListingError):
        world.take_in(an_order("1", {"CLAMP": 1}, channel="shop"))


def test_orders_of_one_number_on_two_channels_are_two_orders(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.take_in(an_order("1", {"BOLT": 1}, channel="shop"))
    world.take_in(an_order("1", {"BOLT": 1}, channel="market"))
    assert (world.rows(ORDER), world.claims()) == (2, {"held": 2})


def test_a_marketplace_order_is_accepted_line_by_line_as_far_as_it_is_served(world: World) -> None:
    merchant(world, bolt_paris=5)
    marketplace = capable(must_accept_orders=True)
    order = an_order("1", {"BOLT": 1, "NUT": 1}, state=OrderState.AWAITING_ACCEPTANCE)
    for _ in range(2):
        world.take_in(order, marketplace)
        [(kind, target, payload)] = world.connection.execute(
            OUTBOX.select().with_only_columns(OUTBOX.c.kind, OUTBOX.c.target, OUTBOX.c.payload)
        ).all()
        assert (kind, target) == ("accept_order", "shop")
        assert payload == {"order": "1", "lines": {"1-1": True, "1-2": False}}


def test_personal_data_lies_apart_from_the_order_and_is_replaced_by_the_newest(world: World) -> None:
    merchant(world, bolt_paris=5)
    home = Address(country="FR", postal_code="69003", city="Lyon", lines=("1 rue X",))
    for minute, name in enumerate(("A. Martin", "A. Martin-Durand")):
        order = an_order("1", {"BOLT": 1}, minute=minute, delivery=Delivery(method=DeliveryMethod.SHIP, address=home))
        world.take_in(order.model_copy(update={"customer": Customer(name=name)}))
    [person] = world.connection.execute(PERSON.select()).all()
    assert (person.name, person.city, person.address_lines) == ("A. Martin-Durand", "Lyon", ["1 rue X"])
    assert (person.expires_at - world.now).days == 90
    [head] = world.connection.execute(ORDER.select()).mappings().all()
    assert not {"Martin", "Lyon", "rue X"} & {str(value) for value in head.values()}


@pytest.mark.parametrize(
    ("moment", "counted_in"),
    [
        (DecrementMoment.CART, {"awaiting_payment", "awaiting_acceptance", "open", "completed"}),
        (DecrementMoment.ORDER, {"awaiting_payment", "awaiting_acceptance", "open", "completed"}),
        (DecrementMoment.PAYMENT, {"awaiting_acceptance", "open", "completed"}),
        (DecrementMoment.DEBIT, {"open", "completed"}),
        (DecrementMoment.NEVER, {"open", "completed"}),
    ],
)
def test_units_are_ours_to_claim_once_the_channel_has_taken_them(moment: DecrementMoment, counted_in: set[str]) -> None:
    found = {
        state.value
        for state in OrderState
        if counts(an_order("1", {"BOLT": 1}, state=state), capable(decrements_at=moment))
    }
    assert found == counted_in


def test_a_till_sale_counts_only_once_it_is_paid() -> None:
    open_ticket = a_till_sale("1", {"BOLT": 1}, "counter", state=OrderState.AWAITING_PAYMENT)
    assert not counts(open_ticket, capable(decrements_at=DecrementMoment.ORDER))
    assert counts(a_till_sale("1", {"BOLT": 1}, "counter"), capable(decrements_at=DecrementMoment.ORDER))


def line(number: int, ordered: int, canceled: int, listing: int = 1) -> LineState:
    return LineState(number, f"line {number}", listing, 7, ordered, canceled, 0, 0)


@pytest.mark.requirement("R30")
def test_a_channel_that_sold_has_lowered_its_own_number() -> None:
    assert channels_own_moves([line(1, 2, 0), line(2, 3, 0)], {}, restocks_on_cancel=False) == {1: -5}


@pytest.mark.requirement("R30")
def test_a_channel_that_restocks_has_raised_its_own_number_by_what_was_canceled() -> None:
    before = {"line 1": line(1, 5, 0)}
    assert channels_own_moves([line(1, 5, 3)], before, restocks_on_cancel=True) == {1: 3}
    assert channels_own_moves([line(1, 5, 3)], before, restocks_on_cancel=False) == {}


@pytest.mark.requirement("R30")
def test_a_statement_that_changes_no_units_moved_no_number() -> None:
    assert channels_own_moves([line(1, 5, 3)], {"line 1": line(1, 5, 3)}, restocks_on_cancel=True) == {}


# -- what the channel says has left ----------------------------------------------------------------------------


@pytest.mark.requirement("R02")
def test_what_was_short_of_an_order_that_its_channel_calls_completed_left_from_the_channels_place(world: World) -> None:
    merchant(world, bolt_paris=5, bolt_lyon=2)
    world.take_in(an_order("1", {"BOLT": 9}))
    assert (world.lines("1"), world.open_tasks()) == ({"1-1": (9, 7, 2)}, {"shortfall": 1})
    done = an_order("1", {"BOLT": 9}, state=OrderState.COMPLETED, minute=1)
    for _ in range(2):
        world.take_in(done)
    assert world.lines("1") == {"1-1": (9, 9, 0)}
    assert world.served("1") == {("1-1", "paris", "shipped"): 7, ("1-1", "lyon", "shipped"): 2}
    assert (world.on_hand("BOLT", "paris"), world.on_hand("BOLT", "lyon")) == (-2, 0)
    assert world.open_tasks() == {"oversold": 1}
    must_hold(world, oversold=[("BOLT", "paris")])
    world.goods_in("BOLT", "paris", 10)
    assert world.served("1") == {("1-1", "paris", "shipped"): 7, ("1-1", "lyon", "shipped"): 2}, "it is not sent again"
    assert (world.claimable("BOLT", "paris"), world.allocated("BOLT", "paris")) == (8, 0)
    must_hold(world)


@pytest.mark.parametrize("state", [OrderState.COMPLETED, OrderState.CANCELED])
def test_a_shortfall_that_an_older_hub_left_on_an_order_that_is_over_is_not_served(
    world: World, state: OrderState
) -> None:
    merchant(world, bolt_paris=1)
    world.take_in(an_order("1", {"BOLT": 3}))
    world.connection.execute(ORDER.update().values(state=state.value))
    world.goods_in("BOLT", "paris", 5)
    assert world.lines("1") == {"1-1": (3, 1, 2)}
    assert world.allocated("BOLT", "paris") == 1


def test_who_was_promised_what_left_with_a_completed_order_is_served_elsewhere(world: World) -> None:
    merchant(world, bolt_paris=3, bolt_lyon=1)
    world.take_in(an_order("2", {"BOLT": 3}))
    world.take_in(an_order("1", {"BOLT": 2}, state=OrderState.COMPLETED))
    assert world.served("1") == {("1-1", "lyon", "shipped"): 1, ("1-1", "paris", "shipped"): 1}
    assert world.lines("2") == {"2-1": (3, 2, 1)}
    assert world.served("2") == {("2-1", "paris", "allocated"): 2}
    must_hold(world)


def test_a_completed_orders_kit_takes_its_parts_along(world: World) -> None:
    merchant(world, bolt_paris=1, nut_paris=9)
    world.take_in(an_order("1", {"PAIR": 2}, state=OrderState.COMPLETED))
    assert world.movements("NUT", "paris") == [("received", 9), ("shipped", -2), ("shipped", -2)]
    assert (world.on_hand("BOLT", "paris"), world.on_hand("NUT", "paris")) == (-1, 5)
    must_hold(world, oversold=[("BOLT", "paris")])


# -- what is no goods ------------------------------------------------------------------------------------------


def with_listing(order: Order, *listings: str | None) -> Order:
    """The order with its lines' listings as the channel names them."""
    lines = [
        line.model_copy(update={"listing_external_id": name}) for line, name in zip(order.lines, listings, strict=True)
    ]
    return order.model_copy(update={"lines": tuple(lines)})


def money_lines(world: World, order: str) -> list[tuple[str, int, str]]:
    found = world.connection.execute(sa.select(ORDER.c.money_lines).where(ORDER.c.external_id == order)).scalar_one()
    return [(line["line"], line["units"], line["amount"]) for line in found]


def test_a_line_that_names_nothing_of_the_catalogue_moves_money_and_the_goods_beside_it_are_claimed(
    world: World,
) -> None:
    merchant(world, bolt_paris=5)
    order = with_listing(an_order("1", {"BOLT": 2, "WRAP": 1}), "L-BOLT", None)
    for _ in range(2):
        world.take_in(order)
    assert world.served("1") == {("1-1", "paris", "allocated"): 2}
    assert world.lines("1") == {"1-1": (2, 2, 0)}
    assert money_lines(world, "1") == [("1-2", 1, "19.90")]
    must_hold(world)


def test_an_order_of_money_alone_is_kept_and_claims_nothing(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.take_in(with_listing(an_order("1", {"WRAP": 2}, state=OrderState.COMPLETED), None))
    assert (world.lines("1"), world.served("1"), money_lines(world, "1")) == ({}, {}, [("1-1", 2, "39.80")])
    assert (world.rows(FULFILLMENT), world.open_tasks()) == (0, {})


def test_goods_whose_listing_was_deleted_since_stay_goods(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.take_in(an_order("1", {"BOLT": 2}))
    world.take_in(with_listing(an_order("1", [Bought("BOLT", 2, 1)], minute=1), None))
    assert world.served("1") == {("1-1", "paris", "allocated"): 1}
    assert (world.lines("1"), money_lines(world, "1")) == ({"1-1": (1, 1, 0)}, [])


@pytest.mark.requirement("R09")
def test_a_till_sells_a_suppliers_units_where_ours_are_gone_or_set_aside(world: World) -> None:
    merchant(world, bolt_lyon=2)
    world.receive("BOLT", "lyon", 2, owner="acme")
    world.take_in(an_order("1", {"BOLT": 1}))
    world.take_in(a_till_sale("2", {"BOLT": 2}, "counter", channel="till"))
    levels = {level.owner: level for level in world.stock.lock_sellable([world.place("BOLT", "lyon")])}
    assert {owner: (level.claimable, level.claimed) for owner, level in levels.items()} == {
        "us": (0, 1),
        "acme": (1, 0),
    }
    must_hold(world)


@pytest.mark.requirement("R09")
def test_an_order_whose_units_a_till_sold_is_given_those_that_are_left_on_the_shelf(world: World) -> None:
    merchant(world, bolt_lyon=1)
    world.receive("BOLT", "lyon", 1, owner="acme")
    world.take_in(an_order("1", {"BOLT": 1}))
    world.take_in(an_order("2", {"BOLT": 1}))
    world.take_in(a_till_sale("3", {"BOLT": 1}, "counter", channel="till"))
    assert (world.lines("1"), world.lines("2")) == ({"1-1": (1, 1, 0)}, {"2-1": (1, 0, 1)})
    world.ship_all("1")
    levels = {level.owner: level.claimable for level in world.stock.lock_sellable([world.place("BOLT", "lyon")])}
    assert levels == {"us": 0, "acme": 0}
    must_hold(world)
