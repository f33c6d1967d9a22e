"""Units held for a cart: until it is released, until the upkeep ends it, or until an order takes them over."""

import pytest

from nervure.operations.hub import Hub
from nervure.operations.reservations import (
    NotEnoughStockError,
    Request,
    Reservation,
    ReservationError,
    UnknownReservationError,
    Wish,
    expire_reservations,
    give_to_order,
    look_up,
    make_all,
    make_reservation,
    release_reservation,
)
from nervure.operations.staff import UnknownStockError, adjust, receive
from nervure.store.database import Database
from nervure.store.holds import RESERVATION, RESERVATION_LINE
from nervure.store.reservations import HeldUnits
from nervure.store.statements import CHANGE, CLAIM
from schemas.orders import Order, OrderState
from schemas.stock import AdjustmentReason
from tests.nervure.operations.scripted import ScriptedShop, advance, hear, looking, order_of, scripted_hub, settle
from tests.nervure.world import World, a_pickup, a_till_sale, an_order, at, capable, must_hold


def hub_on(database: Database) -> Hub:
    return scripted_hub(database, {"shop": ScriptedShop(), "market": ScriptedShop(), "till": ScriptedShop()})


def cart(hub: Hub, units: dict[str, int], *, reference: str = "CART", minutes: float = 15) -> Reservation:
    """Holds units from the shop's places."""
    wishes = [Wish(sku, count) for sku, count in units.items()]
    return make_reservation(hub, reference, wishes, expires_at=at(minutes), channel="shop")


def naming(order: Order, reference: str = "CART") -> Order:
    return order.model_copy(update={"reservation": reference})


@pytest.mark.requirement("R05", "R37")
def test_kits_and_their_parts_are_one_demand_and_come_from_one_place_where_one_has_it(both: Database) -> None:
    hub = hub_on(both)
    made = cart(hub, {"PAIR": 2, "BOLT": 3})
    assert made.held == (HeldUnits("BOLT", "paris", 5), HeldUnits("NUT", "paris", 4))
    assert (made.state, made.channel, made.order, made.is_new) == ("held", "shop", None, True)
    with looking(hub) as world:
        assert (world.claimable("BOLT", "paris"), world.claimable("NUT", "paris")) == (0, 4)
        assert world.claimable("BOLT", "lyon") == 2
        must_hold(world)


@pytest.mark.requirement("R17")
def test_what_is_held_is_shown_by_no_channel(both: Database) -> None:
    hub = hub_on(both)
    settle(hub)
    cart(hub, {"BOLT": 4})
    settle(hub)
    with looking(hub) as world:
        published = world.published()
        assert (published["shop", "web", "BOLT"], published["market", "fr", "BOLT"]) == (3, 3)
    release_reservation(hub, "CART")
    settle(hub)
    with looking(hub) as world:
        assert world.published()["market", "fr", "BOLT"] == 7


@pytest.mark.requirement("R05")
def test_carts_that_come_at_once_are_served_in_their_order_as_if_one_came_after_the_other(both: Database) -> None:
    hub = hub_on(both)
    cart(hub, {"NUT": 1}, reference="KNOWN")

    def asks(reference: str, sku: str, units: int, channel: str | None = "shop") -> Request:
        return Request(reference, (Wish(sku, units),), at(15), channel)

    requests = [
        asks("A", "BOLT", 5),
        asks("B", "BOLT", 6),
        asks("A", "BOLT", 5),
        asks("C", "GHOST", 1),
        asks("KNOWN", "NUT", 1),
        asks("KNOWN", "NUT", 2),
        asks("B", "BOLT", 1),
        asks("D", "BOLT", 1),
        asks("D2", "BOLT", 1),
        asks("E", "NUT", 1, None),
        asks("F", "NUT", 1, "nowhere"),
    ]
    answers = hub.database.run(lambda connection: make_all(hub, connection, requests))
    told = [str(got) if isinstance(got, Exception) else (got.is_new, got.held) for got in answers]
    one = (HeldUnits("BOLT", "lyon", 1),)
    five, nut = (HeldUnits("BOLT", "paris", 5),), (HeldUnits("NUT", "paris", 1),)
    assert told == [
        (True, five),
        "not enough stock, nothing is reserved: 'BOLT' at the places of shop: wanted 6, available 2",
        (False, five),
        "sku 'GHOST' is not known",
        (False, nut),
        "reservation 'KNOWN' was made for something else: use another reference",
        # Who names a reference that was just named is answered once that one is.
        "not enough stock, nothing is reserved: 'BOLT' at the places of shop: wanted 1, available 0",
        (True, one),
        (True, one),
        NO_PLACE.replace("BOLT", "NUT"),
        "channel 'nowhere' is not known",
    ]
    with looking(hub) as world:
        assert world.rows(RESERVATION) == 4
        must_hold(world)


NO_PLACE = "'BOLT' names no location: name one, or the channel whose pool is meant"
NOTHING = "reservation 'CART' asks for nothing: name skus with units above 0"


def nothing_is_held(hub: Hub) -> None:
    with looking(hub) as world:
        assert [world.rows(table) for table in (CLAIM, RESERVATION, RESERVATION_LINE)] == [0, 0, 0]
        must_hold(world)


@pytest.mark.requirement("R05", "R37")
def test_what_lacks_is_refused_whole_and_named(both: Database) -> None:
    hub = hub_on(both)
    with looking(hub) as world:
        changes = world.rows(CHANGE)
    with pytest.raises(NotEnoughStockError) as refused:
        make_reservation(
            hub,
            "CART",
            [Wish("PAIR", 2, "lyon"), Wish("BOLT", 1, "lyon"), Wish("BOLT", 1)],
            expires_at=at(15),
            channel="shop",
        )
    assert str(refused.value) == (
        "not enough stock, nothing is reserved: 'BOLT' at lyon: wanted 3, available 2;"
        " 'NUT' at lyon: wanted 4, available 0"
    )
    with pytest.raises(
        NotEnoughStockError, match=r"^not enough .*: 'PAIR' at the places of shop: wanted 5, available 4$"
    ):
        cart(hub, {"PAIR": 5})
    nothing_is_held(hub)
    with looking(hub) as world:
        assert world.rows(CHANGE) == changes


@pytest.mark.requirement("R06")
def test_units_of_several_places_are_held_where_they_are(both: Database) -> None:
    hub = hub_on(both)
    assert cart(hub, {"BOLT": 7}).held == (HeldUnits("BOLT", "lyon", 2), HeldUnits("BOLT", "paris", 5))


@pytest.mark.requirement("R06")
def test_a_cart_is_promised_nothing_from_where_nothing_is_sent(both: Database) -> None:
    hub = hub_on(both)
    with both.write() as connection:
        World(connection).location("lyon", postal_code="69001", can_ship=False)
    with pytest.raises(NotEnoughStockError, match="wanted 6, available 5"):
        cart(hub, {"BOLT": 6})
    assert make_reservation(hub, "PICKUP", [Wish("BOLT", 2, "lyon")], expires_at=at(15)).is_new


def test_a_cart_may_not_take_what_is_kept_back_and_an_order_may(both: Database) -> None:
    hub = hub_on(both)
    with both.write() as connection:
        world = World(connection)
        place = world.place("BOLT", "paris")
        world.policies.put_safety_stock(place.item_id, place.location_id, 3)
    with pytest.raises(NotEnoughStockError, match="wanted 3, available 2"):
        make_reservation(hub, "CART", [Wish("BOLT", 3, "paris")], expires_at=at(15))
    make_reservation(hub, "CART", [Wish("BOLT", 2, "paris")], expires_at=at(15))
    hear(hub, "shop", order_of(naming(an_order("1", {"BOLT": 5}))))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (5, 5, 0)}
        must_hold(world)


@pytest.mark.parametrize(
    ("wishes", "channel", "error", "sentence"),
    [
        ([Wish("BULT", 1)], "shop", UnknownStockError, "sku 'BULT' is not known"),
        ([Wish("BOLT", 1, "pari")], "shop", UnknownStockError, "location 'pari' is not known"),
        ([Wish("BOLT", 1)], "shap", UnknownStockError, "channel 'shap' is not known"),
        ([Wish("BOLT", 1)], None, ReservationError, NO_PLACE),
        ([], "shop", ReservationError, NOTHING),
        ([Wish("BOLT", 0)], "shop", ReservationError, NOTHING),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    filled: Database, wishes: list[Wish], channel: str | None, error: type[Exception], sentence: str
) -> None:
    hub = hub_on(filled)
    with pytest.raises(error) as refused:
        make_reservation(hub, "CART", wishes, expires_at=at(15), channel=channel)
    assert str(refused.value) == sentence
    with pytest.raises(ReservationError, match="would end before it begins"):
        cart(hub, {"BOLT": 1}, minutes=0)
    nothing_is_held(hub)


def test_the_same_again_answers_the_same_and_may_end_later_but_not_sooner(both: Database) -> None:
    hub = hub_on(both)
    first = cart(hub, {"BOLT": 2})
    again = cart(hub, {"BOLT": 2}, minutes=5)
    assert (again.held, again.expires_at, again.is_new) == (first.held, at(15), False)
    assert cart(hub, {"BOLT": 2}, minutes=40).expires_at == at(40)
    for other in ({"BOLT": 3}, {"BOLT": 2, "NUT": 1}):
        with pytest.raises(ReservationError, match=r"^reservation 'CART' was made for something else: use another"):
            cart(hub, other)
    with pytest.raises(ReservationError, match="was made for something else"):
        make_reservation(hub, "CART", [Wish("BOLT", 2)], expires_at=at(15), channel="market")
    advance(hub, 16 * 60)
    assert expire_reservations(hub) == 0, "it was extended"
    with looking(hub) as world:
        assert world.claims() == {"held": 2}
        must_hold(world)


@pytest.mark.requirement("R11")
def test_a_hold_is_released_once(both: Database) -> None:
    hub = hub_on(both)
    cart(hub, {"BOLT": 2})
    assert [release_reservation(hub, "CART") for _ in range(2)] == [True, False]
    assert look_up(hub, "CART").state == "released"
    with pytest.raises(UnknownReservationError, match=r"^there is no reservation 'CARD'$"):
        release_reservation(hub, "CARD")
    with pytest.raises(
        ReservationError, match=r"^reservation 'CART' was released at 2026-03-02 09:00 UTC: use another"
    ):
        cart(hub, {"BOLT": 2})
    with looking(hub) as world:
        assert (world.claims(), world.claimable("BOLT", "paris")) == ({"released": 2}, 5)
        must_hold(world)


@pytest.mark.parametrize("is_expired", [True, False])
def test_who_waits_gets_what_a_cart_gives_back(both: Database, is_expired: bool) -> None:
    hub = hub_on(both)
    cart(hub, {"BOLT": 7})
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 3})))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (3, 0, 3)}
    if is_expired:
        advance(hub, 15 * 60)
        assert expire_reservations(hub) == 1
    else:
        release_reservation(hub, "CART")
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (3, 3, 0)}
        assert world.open_tasks() == {}
        must_hold(world)


@pytest.mark.requirement("R04")
def test_time_alone_ends_no_hold(both: Database) -> None:
    hub = hub_on(both)
    cart(hub, {"BOLT": 7})
    advance(hub, 60 * 60)
    hear(hub, "market", order_of(an_order("1", {"BOLT": 1}, channel="market")))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (1, 0, 1)}, "the hold is over by the clock, and nothing has ended it"
    hear(hub, "shop", order_of(naming(an_order("2", {"BOLT": 7}, minute=60))))
    with looking(hub) as world:
        assert world.lines("2") == {"2-1": (7, 7, 0)}, "the payment was late, and the units were held still"
        must_hold(world)
    assert expire_reservations(hub) == 0


@pytest.mark.requirement("R04")
@pytest.mark.parametrize(("sold_meanwhile", "served"), [(0, 5), (4, 3), (7, 0)])
def test_a_payment_after_the_end_claims_again_or_falls_short(both: Database, sold_meanwhile: int, served: int) -> None:
    hub = hub_on(both)
    cart(hub, {"BOLT": 5})
    advance(hub, 15 * 60)
    assert [expire_reservations(hub) for _ in range(2)] == [1, 0]
    if sold_meanwhile:
        hear(hub, "market", order_of(an_order("2", {"BOLT": sold_meanwhile}, channel="market")))
    assert give_to_order(hub, "CART", "shop", "1").state == "expired"
    hear(hub, "shop", order_of(naming(an_order("1", {"BOLT": 5}))))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (5, served, 5 - served)}
        assert world.open_tasks()["shortfall"] == (served < 5)
        must_hold(world)


@pytest.mark.requirement("R04", "R06")
def test_an_order_takes_over_what_its_cart_holds_at_the_very_places(both: Database) -> None:
    hub = hub_on(both)
    make_reservation(hub, "CART", [Wish("BOLT", 2, "lyon"), Wish("BOLT", 1, "paris")], expires_at=at(15))
    hear(hub, "market", order_of(an_order("2", {"BOLT": 9}, channel="market")))
    hear(hub, "shop", order_of(naming(an_order("1", {"BOLT": 3}))))
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "lyon", "allocated"): 2, ("1-1", "paris", "allocated"): 1}
        assert world.lines("2") == {"2-1": (9, 4, 5)}
        assert world.claims() == {"consumed": 3, "held": 7}
        must_hold(world)
    found = look_up(hub, "CART")
    assert (found.state, found.channel, found.order) == ("consumed", "shop", "1")
    with pytest.raises(ReservationError, match=r"^order '1' of shop has taken 'CART' over: cancel it$"):
        release_reservation(hub, "CART")


def test_an_order_of_kits_takes_over_parts_that_its_cart_holds(both: Database) -> None:
    hub = hub_on(both)
    cart(hub, {"PAIR": 2, "BOLT": 1})
    hear(hub, "shop", order_of(naming(an_order("1", {"PAIR": 2, "BOLT": 1}))))
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 2, ("1-2", "paris", "allocated"): 1}
        assert (world.allocated("BOLT", "paris"), world.allocated("NUT", "paris")) == (3, 4)
        must_hold(world)


@pytest.mark.parametrize(("bought", "waiting"), [(2, 0), (6, 3)])
def test_an_order_of_less_frees_the_rest_and_one_of_more_claims_it(both: Database, bought: int, waiting: int) -> None:
    hub = hub_on(both)
    cart(hub, {"BOLT": 4})
    hear(hub, "market", order_of(an_order("2", {"BOLT": 3}, channel="market")))
    hear(hub, "market", order_of(an_order("3", {"BOLT": 2}, channel="market")))
    hear(hub, "shop", order_of(naming(an_order("1", {"BOLT": bought}))))
    with looking(hub) as world:
        assert world.lines("1")["1-1"] == (bought, min(bought, 4), max(bought - 4, 0))
        assert world.lines("3")["3-1"] == (2, 2 if bought == 2 else 0, 0 if bought == 2 else 2)
        assert sum(short for name in ("1", "3") for _, _, short in world.lines(name).values()) == (
            waiting + 1 if waiting else 0
        )
        must_hold(world)


@pytest.mark.parametrize("is_heard_first", [True, False])
def test_a_shop_may_say_which_order_a_cart_became_before_or_after_it_is_heard(
    both: Database, is_heard_first: bool
) -> None:
    hub = hub_on(both)
    cart(hub, {"BOLT": 7})
    order = order_of(an_order("1", {"BOLT": 7}))
    if is_heard_first:
        hear(hub, "shop", order)
        with looking(hub) as world:
            assert world.lines("1") == {"1-1": (7, 0, 7)}
    told = [give_to_order(hub, "CART", "shop", "1").state for _ in range(2)]
    assert told == (["consumed", "consumed"] if is_heard_first else ["held", "held"])
    if not is_heard_first:
        hear(hub, "shop", order)
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (7, 7, 0)}
        assert world.open_tasks() == {}
        assert world.claims() == {"consumed": 7, "held": 7}
        must_hold(world)


def test_a_hold_is_for_one_order_of_one_channel(both: Database) -> None:
    hub = hub_on(both)
    cart(hub, {"BOLT": 3})
    with pytest.raises(ReservationError, match=r"^reservation 'CART' is for shop$"):
        give_to_order(hub, "CART", "market", "1")
    give_to_order(hub, "CART", "shop", "1")
    with pytest.raises(ReservationError, match=r"^reservation 'CART' is for order '1' of shop$"):
        give_to_order(hub, "CART", "shop", "2")
    with pytest.raises(UnknownStockError, match=r"^channel 'shap' is not known$"):
        give_to_order(hub, "CART", "shap", "1")
    hear(hub, "market", order_of(naming(an_order("3", {"BOLT": 1}, channel="market"))))
    hear(hub, "shop", order_of(naming(an_order("4", {"BOLT": 1}))))
    assert look_up(hub, "CART").state == "held", "others may name it; they do not get it"


def test_a_hold_stays_while_the_order_waits_for_its_payment(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()}, capabilities={"shop": capable(decrements_at="payment")})
    cart(hub, {"BOLT": 7})
    order = naming(an_order("1", {"BOLT": 7}, state=OrderState.AWAITING_PAYMENT))
    hear(hub, "shop", order_of(order))
    assert give_to_order(hub, "CART", "shop", "1").state == "held"
    with looking(hub) as world:
        assert world.claims() == {"held": 7}
    hear(hub, "shop", order_of(naming(an_order("1", {"BOLT": 7}, minute=5))))
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 5, ("1-1", "lyon", "allocated"): 2}
        must_hold(world)


def test_a_pickup_takes_over_only_what_is_held_where_the_customer_comes(both: Database) -> None:
    hub = hub_on(both)
    with both.write() as connection:
        World(connection).location("paris", postal_code="75001")
    make_reservation(hub, "CART", [Wish("BOLT", 2, "lyon")], expires_at=at(15))
    hear(hub, "till", order_of(naming(a_pickup("1", {"BOLT": 2}, "counter", channel="till"))))
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "lyon", "allocated"): 2}
        must_hold(world)
    make_reservation(hub, "OTHER", [Wish("BOLT", 2, "paris")], expires_at=at(15))
    hear(hub, "till", order_of(naming(a_pickup("2", {"BOLT": 2}, "counter", channel="till"), "OTHER")))
    with looking(hub) as world:
        assert (world.lines("2"), world.claimable("BOLT", "paris")) == ({"2-1": (2, 0, 2)}, 5)
        must_hold(world)


def test_at_a_till_the_hold_makes_way_for_what_left(both: Database) -> None:
    hub = hub_on(both)
    make_reservation(hub, "CART", [Wish("BOLT", 2, "lyon")], expires_at=at(15))
    hear(hub, "till", order_of(naming(a_till_sale("1", {"BOLT": 2}, "counter", channel="till"))))
    with looking(hub) as world:
        assert (world.on_hand("BOLT", "lyon"), world.claimable("BOLT", "lyon")) == (0, 0)
        assert world.open_tasks() == {}
        must_hold(world)


@pytest.mark.requirement("R20")
def test_an_order_takes_over_a_hold_of_units_that_are_gone_and_is_served_elsewhere(both: Database) -> None:
    hub = hub_on(both)
    make_reservation(hub, "CART", [Wish("BOLT", 5, "paris")], expires_at=at(15))
    adjust(hub, "BOLT", "paris", -2, reason=AdjustmentReason.LOST, document="D1")
    hear(hub, "shop", order_of(naming(an_order("1", {"BOLT": 5}))))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (5, 5, 0)}
        assert world.served("1") == {("1-1", "paris", "allocated"): 3, ("1-1", "lyon", "allocated"): 2}
        must_hold(world)


def test_an_order_heard_twice_and_changed_later_keeps_what_it_took_over(both: Database) -> None:
    hub = hub_on(both)
    cart(hub, {"BOLT": 5})
    for minute in (0, 0, 1):
        hear(hub, "shop", order_of(naming(an_order("1", {"BOLT": 5}, minute=minute))))
    hear(hub, "shop", order_of(naming(an_order("1", {"BOLT": 5}, minute=2, state=OrderState.CANCELED))))
    receive(hub, "BOLT", "paris", 1, document="D1")
    with looking(hub) as world:
        assert world.claims() == {"consumed": 5, "released": 5}
        assert world.claimable("BOLT", "paris") == 6
        must_hold(world)
